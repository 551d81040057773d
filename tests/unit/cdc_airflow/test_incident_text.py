"""The messages about an incident: one for each kind of news, with everything that a look brought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cdc.model.incidents import Incident, News, Turn
from cdc.model.verdict import Alarm, Level
from cdc_airflow.notifications.incident_text import build_news
from cdc_airflow.notifications.message import Place

AT = datetime(2026, 3, 1, 13, 0, tzinfo=UTC)
PLACE = Place("cdc_health", "ecommerce.check_slot", "run", "http://airflow.example/log")
SLOT = Incident(
    "replication slot s",
    Level.BREACH,
    Alarm.SLOT_LOST,
    "replication slot s is lost",
    AT - timedelta(minutes=10),
    AT,
    {"retained_mb": 9},
    "Raise max_slot_wal_keep_size.",
    AT - timedelta(minutes=25),
)
OVER = Incident(**{**vars(SLOT), "over_at": AT, "ending": "replication slot s is active"})


def one(news: News, incident: Incident = SLOT, details: dict[str, str] | None = None):
    ((message, turns),) = build_news("shop", [Turn(incident, news)], details or {}, PLACE, AT)
    assert [turn.incident for turn in turns] == [incident]
    return message


def test_a_beginning_says_what_since_when_figures_what_to_do_and_where_to_read_on() -> None:
    message = one(News.BEGUN, details={"replication slot s": "line 1\nline 2"})
    assert message.subject == "[CDC shop] BREACH: replication slot s is lost"
    for text in (
        "replication slot s is lost (breach)",
        "2026-03-01 12:35:00 UTC, 25 min",
        "retained_mb = 9",
        "Raise max_slot_wal_keep_size.",
        "docs/operations.md, “replication slot … is lost”",
        "<pre>line 1\nline 2</pre>",
        'href="http://airflow.example/log"',
    ):
        assert text in message.html


def test_a_reminder_says_for_how_long() -> None:
    assert one(News.REMINDER).subject == "[CDC shop] STILL BREACH after 25 min: replication slot s is lost"


def test_an_end_says_what_is_well_and_how_long_it_was_not() -> None:
    message = one(News.OVER, OVER)
    assert message.subject == "[CDC shop] OVER after 25 min: replication slot s is active"
    assert "2026-03-01 13:00:00 UTC, 25 min" in message.html
    assert "replication slot s is lost" in message.html
    assert "max_slot_wal_keep_size" not in message.html


def test_one_look_is_one_message_for_each_kind_of_news_the_worst_first() -> None:
    unknown = Incident(**{**vars(SLOT), "subject": "query q", "level": Level.UNKNOWN, "sentence": "q?"})
    turns = [Turn(unknown, News.BEGUN), Turn(SLOT, News.BEGUN), Turn(OVER, News.OVER), Turn(SLOT, None)]
    begun, over = build_news("shop", turns, {}, PLACE, AT)
    assert begun[0].subject == "[CDC shop] BREACH (and 1 more): replication slot s is lost"
    assert begun[0].html.index("is lost (breach)") < begun[0].html.index("q? (unknown)")
    assert over[0].subject.startswith("[CDC shop] OVER")
    assert [len(about) for _, about in (begun, over)] == [2, 1]


def test_nothing_new_is_no_message() -> None:
    assert build_news("shop", [Turn(SLOT, None)], {}, PLACE, AT) == []
