"""The one place that makes markup of text: what stands between backticks is code. Pure."""

from __future__ import annotations

import re

from markupsafe import Markup, escape


def with_code(text: object) -> Markup:
    """The text, escaped, and in it `…` as code elements."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped first
