"""The figures of the page as gauges for Prometheus. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from cdc.model.health import Level
from cdc.model.lag import lag_of
from cdc.services.overview import PastFacts
from cdc_airflow.dashboard.detail import slot_figures
from cdc_airflow.dashboard.exposition import Gauge, Sample
from cdc_airflow.dashboard.facts import PipelineFacts
from cdc_airflow.dashboard.figures import Figure
from cdc_airflow.dashboard.report_rows import report_rows
from cdc_airflow.dashboard.summary import Summary

LEVELS = {Level.OK: 0, Level.WARN: 1, Level.BREACH: 2, Level.UNKNOWN: 3}
Value = float | int | bool | datetime | None
Row = tuple[dict[str, str], Value]


def gauges(pairs: Iterable[tuple[PipelineFacts, Summary]]) -> list[Gauge]:
    """Every gauge of these pipelines; what is not known is left out, and its time tells since when."""
    known = list(pairs)
    return [
        *_of("", known, _overall),
        *_of("query_", known, _queries),
        *_of("slot_", known, _slot),
        *_of("", known, _tables),
        *_of("", known, _records),
        *_of("maintenance_", known, _maintenance),
    ]


def _of(
    prefix: str,
    pairs: Sequence[tuple[PipelineFacts, Summary]],
    rows_of: Callable[[PipelineFacts, Summary], list[tuple[str, str, list[Row]]]],
) -> list[Gauge]:
    found: dict[str, tuple[str, list[Sample]]] = {}
    for facts, summary in pairs:
        for name, description, rows in rows_of(facts, summary):
            samples = found.setdefault(f"cdc_{prefix}{name}", (description, []))[1]
            for labels, value in rows:
                number = value.timestamp() if isinstance(value, datetime) else value
                if number is not None:
                    samples.append(Sample({"pipeline": facts.pipeline.name, **labels}, float(number)))
    return [Gauge(name, description, tuple(samples)) for name, (description, samples) in found.items()]


def _overall(facts: PipelineFacts, summary: Summary) -> list[tuple[str, str, list[Row]]]:
    lag = summary.lag.value
    sampled = {
        "slot": facts.slot.value.at if facts.slot.value else None,
        "connector": facts.connector.value.at if facts.connector.value else None,
        "kafka": facts.ends.at, "ops": facts.ops.at, "yarn": facts.applications.at,
        **{f"sink {name}": r.value.at if r.value else None for name, r in facts.sinks.items()},
    }  # fmt: skip
    return [
        (
            "stage_level",
            "How a stage is: 0 ok, 1 warning, 2 breach, 3 unknown",
            [({"stage": dot.stage.value}, LEVELS[dot.level]) for dot in summary.dots],
        ),
        (
            "lag_seconds",
            "End-to-end lag of the slowest part",
            [({}, lag if isinstance(lag, float) else None)],
        ),
        (
            "rows_in_window",
            "Events read in the window that the scrape asked for",
            [({}, _count(summary.rows_in))],
        ),
        (
            "rows_out_window",
            "Rows written in that window",
            [({"sink": sink}, _count(figure)) for sink, figure in summary.rows_out],
        ),
        ("incidents_open", "Incidents that go on", [({}, summary.open_incidents)]),
        (
            "capture_lag_seconds",
            "How far Debezium is behind the source's log, at least",
            [({}, summary.capture_s)],
        ),
        (
            "sample_timestamp_seconds",
            "When a component last answered; a figure of an older look is stale",
            [({"component": name}, at) for name, at in sampled.items()],
        ),
    ]


def _queries(facts: PipelineFacts, summary: Summary) -> list[tuple[str, str, list[Row]]]:
    batches = facts.ops.value.batches if facts.ops.value else {}
    queries = [
        (q, batches.get(q.sample.query), {"stream": q.stream, "sink": q.sink}) for q in summary.queries
    ]
    lags = [(labels, lag_of(q, facts.now)) for q, _, labels in queries]
    done = [(batch, labels) for _, batch, labels in queries if batch is not None]
    return [
        (
            "lag_seconds",
            "Lag of a query behind the source",
            [(n, lag.seconds if lag else None) for n, lag in lags],
        ),
        (
            "backlog_events",
            "Offsets of its topics that a query has not passed",
            [(n, q.backlog) for q, _, n in queries],
        ),
        (
            "paused",
            "1 while a person has paused the stream",
            [(n, q.sample.paused_at is not None) for q, _, n in queries],
        ),
        ("seen_timestamp_seconds", "The last word of a query", [(n, q.seen_at) for q, _, n in queries]),
        ("batch_timestamp_seconds", "When the last batch ended", [(n, b.finished_at) for b, n in done]),
        ("batch_id", "The last batch", [(n, b.batch_id) for b, n in done]),
        ("input_rows_per_second", "Input rate of the last batch", [(n, b.input_rate) for b, n in done]),
        (
            "processing_latency_seconds",
            "Duration of the last batch",
            [(n, b.latency_ms / 1000) for b, n in done],
        ),
        (
            "checkpoint_duration_seconds",
            "Of that, writing the offset log and the commit log",
            [(n, b.checkpoint_ms / 1000) for b, n in done],
        ),
        ("error_ratio", "Dead letters by input rows of the last batch", [(n, b.error_rate) for b, n in done]),
    ]


def _slot(facts: PipelineFacts, summary: Summary) -> list[tuple[str, str, list[Row]]]:
    slot = facts.slot.value
    if slot is None or slot.unreachable or not slot.exists:
        return []
    labels = {"slot": slot.slot}
    figures = dict(slot_figures(facts, summary))
    return [
        ("active", "1 while somebody reads the slot", [(labels, slot.active)]),
        *(
            (name, description, [(labels, _count(figures[figure]))])
            for name, figure, description in (
                ("retained_bytes", "retained", "WAL that the slot holds back"),
                ("unconfirmed_bytes", "not confirmed", "WAL that Debezium has not confirmed"),
                ("log_bytes_per_second", "log grows by", "How fast the source's log grows"),
                ("safe_bytes", "safe to grow by", "How much the log may grow until the slot is in danger"),
                ("invalidation_seconds", "until invalidation", "When that is, at the present rate"),
            )
        ),
    ]


def _tables(facts: PipelineFacts, _: Summary) -> list[tuple[str, str, list[Row]]]:
    ops, past = facts.ops.value, facts.past.value
    if ops is None:
        return []
    letters: dict[tuple[str, str], int] = {}
    for item in ops.letters:
        letters[item.table, item.sink] = letters.get((item.table, item.sink), 0) + item.open
    every = [(t.name, s.name) for t in facts.pipeline.tables for s in facts.pipeline.sinks]
    parked = {(p.table, p.sink) for p in ops.parked}
    changes: list[Row] = [
        ({"table": total.table, "sink": total.sink, "operation": name}, count)
        for total in (past.totals if past else ())
        for name, count in (("insert", total.inserted), ("update", total.updated), ("delete", total.deleted))
    ]
    return [
        (
            "dead_letters_open",
            "Events that could not be written and were not replayed",
            [({"table": t, "sink": s}, letters.get((t, s), 0)) for t, s in every],
        ),
        (
            "parked",
            "1 while a table is parked",
            [({"table": t, "sink": s}, (t, s) in parked) for t, s in every],
        ),
        ("changes_window", "Rows written in the window that the scrape asked for", changes),
        ("batches_window", "Batches in that window", _totals(past, "batches")),
        (
            "dead_letters_window",
            "Events that could not be written in that window",
            _totals(past, "dead_letters"),
        ),
        (
            "watermark_timestamp_seconds",
            "The table is complete before this time",
            [({"table": w.table, "sink": w.sink}, w.complete_until) for w in ops.watermarks if w.holds],
        ),
        (
            "watermark_lsn",
            "The table is complete up to this position of the source's log",
            [({"table": w.table, "sink": w.sink}, w.lsn) for w in ops.watermarks if w.holds],
        ),
        (
            "reconciliation_timestamp_seconds",
            "When the table was last compared",
            [({"table": r.table}, r.finished_at) for r in ops.reconciled],
        ),
        (
            "reconciliation_equal",
            "1 when that found no difference",
            [({"table": r.table}, r.equal) for r in ops.reconciled],
        ),
    ]


def _records(facts: PipelineFacts, _: Summary) -> list[tuple[str, str, list[Row]]]:
    records = facts.records.value
    if records is None:
        return []
    running = [
        (run, {"run": str(run.id), "kind": str(run.kind), "table": run.table})
        for run in records.runs
        if run.state == "running"
    ]
    newest = {row.table: row for row in reversed(report_rows(records.reports)) if row.window is None}
    return [
        (
            "messages_undelivered",
            "Mails and webhooks that did not get there",
            [({}, sum(one.failed for one in records.told))],
        ),
        (
            "approvals_waiting",
            "Questions that wait for a person",
            [({}, len(facts.approvals.value) if facts.approvals.value is not None else None)],
        ),
        (
            "reconciliation_left",
            "Keys that still differed after the last comparison and its repairs",
            [
                ({"table": t, "sink": s.name}, {found.sink: found.left for found in row.sinks}.get(s.name, 0))
                for t, row in newest.items()
                for s in facts.pipeline.sinks
            ],
        ),
        (
            "run_done",
            "What a running backfill, replay or resync has written",
            [(n, r.done) for r, n in running],
        ),
        ("run_estimate", "About how much it is about", [(n, r.estimate) for r, n in running]),
        ("run_started_timestamp_seconds", "When it began", [(n, r.started_at) for r, n in running]),
        ("run_touched_timestamp_seconds", "Its last word", [(n, r.touched_at) for r, n in running]),
    ]


def _maintenance(facts: PipelineFacts, _: Summary) -> list[tuple[str, str, list[Row]]]:
    records = facts.records.value
    last = [
        (one, {"place": one.place, "table": one.table}) for one in (records.maintenance if records else ())
    ]
    return [
        ("timestamp_seconds", "When upkeep last ended there", [(n, m.finished_at) for m, n in last]),
        ("duration_seconds", "What it took", [(n, m.seconds) for m, n in last]),
        (
            "merged_bytes",
            "The size of the partitions that it merged",
            [(n, m.merged_bytes) for m, n in last if m.table],
        ),
        (
            "left",
            "What it left for a later run; of Kafka, topics that are not kept for long enough",
            [(n, len(m.left)) for m, n in last],
        ),
    ]


def _totals(past: PastFacts | None, name: str) -> list[Row]:
    return [
        ({"table": total.table, "sink": total.sink}, getattr(total, name))
        for total in (past.totals if past else ())
    ]


def _count(figure: Figure) -> Value:
    return None if isinstance(figure.value, str) else figure.value
