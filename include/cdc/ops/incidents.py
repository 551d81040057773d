"""Incidents, what people were told of them, and the samples and restarts behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from psycopg.rows import DictRow
from psycopg.sql import SQL
from psycopg.types.json import Jsonb

from cdc.model.incidents import Incident, Turn, leave
from cdc.model.restarts import Restart
from cdc.model.slot_health import SlotPoint
from cdc.model.verdict import Alarm, Level
from cdc.ops.base import OpsDatabase
from cdc.ops.records import Delivery, Draft

RETRIED_FOR = timedelta(days=1)
"""A message that could not be delivered for so long is not sent any more: it would only confuse."""
_IN_FLIGHT = timedelta(minutes=2)
_INCIDENT = SQL(
    "id, subject, level, alarm, sentence, figures, todo, since, began_at, told_at, told, over_at, ending"
)
_DELIVERY = SQL(
    "id, pipeline, incidents, channel, target, subject, body, created_at, tried_at, attempts, error, "
    "delivered_at, given_up_at"
)
Decide = Callable[[dict[str, Incident]], Sequence[Turn]]
Compose = Callable[[Sequence[Turn]], Sequence[tuple[Draft, Sequence[Turn]]]]


class IncidentStore(OpsDatabase):
    """What is wrong, and who was told."""

    def follow_incidents(
        self, pipeline: str, check: str, decide: Decide, compose: Compose
    ) -> tuple[list[Turn], list[Delivery]]:
        """Read a check's open incidents, decide, and keep the turns with what is to be sent, all or nothing.

        Args:
            pipeline: the pipeline.
            check: the check; two runs of it take turns.
            decide: from the open incidents by subject to what has become of them.
            compose: from the turns to messages, each with the turns that it tells of.
        """
        with self.transaction():
            self.rows(
                "SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))",
                ("cdc incidents", f"{pipeline} {check}"),
            )
            return self._record_turns(pipeline, check, decide(self._open(pipeline, check)), compose)

    def _record_turns(
        self, pipeline: str, check: str, decided: Sequence[Turn], compose: Compose
    ) -> tuple[list[Turn], list[Delivery]]:
        turns = [self._keep(pipeline, check, turn) for turn in decided]
        made = [
            self._record_delivery(pipeline, draft, [t.incident.id for t in about if t.incident.id])
            for draft, about in compose(turns)
        ]
        return turns, made

    def _open(self, pipeline: str, check: str) -> dict[str, Incident]:
        statement = SQL(
            'SELECT {} FROM cdc_ops.incidents WHERE pipeline = %s AND "check" = %s AND over_at IS NULL'
        ).format(_INCIDENT)
        return {row["subject"]: _incident(row) for row in self.rows(statement, (pipeline, check))}

    def _keep(self, pipeline: str, check: str, turn: Turn) -> Turn:
        one = turn.incident
        values = {
            "id": one.id,
            "pipeline": pipeline,
            "check": check,
            "subject": one.subject,
            "level": str(one.level),
            "alarm": one.alarm.name,
            "sentence": _text(one.sentence),
            "figures": Jsonb(dict(one.figures)),
            "todo": one.todo,
            "since": one.since,
            "began_at": one.began_at,
            "told_at": one.told_at,
            "told": [alarm.name for alarm in one.told],
            "over_at": one.over_at,
            "ending": one.ending,
        }
        if one.id is not None:
            self.rows(
                "UPDATE cdc_ops.incidents SET level = %(level)s, alarm = %(alarm)s, sentence = %(sentence)s, "
                "figures = %(figures)s, todo = %(todo)s, since = %(since)s, told_at = %(told_at)s, "
                "told = %(told)s, over_at = %(over_at)s, ending = %(ending)s, looked_at = now() "
                "WHERE id = %(id)s",
                values,
            )
            return turn
        # A check that was renamed takes over what it had open under its old name.
        row = self.rows(
            'INSERT INTO cdc_ops.incidents AS known (pipeline, "check", subject, level, alarm, sentence, '
            "figures, todo, since, began_at, told_at, told) VALUES (%(pipeline)s, %(check)s, %(subject)s, "
            "%(level)s, %(alarm)s, %(sentence)s, %(figures)s, %(todo)s, %(since)s, %(began_at)s, "
            "%(told_at)s, %(told)s) ON CONFLICT (pipeline, subject) WHERE over_at IS NULL DO UPDATE "
            'SET "check" = excluded."check", level = excluded.level, sentence = excluded.sentence, '
            "looked_at = now() RETURNING id",
            values,
        )[0]
        return Turn(Incident(**{**vars(one), "id": row["id"]}), turn.news)

    def unwatched_pipelines(self, declared: Sequence[str], since: datetime) -> list[str]:
        """Pipelines beside these with open incidents that no check has looked at since then.

        One that another folder of pipelines declares is looked at from there.
        """
        rows = self.rows(
            "SELECT pipeline FROM cdc_ops.incidents WHERE over_at IS NULL AND NOT pipeline = ANY(%s) "
            "GROUP BY pipeline HAVING max(looked_at) < %s ORDER BY pipeline",
            (list(declared), since),
        )
        return [row["pipeline"] for row in rows]

    def end_other_incidents(
        self,
        pipeline: str,
        checks: Sequence[str],
        at: datetime,
        compose: Compose,
        *,
        why: str = "",
        kept_by: str = "",
    ) -> list[Delivery]:
        """End what no check looks at any more, such as of a stream that was taken out of the pipeline.

        Args:
            pipeline: the pipeline.
            checks: those that look.
            at: when it is over.
            compose: as in `follow_incidents`.
            why: nobody looks any more, for people.
            kept_by: the pipeline whose messages these are and that sends them again; this one by default.

        Returns:
            What is to be sent.
        """
        statement = SQL(
            "SELECT {} FROM cdc_ops.incidents WHERE pipeline = %s AND over_at IS NULL "
            'AND NOT "check" = ANY(%s) ORDER BY id FOR UPDATE'
        ).format(_INCIDENT)
        with self.transaction():
            left = [_incident(row) for row in self.rows(statement, (pipeline, list(checks)))]
            return self._record_turns(kept_by or pipeline, "", leave(left, at, why), compose)[1]

    def incidents(self, pipeline: str, *, only_open: bool = False, limit: int = 50) -> list[Incident]:
        """The newest incidents, those that go on first."""
        statement = SQL(
            "SELECT {} FROM cdc_ops.incidents WHERE pipeline = %s AND (over_at IS NULL OR NOT %s) "
            "ORDER BY over_at IS NOT NULL, began_at DESC, id DESC LIMIT %s"
        ).format(_INCIDENT)
        return [_incident(row) for row in self.rows(statement, (pipeline, only_open, limit))]

    def record_deliveries(self, pipeline: str, drafts: Sequence[Draft]) -> list[Delivery]:
        """Keep what is about to be sent and is about no incident."""
        return [self._record_delivery(pipeline, draft, []) for draft in drafts]

    def _record_delivery(self, pipeline: str, draft: Draft, incidents: Sequence[int]) -> Delivery:
        statement = SQL(
            "INSERT INTO cdc_ops.deliveries (pipeline, incidents, channel, target, subject, body) "
            "VALUES (%s, %s, %s, %s, %s, %s) RETURNING {}"
        ).format(_DELIVERY)
        told = (draft.channel, draft.target, _text(draft.subject), _text(draft.body))
        return _delivery(self.rows(statement, (pipeline, list(incidents), *told))[0])

    def record_outcome(self, delivery: Delivery, error: str) -> None:
        """It got there, or why not."""
        self.rows(
            "UPDATE cdc_ops.deliveries SET attempts = attempts + 1, tried_at = clock_timestamp(), "
            "error = %s, delivered_at = CASE WHEN %s THEN clock_timestamp() END WHERE id = %s",
            (_text(error), not error, delivery.id),
        )

    def give_up(self, delivery: Delivery, why: str) -> None:
        """It is not tried again, for a reason that no further try changes."""
        self.rows(
            "UPDATE cdc_ops.deliveries SET error = %s, given_up_at = clock_timestamp() WHERE id = %s",
            (_text(why), delivery.id),
        )

    def undelivered(self, pipeline: str, *, lately: bool = False, due: bool = False) -> list[Delivery]:
        """What did not get there and was not given up, oldest first.

        Args:
            pipeline: the pipeline.
            lately: only what is not too old to be sent again.
            due: of that, only what is not just being sent by somebody else.
        """
        statement = SQL(
            "SELECT {} FROM cdc_ops.deliveries WHERE pipeline = %s AND delivered_at IS NULL "
            "AND given_up_at IS NULL AND (NOT %s OR created_at > now() - %s) "
            "AND (NOT %s OR tried_at < now() - %s) ORDER BY id LIMIT 200"
        ).format(_DELIVERY)
        return [
            _delivery(row)
            for row in self.rows(statement, (pipeline, lately or due, RETRIED_FOR, due, _IN_FLIGHT))
        ]

    def deliveries(self, pipeline: str, limit: int = 50) -> list[Delivery]:
        """The newest ones, newest first."""
        statement = SQL(
            "SELECT {} FROM cdc_ops.deliveries WHERE pipeline = %s ORDER BY created_at DESC, id DESC LIMIT %s"
        ).format(_DELIVERY)
        return [_delivery(row) for row in self.rows(statement, (pipeline, limit))]

    def record_slot(self, pipeline: str, slot: str, at: datetime, retained: int) -> None:
        """Keep one look at a slot."""
        self.rows(
            "INSERT INTO cdc_ops.slot_samples (pipeline, slot, at, retained) VALUES (%s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            (pipeline, slot, at, retained),
        )

    def slot_points(self, pipeline: str, slot: str, since: datetime) -> list[SlotPoint]:
        """The looks since then, oldest first."""
        rows = self.rows(
            "SELECT at, retained FROM cdc_ops.slot_samples WHERE pipeline = %s AND slot = %s AND at >= %s "
            "ORDER BY at",
            (pipeline, slot, since),
        )
        return [SlotPoint(row["at"], row["retained"]) for row in rows]

    def record_restart(self, pipeline: str, restart: Restart) -> None:
        """Failed tasks are about to be restarted."""
        self.rows(
            "INSERT INTO cdc_ops.connector_restarts (pipeline, connector, what, cause, at) "
            "VALUES (%s, %s, %s, %s, %s)",
            (pipeline, restart.connector, restart.what, _text(restart.cause), restart.at),
        )

    def restarts(self, pipeline: str, since: datetime) -> list[Restart]:
        """The restarts since then, oldest first."""
        rows = self.rows(
            "SELECT connector, what, cause, at FROM cdc_ops.connector_restarts "
            "WHERE pipeline = %s AND at > %s ORDER BY at",
            (pipeline, since),
        )
        return [Restart(**row) for row in rows]


def _text(said: str) -> str:
    # PostgreSQL's text holds no NUL, and a trace may quote a value.
    return said.replace("\x00", "\\0")


def _incident(row: DictRow) -> Incident:
    values = dict(row)
    values["level"] = Level(row["level"])
    # A later version may know other alarms than the one that wrote this.
    values["alarm"] = Alarm.__members__.get(row["alarm"], Alarm.NONE)
    values["told"] = tuple(Alarm.__members__.get(name, Alarm.NONE) for name in row["told"])
    return Incident(**values)


def _delivery(row: DictRow) -> Delivery:
    values = dict(row)
    names = ("channel", "target", "subject", "body")
    draft = Draft(**{name: values.pop(name) for name in names})
    return Delivery(draft=draft, **values)
