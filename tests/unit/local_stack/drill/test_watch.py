"""Which mail is about a fault, and which task it names."""

from __future__ import annotations

import pytest

from cdc.errors import DataError
from cdc_airflow.notifications.message import Entry, Message, Place
from local_stack.drill.watch import find_mail, place_of
from local_stack.mail import Mail


def mail(subject: str, *titles: str) -> Mail:
    place = Place("cdc_health", "ecommerce.check_slot", "manual__2026-01-01T00:00:00+00:00", "http://here/x")
    text = Message(subject, [Entry(title) for title in titles], place).html
    return Mail(subject, "cdc@localhost", "team@localhost", "", text)


def test_a_mail_of_the_platform_names_its_task() -> None:
    assert place_of(mail("[CDC p] BREACH: slot", "slot s")) == (
        "cdc_health", "ecommerce.check_slot", "manual__2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def test_a_mail_without_a_task_is_no_proof() -> None:
    with pytest.raises(DataError, match="which task"):
        place_of(Mail("s", "", "", "", "<p>something is wrong</p>"))


def test_the_first_mail_of_the_kind_about_the_thing_is_found() -> None:
    mails = [
        mail("[CDC p] BREACH: slot s", "slot s"),
        mail("[CDC p] OVER after 2 min (and 1 more): query a", "query a", "query b"),
        mail("[CDC p] OVER after 3 min: slot s", "slot s"),
    ]
    assert find_mail(mails, "slot s", r"\] OVER") is mails[2]
    assert find_mail(mails, "query b", r"\] OVER") is mails[1]
    assert find_mail(mails, "slot s", r"\] (BREACH|UNKNOWN)") is mails[0]
    assert find_mail(mails, "query b", r"\] BREACH") is None
