"""A condition that a person writes stays one expression, and the functions that it calls are named."""

from __future__ import annotations

import pytest

from cdc.errors import ConfigurationError
from cdc.model.condition import MAX_LENGTH, functions_of

TAKEN = [
    ("status = 'paid'", set()),
    ("status = 'a;b--c/*d' AND note <> 'O''Brien ('", set()),
    ('"select" = 1 AND "a""b" IN (1, 2)', set()),
    ("lower(status) = 'x' OR (total - discount) > 10", {"lower"}),
    ("pg_catalog.pg_sleep (5) IS NULL", {"pg_sleep"}),
    ('"Weird Fn"(id) = 1', {"Weird Fn"}),
    ("id = ANY ('{1,2}'::int[]) AND total::numeric(5, 1) > 1", {"numeric"}),
    ("note LIKE '100%' AND a$b = 1", set()),
    ("CASE WHEN (id = 1) THEN true ELSE (id < 5) END", set()),
    ("Überschrift = 'ü'", set()),
]
REFUSED = [
    ("", "empty"),
    ("x" * (MAX_LENGTH + 1), "longer"),
    ("id = 1\0", "zero byte"),
    ("id = 1; DROP TABLE orders", "';' outside of a string"),
    ("id = 1 -- and so on", "'--' outside of a string"),
    ("id = 1 /* AND */", "'/*' outside of a string"),
    ("id = $1", "'$' outside"),
    ("note = $$x$$", "'$' outside"),
    ("note = 'open", '"\'" outside'),
    ('"open = 1', "'\"' outside"),
    (r"note = E'\'' OR true", "outside of a string"),
    (r"note = E'\101'", "prefixed string"),
    (r'U&"pg\005fsleep"(5) IS NULL', "prefixed string"),
    (r"note = U&'\0061'", "prefixed string"),
    ("id = 1) OR (true", "closes that none has opened"),
    ("(id = 1", "left open"),
    ("id IN (SELECT 1)", "subqueries"),
    ("EXISTS (TABLE orders)", "subqueries"),
    ("id = 1 UNION Values (1)", "subqueries"),
]


@pytest.mark.parametrize(("text", "functions"), TAKEN)
def test_expressions_are_taken(text: str, functions: set[str]) -> None:
    assert functions_of(text) == functions


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_could_be_more_than_an_expression_is_refused(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        functions_of(text)
    assert why in str(refusal.value)
    assert "expected one boolean expression" in str(refusal.value)
