"""Only what stands between backticks becomes markup, and nothing within it."""

from __future__ import annotations

import pytest

from cdc_airflow.dashboard.markup import with_code


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `cdc status`, then `cdc apply`", "run <code>cdc status</code>, then <code>cdc apply</code>"),
        ("a ` alone", "a ` alone"),
        ("<b>`<i>`</b>", "&lt;b&gt;<code>&lt;i&gt;</code>&lt;/b&gt;"),
        ('`" onclick="x`', "<code>&#34; onclick=&#34;x</code>"),
        (None, "None"),
    ],
)
def test_text_between_backticks_is_code(text: object, shown: str) -> None:
    assert str(with_code(text)) == shown
