"""Interrupting the main job, and the generator beside the screen."""

from __future__ import annotations

import os
import signal
import time
from email.message import EmailMessage
from mailbox import Maildir

import pytest

from local_stack.mail import read_mails
from local_stack.run import GeneratorThread, interruptible


class TestInterruptible:
    def test_the_first_signal_interrupts_and_the_second_does_not(self):
        with interruptible() as interrupted:
            with pytest.raises(KeyboardInterrupt):
                _signal(signal.SIGINT)
            assert interrupted.is_set()
            _signal(signal.SIGINT)
            _signal(signal.SIGTERM)

    def test_handlers_are_put_back(self):
        before = signal.getsignal(signal.SIGTERM)
        with interruptible():
            assert signal.getsignal(signal.SIGTERM) is not before
        assert signal.getsignal(signal.SIGTERM) is before


def _signal(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0.2)


def test_without_a_rate_the_generator_changes_nothing():
    thread = GeneratorThread("postgresql://nobody@127.0.0.1:1/nothing", rate=0, seed=1)
    thread.start()
    assert thread.finish().changes == 0
    assert thread.problem is None


def test_mails_are_read_oldest_first(tmp_path):
    assert read_mails(tmp_path / "none") == []
    box = Maildir(tmp_path / "mail", create=True)
    for subject in ("first", "second – ünï"):
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = subject, "cdc@localhost", "team@localhost"
        message.set_content(f"about {subject}")
        box.add(message)
    mails = read_mails(tmp_path / "mail")
    assert [mail.subject for mail in mails] == ["first", "second – ünï"]
    assert mails[1].text.strip() == "about second – ünï"
    assert mails[0].to == "team@localhost"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1764201600.M99999P7Q1.host", "1764201600.M100000P7Q2.host"),
        ("1764201600.M5P7Q9.host", "1764201600.M5P7Q10.host"),
    ],
)
def test_mails_of_the_same_second_are_read_in_the_order_of_their_delivery(tmp_path, first, second):
    Maildir(tmp_path / "mail", create=True)
    for name in (second, first):
        (tmp_path / "mail/new" / name).write_text(f"Subject: {name}\n\n")
    assert [mail.subject for mail in read_mails(tmp_path / "mail")] == [first, second]
