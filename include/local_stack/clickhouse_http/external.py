"""External tables: files of a multipart form that a query reads like tables."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from local_stack.clickhouse_http.connection import EngineConnection, quote_name
from local_stack.clickhouse_http.errors import BAD_REQUEST_PARAMETER, ClickHouseError
from local_stack.clickhouse_http.tokens import tokenize


@dataclass
class Form:
    """A multipart body: its text fields, and its files by field name."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, IO[bytes]] = field(default_factory=dict)

    def close(self) -> None:
        """Delete the files."""
        for file in self.files.values():
            file.close()


def read_form(content_type: str, body: Iterator[bytes]) -> Form:
    """Read a multipart body; files go to disk once they are large.

    Args:
        content_type: the request's header, with the boundary.
        body: the body's plain bytes.
    """
    form = Form()

    def on_field(item: object) -> None:
        form.fields[_text(item, "field_name")] = _text(item, "value")

    def on_file(item: object) -> None:
        source: IO[bytes] = item.file_object  # type: ignore[attr-defined]
        source.seek(0)
        copy: IO[bytes] = tempfile.NamedTemporaryFile(prefix="clickhouse-external-")  # noqa: SIM115
        shutil.copyfileobj(source, copy)
        copy.flush()
        form.files[_text(item, "field_name")] = copy

    kind, options = parse_options_header(content_type)
    try:
        parser = FormParser(kind.decode(), on_field, on_file, boundary=options.get(b"boundary"))
        for piece in body:
            parser.write(piece)
        parser.finalize()
    except FormParserError as error:
        form.close()
        raise ClickHouseError(BAD_REQUEST_PARAMETER, f"The multipart body cannot be read: {error}") from error
    return form


def _text(item: object, name: str) -> str:
    value = getattr(item, name)
    return value.decode() if isinstance(value, bytes) else str(value or "")


def create_tables(
    connection: EngineConnection, files: Mapping[str, IO[bytes]], described: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Make a temporary table of each file.

    Args:
        connection: where the query will run.
        files: contents by table name.
        described: `structure` or `types`, and `format`, by table name.

    Returns:
        The tables' names, to be dropped after the query.
    """
    for name, file in files.items():
        about = described.get(name, {})
        structure = about.get("structure") or _number_columns(about.get("types", ""))
        if not structure:
            raise ClickHouseError(
                BAD_REQUEST_PARAMETER, f"External table {name} has neither {name}_structure nor {name}_types."
            )
        connection.execute(
            f"CREATE TEMPORARY TABLE {quote_name(name)} ({structure}) ENGINE = Memory", "TSV", {}
        )
        form = quote_name(about.get("format", "TabSeparated"))
        connection.insert(f"INSERT INTO {quote_name(name)} FROM INFILE '{file.name}' FORMAT {form}", {})
    return list(files)


def drop_tables(connection: EngineConnection, names: list[str]) -> None:
    """Remove what `create_tables` made, so that a session's next query can bring the same names."""
    for name in names:
        connection.execute(f"DROP TEMPORARY TABLE IF EXISTS {quote_name(name)}", "TSV", {})


def _number_columns(types: str) -> str:
    """`UInt8,String` as `_1 UInt8, _2 String`; a comma in brackets belongs to the type."""
    columns: list[str] = []
    begin = 0
    for token in tokenize(types):
        if token.text == "," and token.depth == 0:
            columns.append(types[begin : token.start])
            begin = token.end
    columns.append(types[begin:])
    return ", ".join(f"_{at} {kind.strip()}" for at, kind in enumerate(columns, start=1) if kind.strip())
