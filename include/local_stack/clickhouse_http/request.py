"""What an HTTP request says: its parameters apart by purpose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from local_stack.clickhouse_http.errors import BAD_REQUEST_PARAMETER, ClickHouseError

# parameters of the interface itself; every other name is a setting
_RESERVED = frozenset(
    {
        "query", "database", "user", "password", "quota_key", "query_id", "session_id", "session_timeout",
        "session_check", "close_session", "compress", "decompress", "default_format", "wait_end_of_query",
        "buffer_size", "stacktrace", "role", "client_protocol_version", "readonly",
        "http_write_exception_in_output_format",
    }
)  # fmt: skip
_EXTERNAL = re.compile(r"(.+)_(format|types|structure)\Z")
_MAX_READONLY = 2


@dataclass(frozen=True)
class HttpRequest:
    """One request, without its body.

    Attributes:
        method: GET, HEAD, POST, …
        path: the URL's path.
        params: the URL's parameters; of a repeated one, the last.
        headers: names in lower case.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def multipart(self) -> bool:
        """Whether the body is a form whose files are external tables."""
        return self.headers.get("content-type", "").lower().startswith("multipart/form-data")

    @property
    def query_params(self) -> dict[str, str]:
        """Values for `{name:Type}`: the `param_…` parameters."""
        return {name[6:]: value for name, value in self.params.items() if name.startswith("param_")}

    @property
    def settings(self) -> dict[str, str]:
        """The parameters that are settings of the engine."""
        return {
            name: value
            for name, value in self.params.items()
            if name not in _RESERVED
            and not name.startswith("param_")
            and not (self.multipart and _EXTERNAL.match(name))
        }

    @property
    def external(self) -> dict[str, dict[str, str]]:
        """`<table>_format`, `<table>_types` and `<table>_structure`, as table → purpose → value."""
        found: dict[str, dict[str, str]] = {}
        for name, value in self.params.items():
            if self.multipart and (match := _EXTERNAL.match(name)) and name not in _RESERVED:
                found.setdefault(match[1], {})[match[2]] = value
        return found

    @property
    def database(self) -> str | None:
        """The current database of the query, from the URL or the header."""
        return self.params.get("database") or self.headers.get("x-clickhouse-database")

    @property
    def default_format(self) -> str:
        """The answer's format when the query names none."""
        named = self.params.get("default_format") or self.headers.get("x-clickhouse-format")
        return named or "TabSeparated"

    @property
    def readonly(self) -> int:
        """ClickHouse's `readonly`: what the URL asks for, else 2 when the method must not change things."""
        asked = self.number("readonly", 0)
        if asked > _MAX_READONLY:
            raise ClickHouseError(BAD_REQUEST_PARAMETER, f"readonly is {asked}; expected 0, 1 or 2.")
        return asked or (0 if self.method in {"POST", "PUT", "DELETE"} else _MAX_READONLY)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A parameter that is 0 or 1 (or false or true)."""
        value = self.params.get(name)
        return default if value is None else value.lower() in {"1", "true"}

    def number(self, name: str, default: int) -> int:
        """A parameter that is a whole number.

        Raises:
            ClickHouseError: it is something else.
        """
        value = self.params.get(name)
        if value is None:
            return default
        if not value.isdecimal():
            raise ClickHouseError(BAD_REQUEST_PARAMETER, f"{name} is '{value}'; expected a whole number.")
        return int(value)


def read_request(scope: Mapping[str, Any]) -> HttpRequest:
    """Build the request from an ASGI scope."""
    return HttpRequest(
        method=scope["method"],
        path=scope["path"],
        params=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={
            # ClickHouse takes names and passwords in headers as UTF-8
            name.decode("latin-1").lower(): value.decode("utf-8", "replace")
            for name, value in scope["headers"]
        },
    )
