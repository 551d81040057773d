"""What a query, and its driver, do after a failure: by the error's class, and never without an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from cdc.errors import (
    ConfigurationError,
    DataError,
    FencedError,
    GenerationError,
    UnavailableError,
)
from cdc_spark.application import Driver, DriverOptions
from cdc_spark.failures import LONGEST_DELAY_S, MAX_UNEXPECTED, Broken, Leave, Retry, cause_of, next_step
from cdc_spark.owner import Owner

AWAY = UnavailableError("ClickHouse does not answer")
WRONG = ConfigurationError("the role may not write: grant it")


def test_what_passes_by_itself_is_tried_after_longer_and_longer_and_never_given_up() -> None:
    steps = [next_step(AWAY, failures) for failures in range(1, 2000)]
    delays = [step.delay_s for step in steps if isinstance(step, Retry)]
    assert len(delays) == len(steps)
    assert delays[:5] == [1, 2, 4, 8, 16]
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY_S


@pytest.mark.parametrize("error", [WRONG, DataError("x"), GenerationError("x")])
def test_what_a_person_has_to_mend_breaks_the_query_at_once(error: Exception) -> None:
    assert isinstance(next_step(error, 1), Broken)


def test_what_nobody_expected_is_tried_a_few_times() -> None:
    steps = [next_step(ValueError("a bug"), failures) for failures in range(1, MAX_UNEXPECTED + 2)]
    assert [isinstance(step, Retry) for step in steps] == [True] * MAX_UNEXPECTED + [False]
    assert isinstance(steps[-1], Broken)


def test_a_zombie_leaves() -> None:
    assert isinstance(next_step(FencedError("a newer owner"), 1), Leave)


def test_an_error_of_ours_is_found_in_the_text_of_spark_s() -> None:
    text = "Job aborted: org.apache.spark…\ncdc.errors.DataError: 12 does not fit smallint\n  at line 3"
    found = cause_of(text)
    assert isinstance(found, DataError)
    assert str(found) == "12 does not fit smallint"
    assert cause_of("java.lang.NullPointerException") is None
    assert isinstance(cause_of("Cannot fetch offset 3 (…)"), GenerationError)


@dataclass
class Query:
    """A query that has come to its end."""

    broken: BaseException | None = None
    leave: BaseException | None = None
    failure: BaseException | None = None
    done: bool = False
    reports_due: bool = False

    def tick(self) -> None:
        """Nothing is due."""

    def stop(self) -> None:
        """It has ended already."""


@dataclass
class Ops:
    """Keeps what it is told."""

    failures: list[str] = field(default_factory=list)

    def record_failure(self, pipeline: str, stream: str, text: str) -> None:
        self.failures.append(f"{pipeline}.{stream}: {text}")

    def desired_state(self, pipeline: str, stream: str) -> str:
        return "running"


class Leases:
    """None is lost."""

    lost = None

    def close(self) -> None:
        """Nothing is held."""


class Buffer:
    """Progress that nobody reads."""

    def flush(self) -> None:
        """Nothing is buffered."""


@pytest.fixture
def end() -> Callable[..., tuple[int, list[str]]]:
    def run(*queries: Query, on_yarn: bool) -> tuple[int, list[str]]:
        ops = Ops()
        options = DriverOptions("shop", "orders", once=False, obeys_ops=True, patience_s=1)
        driver = Driver(
            options,
            cast("Any", queries),
            cast("Any", Leases()),
            cast("Any", Buffer()),
            cast("Any", ops),
            Owner("application_1_1/1", on_yarn=on_yarn),
        )
        return driver.run(), ops.failures

    return run


def test_a_driver_none_of_whose_queries_can_go_on_ends_once_and_says_why(
    end: Callable[..., tuple[int, list[str]]],
) -> None:
    """With another code YARN would start it again, twenty times, to fail in the same way."""
    assert end(Query(WRONG), Query(WRONG), on_yarn=True) == (0, [f"shop.orders: {WRONG}"])
    assert end(Query(WRONG), on_yarn=False) == (1, [f"shop.orders: {WRONG}"])


def test_a_driver_that_failed_for_another_reason_is_started_again_by_yarn(
    end: Callable[..., tuple[int, list[str]]],
) -> None:
    code, failures = end(Query(WRONG), Query(ValueError("a bug")), on_yarn=True)
    assert code == 1
    assert failures == [f"shop.orders: {WRONG}; a bug"]
