"""What a comparison found, for a person and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["missing", "extra", "duplicate", "differing", "disagreeing", "foreign"]
SHOWN = 60


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        kind: `missing` in the sink; `extra` there; `duplicate` key there; a column `differing` from the
            source; a derived column on which the sinks are `disagreeing`; a row with a `foreign` version,
            which no event of the topic has.
        sink: the sink it was found in.
        key: the row's key, in the key's order.
        column: the column, for the last two kinds.
        expected: the source's value (the first sink's, for `disagreeing`).
        found: the sink's value.
    """

    kind: Kind
    sink: str
    key: tuple[Any, ...]
    column: str | None = None
    expected: Any = None
    found: Any = None

    def sentence(self) -> str:
        """The difference in words."""
        key = ", ".join(map(str, self.key))
        if self.column is None:
            return f"{self.sink}: row ({key}) is {self.kind}"
        values = f"expected {_short(self.expected)}, found {_short(self.found)}"
        return f"{self.sink}: row ({key}), {self.column}: {values}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        values = (
            {} if self.column is None else {"expected": _short(self.expected), "found": _short(self.found)}
        )
        key = [str(part) for part in self.key]
        return {"kind": self.kind, "sink": self.sink, "key": key, "column": self.column, **values}


@dataclass(frozen=True)
class TableReport:
    """The comparison of one table.

    Attributes:
        source: `schema.table` at the source.
        name: its name in the sinks.
        rows: rows by side: `source` and each sink.
        counts: how many differences there are, by sink and kind.
        examples: the first differences.
        differing: how many rows are not as the source has them, by sink; 0 is left out.
    """

    source: str
    name: str
    rows: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]
    examples: tuple[Difference, ...] = ()
    differing: Mapping[str, int] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether every row and every column is the same on all sides."""
        return self.differences == 0

    @property
    def differences(self) -> int:
        """Differences of all kinds."""
        return sum(sum(kinds.values()) for kinds in self.counts.values())

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "table": self.source,
            "name": self.name,
            "equal": self.equal,
            "rows": dict(self.rows),
            "differences": {sink: dict(kinds) for sink, kinds in self.counts.items()},
            "examples": [difference.as_dict() for difference in self.examples],
        }


@dataclass(frozen=True)
class CompareReport:
    """The comparison of some tables of a pipeline."""

    pipeline: str
    tables: tuple[TableReport, ...]

    @property
    def equal(self) -> bool:
        """Whether all tables are the same on all sides."""
        return all(table.equal for table in self.tables)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "pipeline": self.pipeline,
            "equal": self.equal,
            "tables": [table.as_dict() for table in self.tables],
        }


def _short(value: Any) -> str:
    text = "NULL" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
