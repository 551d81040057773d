"""Brings what was made of a table into its pipeline file, keeping every line that says the same as before."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from cdc.errors import ConfigurationError
from cdc.spec import ColumnSpec, TableSpec, load_pipeline
from cdc.spec.definitions import definition_of


def write_definition(path: Path, table: TableSpec, env: str = "dev") -> bool:
    """Let the file say of a table what is in effect; False when it does already.

    Args:
        path: the pipeline file.
        table: as it is in effect.
        env: the environment in which the file is checked.

    Raises:
        SpecError: the file would be invalid; it is left as it was.
        ConfigurationError: the file has a shape in which the table's lines cannot be found.
    """
    # What has vanished is told by the source's catalogue, and is nothing for a person to keep.
    table = table.model_copy(update={"vanished": ()})
    if definition_of(load_pipeline(path, env).table(table.source)) == definition_of(table):
        return False
    before = path.read_text(encoding="utf-8")
    scratch = path.with_name(f".{path.name}.new")
    scratch.write_text(rewritten(before, table), encoding="utf-8")
    try:
        if definition_of(load_pipeline(scratch, env).table(table.source)) != definition_of(table):
            raise ConfigurationError(
                f"{path}: the entry of {table.source} has a shape that cannot be rewritten line by line "
                "(anchors, or an overlay of the environment): write its columns by hand"
            )
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    return True


def rewritten(text: str, table: TableSpec) -> str:
    """The text of a pipeline file with another definition of one table. Pure.

    Raises:
        ConfigurationError: the table's lines cannot be found.
    """
    entry = _entry(YAML(typ="rt").load(text), table)
    lines = text.splitlines(keepends=True)
    columns = entry["columns"]
    begins = [columns.lc.item(number)[0] for number in range(len(columns))]
    end = _end(lines, begins[-1], columns.lc.item(0)[1])
    chunks = {
        item["name"]: "".join(lines[begin:after])
        for item, begin, after in zip(columns, begins, [*begins[1:], end], strict=True)
    }
    said = {item["name"]: ColumnSpec.model_validate(dict(item)) for item in columns}
    indent = " " * (columns.lc.item(0)[1] - 2)
    block = "".join(
        chunks[column.name] if said.get(column.name) == column else f"{indent}- {_flow(_item(column))}\n"
        for column in table.columns
    )
    # A changelog has no key.
    first = "columns" if table.changelog else "key"
    at, column = entry.lc.key(first)
    margin = " " * column
    if not table.changelog and (entry.lc.key("columns")[0] < at or begins[0] == entry.lc.key("columns")[0]):
        raise ConfigurationError(f"the entry of {table.source} does not have its key before its columns")
    head, tail = "".join(lines[:at]), "".join(lines[end:])
    between = "".join(lines[at if table.changelog else at + 1 : begins[0]])
    if table.changelog:
        names = ""
    elif list(entry["key"]) == list(table.key):
        names = lines[at]
    else:
        names = f"{margin}key: {_flow(list(table.key))}\n"
    exclude = ""
    if table.exclude and list(entry.get("exclude") or ()) != list(table.exclude):
        if "exclude" in entry:
            raise ConfigurationError(
                f"add to `exclude` of {table.source} by hand: {', '.join(table.exclude)}"
            )
        exclude = f"{margin}exclude: {_flow(list(table.exclude))}\n"
    return f"{head}{names}{exclude}{between}{block}{tail}"


def _entry(document: Any, table: TableSpec) -> Any:
    for entry in document["tables"]:
        if TableSpec.model_validate(_plain(entry)).source == table.source:
            return entry
    raise ConfigurationError(f"the file has no entry of {table.source}")


def _plain(entry: Any) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, CommentedSeq) else value for name, value in entry.items()}


def _end(lines: list[str], last: int, column: int) -> int:
    """After the last item of a list whose items' content begins at `column`."""
    end = last + 1
    while end < len(lines):
        line = lines[end]
        if line.strip() and len(line) - len(line.lstrip()) < column:
            break
        end += 1
    while not lines[end - 1].strip():
        end -= 1
    return end


def _item(column: ColumnSpec) -> dict[str, Any]:
    return column.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _flow(value: Any) -> str:
    node = CommentedMap(value) if isinstance(value, dict) else CommentedSeq(value)
    node.fa.set_flow_style()
    for item in node.values() if isinstance(node, CommentedMap) else ():
        if isinstance(item, CommentedSeq):
            item.fa.set_flow_style()
    yaml = YAML(typ="rt")
    yaml.width = 10_000
    yaml.default_flow_style = True
    stream = StringIO()
    yaml.dump(node, stream)
    return stream.getvalue().strip()
