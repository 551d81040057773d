"""What a bounded run's task asks for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cdc_airflow.operators.bounded_runs import begins_anew


@pytest.mark.parametrize(
    ("anew", "attempt", "expected"),
    [("True", 1, True), (True, 1, True), ("True", 2, False), ("False", 1, False)],
)
def test_a_second_try_goes_on_with_what_the_first_has_begun(
    anew: bool | str, attempt: int, expected: bool
) -> None:
    assert begins_anew(anew, {"ti": SimpleNamespace(try_number=attempt)}) is expected
