"""An application's exit code decides whether its task is tried again."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException

from cdc.errors import GenerationError, UnavailableError
from cdc_airflow.operators.submission import terminal_at_once
from cdc_spark.main import fail

YARN = "YARN application application_1_2 ended with final status: FAILED\nDiagnostics: User application {}"


def ended(code: int) -> RuntimeError:
    return RuntimeError(YARN.format(f"exited with status {code}"))


def test_a_terminal_error_is_not_tried_again_and_says_its_reason() -> None:
    with (
        pytest.raises(AirflowFailException, match="another topic"),
        terminal_at_once(lambda: "another topic"),
    ):
        raise ended(fail(GenerationError("another topic")))


def test_without_a_reason_yarn_s_own_words_are_told() -> None:
    with (
        pytest.raises(AirflowFailException, match=r"(?s)application_1_2.*its log says what"),
        terminal_at_once(),
    ):
        raise ended(fail(GenerationError("another topic")))


@pytest.mark.parametrize(
    "error",
    [ended(fail(UnavailableError("Kafka is away"))), ended(137), RuntimeError("YARN does not answer")],
)
def test_any_other_end_is_tried_again(error: RuntimeError) -> None:
    with pytest.raises(RuntimeError) as raised, terminal_at_once():
        raise error
    assert raised.value is error
