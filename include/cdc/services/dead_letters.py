"""Dead letters for people: what is in one, and what to do about it. Pure but for `replay`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cdc.ops import DeadLetter, OpsStore
from cdc.services.submit import run_here
from cdc.settings import Settings
from cdc.spec import Pipeline, StreamSpec

_ADVICE = {
    "RefusedError": (
        "the sink has a rule or a type of its own that this row breaks: change it there, or correct the row "
        "at the source; then replay"
    ),
    "SchemaChangedError": (
        "the event has other columns than the pipeline declares: `cdc discover`, `cdc apply`, restart the "
        "stream; then replay"
    ),
    "DataError": (
        "a value does not fit its type in the sink, or the event is damaged: declare the column `text` and "
        "apply, or correct the row at the source, whose next event then replaces this one; then replay. "
        "What no parser can read is given up by `cdc dead-letters discard`"
    ),
}
_OTHER = "mend what the message says; then replay"


@dataclass(frozen=True)
class ReplayReport:
    """What a replay did, by (table, sink).

    Attributes:
        replayed: dead letters that the sinks have now.
        left: dead letters that are open still, with their new error.
    """

    replayed: dict[tuple[str, str], int]
    left: dict[tuple[str, str], int]

    @property
    def sentences(self) -> list[str]:
        """One for each table and sink."""
        places = sorted({*self.replayed, *self.left})
        return [
            f"{table} → {sink}: {self.replayed.get((table, sink), 0)} written, "
            f"{self.left.get((table, sink), 0)} still open"
            for table, sink in places
        ]

    def to_json(self) -> str:
        """The same for programs."""
        places = sorted({*self.replayed, *self.left})
        rows = [
            {
                "table": table,
                "sink": sink,
                "replayed": self.replayed.get((table, sink), 0),
                "open": self.left.get((table, sink), 0),
            }
            for table, sink in places
        ]
        return json.dumps(rows, indent=2)


def advice(letter: DeadLetter) -> str:
    """What a person can do about a dead letter."""
    if letter.discarded:
        return f"nothing: it was discarded, {letter.discarded}"
    if letter.replayed_at is not None:
        return "nothing: it was written by a replay"
    return _ADVICE.get(letter.error_class, _OTHER)


def readable(raw: bytes | None) -> str:
    """Bytes as a person reads them: JSON indented, other text as it is, the rest escaped."""
    if raw is None:
        return "(none)"
    try:
        return json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except ValueError:
        return raw.decode(errors="backslashreplace")


def as_document(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter for JSON; key and value as text, with what is no UTF-8 escaped."""
    document = asdict(letter)
    for name in ("key", "value"):
        raw = document[name]
        document[name] = None if raw is None else raw.decode(errors="backslashreplace")
    for name in ("timestamp", "created_at", "failed_at", "replayed_at"):
        document[name] = None if document[name] is None else document[name].isoformat()
    return {**document, "advice": advice(letter)}


def tables_gone(pipeline: Pipeline, names: Iterable[str]) -> tuple[str, ...]:
    """Of the names in dead letters, those of tables that left the pipeline, or have another name now."""
    return tuple(sorted(set(names) - {table.name for table in pipeline.tables}))


def streams_to_replay(pipeline: Pipeline, waiting: dict[tuple[str, str], int]) -> dict[str, list[str]]:
    """For each stream, its tables with open dead letters; tables that the pipeline dropped have none."""
    tables = {table for table, _ in waiting}
    wanted = {
        stream.name: [table.name for table in stream.tables if table.name in tables]
        for stream in pipeline.streams
    }
    return {stream: names for stream, names in wanted.items() if names}


def replay_arguments(tables: list[str], sink: str | None) -> tuple[str, ...]:
    """What the bounded job is told."""
    return (
        "--replay-dead-letters",
        "--tables",
        ",".join(tables),
        *(("--sinks", sink) if sink else ()),
    )


def replay_report(before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]) -> ReplayReport:
    """Compare open dead letters before and after; a stream may have added some meanwhile."""
    replayed = {place: max(0, count - after.get(place, 0)) for place, count in before.items()}
    return ReplayReport(replayed, {place: count for place, count in after.items() if place in before})


def replay(
    pipeline: Pipeline,
    pipeline_file: Path,
    settings: Settings,
    ops: OpsStore,
    table: str | None,
    sink: str | None,
    on_step: Callable[[str], None],
) -> ReplayReport:
    """Replay the open dead letters on this machine, by the code that the streams run.

    Raises:
        ConfigurationError: Spark cannot be started, or a sink refuses the run.
    """
    before = ops.count_dead_letters(pipeline.name, table, sink)
    for name, tables in streams_to_replay(pipeline, before).items():
        stream: StreamSpec = pipeline.stream(name)
        on_step(f"replaying {', '.join(tables)} by the job of stream {name}")
        run_here(pipeline, stream, pipeline_file, settings, "replay", replay_arguments(tables, sink))
    return replay_report(before, ops.count_dead_letters(pipeline.name, table, sink))
