"""Names that follow from a source table: `schema.table` text, topic, sink name, stream name. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from cdc.errors import DataError

MAX_IDENTIFIER_BYTES = 63
_QUALIFIED = re.compile(
    r'^\s*(?P<schema>"(?:[^"]|"")+"|[^".\s]+)\s*\.\s*(?P<table>"(?:[^"]|"")+"|[^".\s]+)\s*$'
)


def split_qualified(text: str) -> tuple[str, str]:
    """Split `schema.table`; a part with a dot, a quote or a space is written in double quotes.

    Unquoted parts are taken as written, without PostgreSQL's folding to lower case.

    Raises:
        DataError: the text is not two names.
    """
    match = _QUALIFIED.match(text)
    if match is None:
        raise DataError(f'{text!r} is not schema.table; quote unusual names: public."My.Table"')
    parts = [_unquote(match["schema"]), _unquote(match["table"])]
    for part in parts:
        if len(part.encode()) > MAX_IDENTIFIER_BYTES or "\x00" in part:
            raise DataError(
                f"{part!r} is no PostgreSQL identifier: at most {MAX_IDENTIFIER_BYTES} bytes, no NUL"
            )
    return parts[0], parts[1]


def join_qualified(schema: str, table: str) -> str:
    """Write two names so that `split_qualified` reads the same two names."""
    return f"{_quote(schema)}.{_quote(table)}"


def matching(schema: str, table: str, patterns: Iterable[str]) -> str | None:
    """The first pattern (`schema.table` with `*` and `?`) that a table matches, with or without quotes."""
    names = (join_qualified(schema, table), f"{schema}.{table}")
    return next((p for p in patterns if any(fnmatchcase(name, p) for name in names)), None)


def topic_name(prefix: str, schema: str, table: str) -> str:
    """The topic that Debezium writes to: each UTF-16 unit that no topic's name may have becomes `_`."""
    return re.sub(
        r"[^a-zA-Z0-9._-]",
        lambda found: "_" * (len(found[0].encode("utf-16-le")) // 2),
        f"{prefix}.{schema}.{table}",
    )


def topic_identity(topic: str) -> str:
    """What no two topics may share: Kafka refuses one that differs from another only in `.` and `_`."""
    return topic.replace(".", "_")


def default_sink_name(schema: str, table: str) -> str:
    """`table`, or `schema__table` for a schema other than public; shortened with a hash beyond 63 bytes."""
    name = table if schema == "public" else f"{schema}__{table}"
    return shorten(name, f"{schema}.{table}")


def shorten(name: str, identity: str, limit: int = MAX_IDENTIFIER_BYTES) -> str:
    """Keep `name` when it has at most `limit` bytes, else cut it and add a hash of `identity`."""
    if len(name.encode()) <= limit:
        return name
    return with_hash(name, identity, limit)


def with_hash(name: str, identity: str, limit: int = MAX_IDENTIFIER_BYTES) -> str:
    """`name`, cut to fit, with a hash suffix made of `identity`."""
    suffix = "_" + hashlib.sha256(identity.encode()).hexdigest()[:8]
    return name.encode()[: limit - len(suffix)].decode(errors="ignore") + suffix


def default_stream_name(schema: str, table: str) -> str:
    """A slug for the stream of a table that names none."""
    name = table if schema == "public" else f"{schema}__{table}"
    slug = re.sub(r"[^a-z0-9_]", "_", name.lower())
    slug = slug if re.match(r"[a-z]", slug) else f"t_{slug}"
    limit = 48
    return slug if slug == name and len(slug) <= limit else with_hash(slug, f"{schema}.{table}", limit)


def _unquote(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def _quote(part: str) -> str:
    if re.fullmatch(r'[^".\s]+', part):
        return part
    return '"' + part.replace('"', '""') + '"'
