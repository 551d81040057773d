"""Events in the bytes that Debezium writes, made from events that Debezium has written.

A recorded event gives the layout: everything but the row, the operation, positions and times is taken from it
as it is. `Layout.render` of a recorded event's own values gives that event byte for byte, which is checked
whenever a layout is made.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cdc.errors import DataError
from local_stack.bench.shapes import Kind, Shape
from local_stack.bench.workload import Change, Row

_VARIES = ("ts_ms", "ts_us", "ts_ns", "txId", "lsn", "sequence")
_MARK = "\x00"


@dataclass(frozen=True)
class Recorded:
    """One event of a topic."""

    key: bytes
    value: bytes


@dataclass(frozen=True)
class Position:
    """Where and when a change was made: all that differs between two events beside their rows."""

    lsn: int
    tx_id: int
    sequence: str
    source_ns: int
    ns: int


@dataclass(frozen=True)
class Layout:
    """How events of one table look in one encoding.

    Attributes:
        key: the key's bytes around its number.
        value: the value around the two rows and what a position says, for `%`.
        before: a deleted row around its key, as the default replica identity shows it.
        row: a row around its values.
        precise: positions of decimals that are written as bytes (`decimal.handling.mode=precise`).
    """

    key: str
    value: str
    before: str
    row: str
    precise: frozenset[int] = frozenset()

    def render_key(self, key: int) -> bytes:
        """The key of a row."""
        return (self.key % key).encode()

    def render(self, change: Change, at: Position) -> bytes:
        """The event of a change."""
        deleted = change.op == "d"
        before = self.before % change.key if deleted else "null"
        after = "null" if deleted else self.row % self.values(change.row)
        return self.render_parts(before, after, change.op, at)

    def renamed(self, before: str, after: str) -> Layout:
        """The layout of a table with another name and the same columns."""
        return replace(self, key=self.key.replace(before, after), value=self.value.replace(before, after))

    def values(self, row: Row) -> Row:
        """A row's values as this encoding writes them."""
        if not self.precise:
            return row
        return tuple(decimal_bytes(v) if at in self.precise else v for at, v in enumerate(row))

    def render_parts(self, before: str, after: str, op: str, at: Position) -> bytes:
        """The event with these rows as JSON text."""
        ns, now = at.source_ns, at.ns
        return (
            self.value
            % (
                *(before, after, ns // 1_000_000, at.sequence, ns // 1_000, ns, at.tx_id, at.lsn),
                *(op, now // 1_000_000, now // 1_000, now),
            )
        ).encode()


def decimal_bytes(text: str) -> str:
    """A decimal's unscaled value as Kafka Connect writes it: big-endian bytes in base64."""
    number = int(text.strip('"').replace(".", ""))
    data = number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
    return f'"{base64.b64encode(data).decode()}"'


def layout_of(insert: Recorded, delete: Recorded, made: Row, shape: Shape) -> Layout:
    """The layout that two recorded events show.

    Args:
        insert: of one row.
        delete: of the same row.
        made: the row that was inserted.
        shape: its table.

    Raises:
        DataError: the events cannot be rendered again to the same bytes.
    """
    payload, head = _payload(insert.value)
    key, key_head = _payload(insert.key)
    deleted, _ = _payload(delete.value)
    before = dict(deleted["before"])
    names = shape.names
    precise = {
        at
        for at, column in enumerate(shape.columns)
        if column.kind is Kind.NUMERIC and _dump(payload["after"][column.name]) != made[at]
    }
    layout = Layout(
        key=_escaped(key_head[0]) + _template({**key, names[0]: _MARK}) + _escaped(key_head[1]),
        value=_escaped(head[0]) + _value_template(payload) + _escaped(head[1]),
        before=_template({**before, names[0]: _MARK}),
        row=_template(dict.fromkeys(names, _MARK)),
        precise=frozenset(precise),
    )
    # The row goes through the layout; the delete's is its own `before`.
    if layout.row % layout.values(made) != _dump(payload["after"]):
        raise DataError(f"received {payload['after']}, which is rendered differently from {made}")
    for recorded in (insert, delete):
        again = render_again(layout, recorded)
        if again != recorded.value:
            raise DataError(
                f"received an event of Debezium that is rendered differently:\n{recorded.value!r}\n{again!r}"
            )
    if layout.render_key(json.loads(_dump(key))[names[0]]) != insert.key:
        raise DataError(f"received key {insert.key!r}, which is rendered differently")
    return layout


def render_again(layout: Layout, recorded: Recorded) -> bytes:
    """A recorded event, rendered from what it says."""
    payload, _ = _payload(recorded.value)
    source = payload["source"]
    at = Position(source["lsn"], source["txId"], _dump(source["sequence"]), source["ts_ns"], payload["ts_ns"])
    return layout.render_parts(_dump(payload["before"]), _dump(payload["after"]), payload["op"], at)


def _payload(text: bytes) -> tuple[dict[str, Any], tuple[str, str]]:
    """The payload, and the text around it: a schema where there is one."""
    document = json.loads(text)
    if document.keys() != {"schema", "payload"}:
        return document, ("", "")
    body = _dump(document["payload"])
    head, found, tail = text.decode().rpartition(body)
    if not found:
        raise DataError(f"received {text[:80]!r}, whose payload is not written as JSON without spaces")
    return document["payload"], (head, tail)


def _value_template(payload: Mapping[str, Any]) -> str:
    source = {name: _MARK if name in _VARIES else value for name, value in payload["source"].items()}
    marked = {name: _MARK if name != "source" else source for name in payload}
    marked["transaction"] = payload["transaction"]
    text = _template(marked)
    # `op` is a text; everything else is rendered with its quotes, or is a number.
    return text.replace('"op":%s', '"op":"%s"')


def _template(document: Mapping[str, Any]) -> str:
    return _escaped(_dump(document)).replace(_dump(_MARK), "%s")


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
