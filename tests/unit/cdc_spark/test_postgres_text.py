"""What travels as PostgreSQL's own text is read back by it as the same value."""

from __future__ import annotations

import pyarrow as pa
import pytest

from cdc_spark.transformations.postgres_text import texts


@pytest.mark.parametrize(
    "element", ["plain", "in two words", "line\n", "NULL\n", "\n", "a\u2028", "\x0b", "null", ""]
)
def test_an_element_of_an_array_is_quoted_where_postgresql_would_cut_it(element):
    (text,) = texts(pa.chunked_array([pa.array([[element]])]))
    assert text in (f"{{{element}}}", f'{{"{element}"}}')
    quoted = text != f"{{{element}}}"
    assert quoted == (element.upper() == "NULL" or any(c.isspace() for c in element) or not element)
