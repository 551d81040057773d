"""Users and passwords, and where a request carries them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from cdc.errors import ConfigurationError
from local_stack.clickhouse_http.errors import AUTHENTICATION_FAILED, REQUIRED_PASSWORD, ClickHouseError


class UserEntry(BaseModel):
    """One user of a users file: a password or its SHA-256, and how much the user may do.

    `readonly` means what ClickHouse's setting means: 0 everything, 1 reads only, 2 reads and settings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    password: str | None = None
    password_sha256_hex: str | None = None
    readonly: int = Field(default=0, ge=0, le=2)

    @model_validator(mode="after")
    def _one_password(self) -> UserEntry:
        if (self.password is None) == (self.password_sha256_hex is None):
            raise ValueError("expected exactly one of password and password_sha256_hex")
        return self

    @property
    def digest(self) -> str:
        """The password's SHA-256 in hex."""
        if self.password_sha256_hex is not None:
            return self.password_sha256_hex.lower()
        return hashlib.sha256((self.password or "").encode()).hexdigest()


@dataclass(frozen=True)
class User:
    """Who sent a request."""

    name: str
    readonly: int = 0


@dataclass(frozen=True)
class Credentials:
    """What a request says about its sender; `given` is False when it says nothing."""

    user: str = "default"
    password: str = ""
    given: bool = False


class Users:
    """Everyone who may send queries."""

    def __init__(self, entries: Mapping[str, UserEntry]) -> None:
        self._entries = dict(entries)

    def authenticate(self, credentials: Credentials) -> User:
        """Check the password.

        Raises:
            ClickHouseError: REQUIRED_PASSWORD without credentials, AUTHENTICATION_FAILED with wrong ones.
        """
        entry = self._entries.get(credentials.user)
        digest = hashlib.sha256(credentials.password.encode()).hexdigest()
        # compared for an unknown user too, so that the time taken does not tell which users exist
        matches = hmac.compare_digest(digest, entry.digest if entry else hashlib.sha256(b"?").hexdigest())
        if entry is not None and matches:
            return User(credentials.user, entry.readonly)
        kind = AUTHENTICATION_FAILED if credentials.given else REQUIRED_PASSWORD
        raise ClickHouseError(
            kind,
            f"{credentials.user}: Authentication failed: "
            "password is incorrect, or there is no user with such name.",
        )


def load_users(file: Path) -> dict[str, UserEntry]:
    """Read a users file: JSON, `{"name": {"password_sha256_hex": "…", "readonly": 1}}`.

    Raises:
        ConfigurationError: the file is missing or not of that form.
    """
    try:
        return TypeAdapter(dict[str, UserEntry]).validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"users file {file} cannot be read: {error}. Give an existing file."
        ) from error
    except ValidationError as error:
        raise ConfigurationError(
            f"users file {file} is not valid: {error}. Expected "
            '{"name": {"password_sha256_hex": "…", "readonly": 0}}.'
        ) from error


def read_credentials(headers: Mapping[str, str], params: Mapping[str, str]) -> Credentials:
    """Find user and password in the `X-ClickHouse-*` headers, basic authentication or the URL.

    Args:
        headers: names in lower case.
        params: the URL's parameters.

    Raises:
        ClickHouseError: two ways are mixed, as ClickHouse refuses too.
    """
    basic = headers.get("authorization", "")
    named = "x-clickhouse-user" in headers or "x-clickhouse-key" in headers
    in_url = "user" in params or "password" in params
    if named + bool(basic) + in_url > 1:
        raise ClickHouseError(
            AUTHENTICATION_FAILED,
            "Invalid authentication: it is not allowed to use more than one of X-ClickHouse HTTP headers, "
            "Authorization HTTP header and authentication via parameters.",
        )
    if named:
        user = headers.get("x-clickhouse-user", "default")
        return Credentials(user, headers.get("x-clickhouse-key", ""), given=True)
    if basic:
        return _read_basic(basic)
    if in_url:
        return Credentials(params.get("user", "default"), params.get("password", ""), given=True)
    return Credentials()


def _read_basic(header: str) -> Credentials:
    scheme, _, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError(scheme)
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (ValueError, binascii.Error) as error:
        raise ClickHouseError(
            AUTHENTICATION_FAILED, "Invalid authentication: expected 'Authorization: Basic <base64>'."
        ) from error
    return Credentials(user or "default", password, given=True)
