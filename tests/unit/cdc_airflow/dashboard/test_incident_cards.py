"""An incident says what, since when, what to do, and whether people know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cdc.model.incidents import Incident
from cdc.model.verdict import Alarm, Level
from cdc.ops.history import Told
from cdc_airflow.dashboard.incident_cards import failed_messages, incident_cards

NOW = datetime.now(UTC)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def told(*incidents: int, minutes: float = 5, attempts: int = 1, error: str = "", to: str = "a@b") -> Told:
    at = ago(minutes)
    delivered = at if attempts and not error else None
    return Told(incidents, "mail", to, "s", at, at, attempts, error, delivered)


def incident(number: int, **values: object) -> Incident:
    made = {
        "subject": "slot s", "level": Level.BREACH, "alarm": Alarm.SLOT_LOST, "sentence": "slot s is lost",
        "began_at": ago(30), "told_at": ago(5), "figures": {"mb": None}, "id": number,
    }  # fmt: skip
    return Incident(**{**made, **values})  # type: ignore[arg-type]


def test_it_lasts_since_it_was_bad_and_not_since_it_was_found() -> None:
    (card,) = incident_cards([incident(1, since=ago(90))], [], NOW)
    assert (card.since, card.lasted, card.figures) == (ago(90), "1 h 30 min", (("mb", "–"),))
    assert card.runbook == "replication slot … is lost"


def test_one_that_is_over_lasted_until_then() -> None:
    (card,) = incident_cards([incident(1, over_at=ago(10), ending="well")], [], NOW)
    assert (card.lasted, card.ending) == ("20 min", "well")


def test_each_has_the_messages_about_it_oldest_first() -> None:
    about = [told(2, to="c"), told(1, 2, to="b"), told(1, to="a")]
    first, second = incident_cards([incident(1), incident(2)], about, NOW)
    assert [message.to for message in first.told] == ["a", "b"]
    assert [message.to for message in second.told] == ["b", "c"]


def test_a_message_says_what_became_of_it() -> None:
    about = [
        told(1),
        told(1, attempts=0),
        told(1, attempts=2, error="refused"),
        told(1, minutes=2000, attempts=9, error="refused"),
    ]
    (card,) = incident_cards([incident(1)], about, NOW)
    assert [message.outcome for message in reversed(card.told)] == [
        "delivered",
        "being sent",
        "failed 2 time(s), it is sent again: refused",
        "failed 9 time(s), it is not sent any more: refused",
    ]
    assert len(failed_messages(about)) == 2
