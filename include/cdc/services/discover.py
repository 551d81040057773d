"""From the source's catalogue to entries of a pipeline file."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from cdc.clients.postgres import connect_postgres
from cdc.clients.yarn import ClusterMetrics
from cdc.connections import Connections
from cdc.errors import ConfigurationError, UnsupportedSourceError
from cdc.services.capturable import entry, refusal
from cdc.services.catalogue import SourceTable, read_tables
from cdc.services.launch import stream_memory_mb
from cdc.spec import Pipeline, TableSpec, load_pipeline
from cdc.spec.names import default_sink_name, matching, topic_identity, with_hash
from cdc.spec.tables import Mode


@dataclass(frozen=True)
class Discovery:
    """What the source has.

    Attributes:
        found: entries of tables that can be captured and are not yet.
        refused: tables that cannot be captured, with the reason.
        known: tables that the pipeline has.
    """

    found: tuple[dict[str, Any], ...]
    refused: tuple[tuple[str, str], ...]
    known: tuple[str, ...]


def discover(
    pipeline: Pipeline,
    connections: Connections,
    patterns: Sequence[str],
    stream: str | None = None,
    mode: Mode = "rows",
) -> Discovery:
    """Read the catalogue.

    Args:
        pipeline: the pipeline whose source is read.
        connections: where it is.
        patterns: `schema.table` with `*` and `?`.
        stream: the stream that new entries name; by default each has its own.
        mode: of the new entries.

    Raises:
        UnsupportedSourceError: nothing matches the patterns, or only what the pipeline excludes.
    """
    with connect_postgres(
        connections.get(pipeline.source.admin_connection), autocommit=True, application_name="cdc-discover"
    ) as connection:
        tables = read_tables(connection, role=connections.get(pipeline.source.connection).login)
    own = {pipeline.source.signal_table, pipeline.source.heartbeat_table}
    tables = tuple(t for t in tables if t.qualified not in own)
    offered = [t for t in tables if not _matches(t, pipeline.exclude)]
    chosen = [t for t in offered if _matches(t, patterns)]
    if not chosen:
        left_out = ", ".join(t.qualified for t in tables if _matches(t, patterns))
        raise UnsupportedSourceError(
            f"no table matches {', '.join(patterns)}"
            + (f" but what the pipeline's `exclude` leaves out: {left_out}" if left_out else "")
            + f"; the source has: {', '.join(t.qualified for t in offered) or 'none'}"
        )
    known = {table.source for table in pipeline.tables}
    names = {table.name.lower() for table in pipeline.tables}
    topics = pipeline.topics_taken()
    found, refused = [], []
    for table in chosen:
        if table.qualified in known:
            continue
        item = with_own_name(entry(table, stream, mode), table, names)
        why = (
            refusal(table, changelog=mode == "changelog")
            or _invalid(item)
            or take_topic(pipeline, item, topics)
        )
        if why:
            refused.append((table.qualified, why))
        else:
            found.append(item)
    return Discovery(tuple(found), tuple(refused), tuple(t.qualified for t in chosen if t.qualified in known))


def with_own_name(item: dict[str, Any], table: SourceTable, names: set[str]) -> dict[str, Any]:
    """An entry that names its table in the sinks when another one's name differs only in case.

    Args:
        item: the entry.
        table: its table.
        names: the names that are taken, in lower case; this table's is added.
    """
    name = default_sink_name(table.schema, table.name)
    if name.lower() in names:
        name = with_hash(name, table.qualified)
        item = {"source": item["source"], "name": name, **item}
    names.add(name.lower())
    return item


def take_topic(pipeline: Pipeline, item: dict[str, Any], topics: dict[str, str]) -> str:
    """Why an entry's table cannot have its topic; empty when it can, and the topic is taken then.

    Args:
        pipeline: the pipeline.
        item: a valid entry.
        topics: those that are taken, as in `Pipeline.topics_taken`; this table's is added.
    """
    table = TableSpec.model_validate(item)
    why = pipeline.topic_taken(table, topics)
    if not why:
        topics[topic_identity(pipeline.topic(table))] = table.source
    return why


def read_at_source(entries: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """The columns of new entries that no event will have, and why: each changed row costs a look-up."""
    return [
        (f"{table.source}.{column.name}", column.pg_type.lost or "no event has it")
        for table in map(TableSpec.model_validate, entries)
        for column in table.columns
        if column.from_source
    ]


def check_memory(pipeline: Pipeline, entries: Sequence[dict[str, Any]], cluster: ClusterMetrics) -> None:
    """Refuse more drivers than YARN has memory for.

    Raises:
        ConfigurationError: with the figures, and what to do.
    """
    streams = {table.stream for table in pipeline.tables}
    streams |= {TableSpec.model_validate(item).stream for item in entries}
    each = stream_memory_mb(pipeline)
    if len(streams) * each > cluster.total_mb:
        raise ConfigurationError(
            f"{len(streams)} streams need {len(streams) * each} MB ({each} MB each), and YARN has "
            f"{cluster.total_mb} MB, enough for {cluster.total_mb // each}: let tables share a stream with "
            "--stream NAME, or give YARN more memory"
        )


def write_entries(path: Path, entries: Sequence[dict[str, Any]], env: str = "dev") -> None:
    """Append entries to a pipeline file, keeping every line that is there, comments included.

    Raises:
        SpecError: the file would be invalid with them; it is left as it was.
        ConfigurationError: the file has a shape that cannot be kept line by line.
    """
    before = path.read_text(encoding="utf-8")
    after = appended(before, entries)
    lost = [
        line[2:] for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line.startswith("- ")
    ]
    if lost:
        raise ConfigurationError(
            f"{path}: adding to it would change other lines, such as {lost[0]!r}; add the entries by hand: "
            "`cdc discover` without --write prints them"
        )
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(after, encoding="utf-8")
    try:
        load_pipeline(scratch, env)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def appended(text: str, entries: Sequence[dict[str, Any]]) -> str:
    """The text of a pipeline file with entries at the end of its tables, in the file's own style."""
    block = render(entries)
    lines = text.splitlines(keepends=True)
    document = YAML(typ="rt").load(text)
    tables = document["tables"]
    last = tables[-1]
    # The next top-level key after `tables` ends the list; comments and blank lines before it stay with it.
    following = [document.lc.key(key)[0] for key in document if document.lc.key(key)[0] > tables.lc.line]
    end = min(following, default=len(lines))
    while end > last.lc.line and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    indent = " " * (tables.lc.item(0)[1] - 2)
    body = "".join(f"{indent}{line}" if line.strip() else line for line in block.splitlines(keepends=True))
    head = "".join(lines[:end])
    return f"{head}{'' if head.endswith(chr(10)) else chr(10)}\n{body}{''.join(lines[end:])}"


def render(entries: Sequence[dict[str, Any]]) -> str:
    """Entries as YAML, a column a line as in the sample."""
    yaml = YAML(typ="rt")
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    texts = []
    for item in entries:
        table = CommentedMap(item)
        if "key" in item:
            table["key"] = _flow(CommentedSeq(item["key"]))
        table["columns"] = CommentedSeq(_flow(CommentedMap(column)) for column in item["columns"])
        for column in table["columns"]:
            if "values" in column:
                column["values"] = _flow(CommentedSeq(column["values"]))
        stream = StringIO()
        yaml.dump(CommentedSeq([table]), stream)
        lines = stream.getvalue().splitlines()
        texts.append("\n".join(line.removeprefix("  ") for line in lines) + "\n")
    return "\n".join(texts)


def _flow(node: Any) -> Any:
    node.fa.set_flow_style()
    return node


def _matches(table: SourceTable, patterns: Sequence[str]) -> bool:
    return matching(table.schema, table.name, patterns) is not None


def _invalid(item: dict[str, Any]) -> str | None:
    try:
        TableSpec.model_validate(item)
    except ValidationError as error:
        return "cannot be declared: " + error.errors(include_url=False)[0]["msg"].removeprefix(
            "Value error, "
        )
    return None
