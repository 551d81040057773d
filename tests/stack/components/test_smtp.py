"""The mail catcher."""

from __future__ import annotations

import mailbox
import smtplib
from email.message import EmailMessage

from local_stack.component import StackContext
from local_stack.components.smtp import Smtp
from tests.stack.components.running import Runner


def send(ctx: StackContext, subject: str) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "cdc@localhost", "data-team@localhost"
    message.set_content("The stream is stopped.\nSince: 08:00. Start it again: `cdc start`.")
    with smtplib.SMTP("127.0.0.1", ctx.ports["smtp"]) as client:
        client.send_message(message)


def test_mails_can_be_read_and_survive_a_kill(ctx: StackContext, runner: Runner) -> None:
    smtp = Smtp()
    runner.start(smtp)
    send(ctx, "before")
    runner.kill_and_start(smtp)
    send(ctx, "after")
    mails = mailbox.Maildir(smtp.exports(ctx)["MAIL_DIR"], create=False)
    assert sorted(mail["Subject"] for mail in mails) == ["after", "before"]
    assert all("Start it again" in str(mail.get_payload()) for mail in mails)
