"""The page of one pipeline: everything that is known of it, in words and lines. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cdc.model.lag import growth, seconds_to_invalidation
from cdc.model.watermark import lsn_text
from cdc.ops.overview import OpenLetters, Parked
from cdc.services.overview import PastFacts, RecordFacts
from cdc_airflow.dashboard.approvals import Approval
from cdc_airflow.dashboard.charts import Axis, Chart
from cdc_airflow.dashboard.events import Mark, marks_of
from cdc_airflow.dashboard.facts import PipelineFacts
from cdc_airflow.dashboard.figures import (
    Figure,
    bytes_figure,
    bytes_text,
    count_figure,
    figure,
    seconds_figure,
)
from cdc_airflow.dashboard.incident_cards import IncidentCard, Message, failed_messages, incident_cards
from cdc_airflow.dashboard.maintenance_rows import MaintenanceRow, maintenance_rows
from cdc_airflow.dashboard.report_rows import ReportRow, report_rows
from cdc_airflow.dashboard.run_rows import RunRow, run_rows
from cdc_airflow.dashboard.streams import StreamCard, stream_cards
from cdc_airflow.dashboard.summary import Summary, lag_chart, recent, summarise


@dataclass(frozen=True)
class TableRow:
    """One table in one sink, over the window; the proof is the last one."""

    table: str
    sink: str
    inserted: Figure
    updated: Figure
    deleted: Figure
    dead_letters: Figure
    batches: Figure
    last_at: datetime | None
    complete_until: datetime | None
    lsn: str
    proven_at: datetime | None
    doubt: str


@dataclass(frozen=True)
class Detail:
    """Everything about one pipeline.

    Attributes:
        incidents: what is wrong; `past_incidents` are over.
        untold: messages that did not get there.
        approvals: questions that wait for a person.
    """

    summary: Summary
    axis: Axis
    bucket_s: int
    lag: Chart
    marks: tuple[Mark, ...]
    streams: tuple[StreamCard, ...]
    tables: tuple[TableRow, ...]
    slot: tuple[tuple[str, Figure], ...]
    parked: tuple[Parked, ...]
    letters: tuple[OpenLetters, ...]
    incidents: tuple[IncidentCard, ...]
    past_incidents: tuple[IncidentCard, ...]
    untold: tuple[Message, ...]
    approvals: tuple[Approval, ...]
    runs: tuple[RunRow, ...]
    reports: tuple[ReportRow, ...]
    maintenance: tuple[MaintenanceRow, ...]
    problems: tuple[str, ...]


def describe(facts: PipelineFacts, yarn_url: str) -> Detail:
    """Put the facts of one pipeline into words and lines.

    Args:
        facts: with tables and events.
        yarn_url: the ResourceManager's page; empty when it is not known.
    """
    summary = summarise(facts)
    past = facts.past.value or PastFacts(facts.now - timedelta(hours=1), facts.now, 60, (), (), ())
    axis = Axis(past.since, past.until)
    ops, records = facts.ops.value, facts.records.value or RecordFacts()
    incidents = incident_cards(records.incidents, records.told, facts.now)
    return Detail(
        summary=summary,
        axis=axis,
        bucket_s=past.bucket_s,
        lag=lag_chart(facts, summary.lag.value if isinstance(summary.lag.value, float) else None,
                      width=600.0, height=70.0),
        marks=marks_of(past.events, facts.runs.value or (), axis),
        streams=stream_cards(facts, summary, past, axis, yarn_url),
        tables=tuple(_tables(facts, past)),
        slot=slot_figures(facts, summary),
        parked=tuple(ops.parked) if ops else (),
        letters=tuple(ops.letters) if ops else (),
        incidents=tuple(one for one in incidents if one.over_at is None),
        past_incidents=tuple(one for one in incidents if one.over_at is not None),
        untold=failed_messages(records.told),
        approvals=tuple(facts.approvals.value or ()),
        runs=run_rows(records.runs, facts.now),
        reports=report_rows(records.reports),
        maintenance=maintenance_rows(records.maintenance),
        problems=tuple(_problems(facts)),
    )  # fmt: skip


def _problems(facts: PipelineFacts) -> list[str]:
    named = {
        "the ops store": facts.ops.problem,
        "its history": facts.past.problem,
        "its records": facts.records.problem,
        "Kafka": facts.ends.problem,
        "YARN": facts.applications.problem,
        "Airflow's runs": facts.runs.problem,
        "Airflow's open questions": facts.approvals.problem,
        "the source": facts.slot.problem,
        "Kafka Connect": facts.connector.problem,
        **{f"sink {name}": reading.problem for name, reading in facts.sinks.items()},
    }
    return [f"{name}: {problem}" for name, problem in named.items() if problem]


def _tables(facts: PipelineFacts, past: PastFacts) -> list[TableRow]:
    ops, now = facts.ops.value, facts.now
    totals = {(total.table, total.sink): total for total in past.totals}
    proofs = {(w.table, w.sink): w for w in ops.watermarks} if ops else {}
    at, limit = past.until, 30.0 + 2 * past.bucket_s
    rows = []
    for table in facts.pipeline.tables:
        for sink in facts.pipeline.sinks:
            total, proof = totals.get((table.name, sink.name)), proofs.get((table.name, sink.name))
            known = facts.past.value is not None

            def count(name: str, total: object = total, known: bool = known) -> Figure:
                return count_figure(getattr(total, name, 0) if known else None, at, now, limit)

            rows.append(
                TableRow(
                    table.name, sink.name, count("inserted"), count("updated"), count("deleted"),
                    count("dead_letters"), count("batches"),
                    last_at=total.last_at if total else None,
                    complete_until=proof.complete_until if proof else None,
                    lsn=lsn_text(proof.lsn) if proof and proof.lsn is not None else "",
                    proven_at=proof.proven_at if proof else None,
                    doubt=proof.doubt if proof else "not proven yet",
                )
            )  # fmt: skip
    return rows


def slot_figures(facts: PipelineFacts, summary: Summary) -> tuple[tuple[str, Figure], ...]:
    """What is known of the replication slot, by name; nothing while it does not exist or is not seen."""
    slot, now = facts.slot.value, facts.now
    if slot is None or not slot.exists or slot.unreachable:
        return ()
    points = recent(facts.wal, now)
    rate = growth(points[-150:])
    unconfirmed = points[-1].written - points[-1].confirmed if points else None
    left = seconds_to_invalidation(slot.safe_bytes, rate)
    return (
        ("in use", figure("yes" if slot.active else "no", "yes" if slot.active else "no", slot.at, now)),
        ("WAL status", figure(slot.wal_status or None, slot.wal_status, slot.at, now)),
        ("retained", bytes_figure(slot.retained_bytes, slot.at, now)),
        ("not confirmed", bytes_figure(unconfirmed, slot.at, now)),
        ("log grows by", figure(rate, "" if rate is None else f"{bytes_text(rate)}/s", slot.at, now)),
        ("safe to grow by", bytes_figure(slot.safe_bytes, slot.at, now)),
        ("until invalidation", seconds_figure(left, slot.at, now)),
        ("capture lag", seconds_figure(summary.capture_s, slot.at, now)),
    )
