"""A task that fails is tried again when that can help, after longer and longer, and not otherwise."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import RetryAction

from cdc import errors
from cdc_airflow.dag_defaults import RETRY_POLICY, TASK_DEFAULTS

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]
TERMINAL = [kind for kind in KINDS if issubclass(kind, errors.TerminalError) and kind is not errors.SpecError]
TRANSIENT = [kind for kind in KINDS if issubclass(kind, errors.TransientError)]


@pytest.mark.parametrize("kind", TERMINAL)
def test_what_a_person_has_to_mend_fails_at_once(kind: type[Exception]) -> None:
    decided = RETRY_POLICY.evaluate(kind("what was wrong, and what to do"), try_number=1, max_tries=2)
    assert decided.action is RetryAction.FAIL


def test_a_wrong_pipeline_file_fails_at_once() -> None:
    decided = RETRY_POLICY.evaluate(errors.SpecError("a.yaml", 3, "kafka", "is wrong"), 1, 2)
    assert decided.action is RetryAction.FAIL


@pytest.mark.parametrize("kind", TRANSIENT)
def test_what_passes_by_itself_is_tried_again_with_airflow_s_back_off(kind: type[Exception]) -> None:
    decided = RETRY_POLICY.evaluate(kind("Kafka does not answer"), try_number=1, max_tries=2)
    assert decided.action is RetryAction.RETRY
    # A delay of the rule would be the same every time.
    assert decided.retry_delay is None
    assert TASK_DEFAULTS["retry_exponential_backoff"] > 1
    assert TASK_DEFAULTS["retries"] == 2
    assert timedelta(0) < TASK_DEFAULTS["retry_delay"] < TASK_DEFAULTS["max_retry_delay"]


def test_an_unexpected_error_is_tried_as_often_as_any() -> None:
    assert RETRY_POLICY.evaluate(ValueError("a bug"), 1, 2).action is RetryAction.DEFAULT
