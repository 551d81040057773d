"""Against requests that another site makes a logged-in browser send: a token, and the origin."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeTimedSerializer

MAX_AGE_S = 12 * 3600
_SALT = "cdc-dashboard-action"


def issue_token(secret: str, user_id: str) -> str:
    """A token that only this server can make, and that is of use to this user only."""
    return str(URLSafeTimedSerializer(secret, salt=_SALT).dumps(user_id))


def is_valid_token(secret: str, user_id: str, token: str) -> bool:
    """It was issued to this user, at most twelve hours ago."""
    try:
        found = URLSafeTimedSerializer(secret, salt=_SALT).loads(token, max_age=MAX_AGE_S)
    except BadSignature:
        return False
    return bool(found == user_id)


def is_same_site(headers: Mapping[str, str], own: Collection[str]) -> bool:
    """False when the browser says that the request comes from elsewhere.

    A client that says nothing is no browser, and no site can have made it send anything.

    Args:
        headers: of the request, by lower-case names.
        own: this server's origins, such as `http://127.0.0.1:18080`.
    """
    fetched = headers.get("sec-fetch-site")
    if fetched is not None and fetched != "same-origin":
        return False
    origin = headers.get("origin")
    return origin is None or origin in own


def origin_of(address: str) -> str:
    """Scheme, host and port of an address, as browsers write an origin."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
