"""Sensors: each looks once in the worker, and leaves the waiting to the triggerer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSkipException

from cdc.errors import CdcError, ConfigurationError
from cdc.model.health import Level
from cdc_airflow.checks import Check, Kind, look
from cdc_airflow.findings import CheckFailedError, Finding, Patience, Step
from cdc_airflow.hooks.cdc import CdcHook
from cdc_airflow.intent import BY_HAND, context_asked_by_hand
from cdc_airflow.pipelines import ALL, find_pipeline
from cdc_airflow.triggers.check import CheckTrigger


class CheckSensor(BaseSensorOperator):
    """Succeeds when a check's findings are good enough, fails when they stay bad.

    How it works: the first look is made here, and most of the time it is the last one. Otherwise the task
    defers to `CheckTrigger`, which makes the same look again and again without a worker slot.

    What it does not do: mend anything. The failure's message says what a person, or which DAG, does next.

    Args:
        pipeline: the pipeline's name; its file is read when the task runs.
        stream: the stream, for the checks that are about one.
        grace_s: how long a breach may last before it counts.
        timeout_s: how long to wait for anything else than a breach to become good.
    """

    kind: ClassVar[Kind]
    accept_warnings: ClassVar[bool] = False
    template_fields: Sequence[str] = ("pipeline", "stream", "grace_s", "timeout_s")

    def __init__(
        self,
        *,
        pipeline: str,
        stream: str = "",
        grace_s: float | str = 30,
        timeout_s: float | str = 30,
        poll_s: float = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.stream = stream
        self.grace_s = grace_s
        self.timeout_s = timeout_s
        self.poll_s = poll_s

    def execute(self, context: Any) -> Any:
        """Look once; defer when it is worth waiting."""
        check = Check(self.kind, self.pipeline, self.stream)
        patience = Patience(float(self.grace_s), float(self.timeout_s), self.accept_warnings, self.poll_s)
        began_at = datetime.now(UTC)
        findings = look(check)
        if patience.decide(findings, 0) is Step.WAIT:
            self._report(findings)
            longest = max(patience.grace_s, patience.timeout_s)
            self.log.info(
                "Not good enough yet: looking again every %g s, for at most %g s", self.poll_s, longest
            )
            self.defer(
                trigger=CheckTrigger(asdict(check), asdict(patience), began_at.isoformat()),
                method_name="execute_complete",
                timeout=timedelta(seconds=longest + 120),
            )
        return self._finish(findings, patience.decide(findings, 0), context)

    def execute_complete(self, context: Any, event: Mapping[str, Any]) -> Any:
        """What the trigger has seen."""
        if "error" in event:
            raise ConfigurationError(event["error"])
        findings = [Finding.from_payload(payload) for payload in event["findings"]]
        return self._finish(findings, Step(event["step"]), context)

    def _finish(self, findings: Sequence[Finding], step: Step, context: Any) -> Any:
        self._report(findings)
        if step is Step.FAIL:
            raise CheckFailedError(findings)
        self._succeeded(findings, context)
        return {finding.verdict.subject: finding.verdict.level.value for finding in findings}

    def _succeeded(self, findings: Sequence[Finding], context: Any) -> None:
        """For a subclass that has something to do then."""

    def _report(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            log = self.log.info if finding.verdict.level is Level.OK else self.log.warning
            for line in finding.lines():
                log("%s", line)


class HealthSensor(CheckSensor):
    """A check of `cdc_health`: what stays bad is an incident, until a look finds it well again.

    How it works: once the patience is over, `cdc_airflow.incidents` compares the findings with the check's
    open incidents, and tells people what is new: an incident begins, goes on for long, or is over. So the
    task fails at every run while a breach lasts, and people hear of it once.
    """

    accept_warnings = True

    def _finish(self, findings: Sequence[Finding], step: Step, context: Any) -> Any:
        from cdc_airflow.incidents import follow_check
        from cdc_airflow.notifications.failure_mail import place_of

        told = False
        try:
            turns = follow_check(
                Check(self.kind, self.pipeline, self.stream), findings, place_of(context["ti"])
            )
            told = True
            for turn in turns:
                self.log.info("Incident: %s %s", turn.incident.subject, turn.news or "goes on")
        except CdcError as error:
            self.log.error("What was told of this before is not known: %s", error)
        if step is Step.FAIL:
            self._report(findings)
            raise CheckFailedError(findings, told=told)
        return super()._finish(findings, step, context)


class ConnectorHealthSensor(HealthSensor):
    """The Debezium connector and its tasks run; failed ones are restarted as often as the pipeline allows."""

    kind = Kind.KEPT_CONNECTOR


class SlotHealthSensor(HealthSensor):
    """The replication slot is read, holds back no more WAL than it may, and will not be lost soon."""

    kind = Kind.SLOT


class QueryHealthSensor(HealthSensor):
    """Every query of a stream (one for each sink) made progress lately and is not far behind."""

    kind = Kind.QUERIES


class CheckpointHealthSensor(HealthSensor):
    """Every checkpoint of a stream is close to its topics' ends: its own files against Kafka's answer."""

    kind = Kind.CHECKPOINTS


class WatermarkHealthSensor(HealthSensor):
    """What the tables are proven complete up to is not older than promised."""

    kind = Kind.WATERMARKS


class DeadLetterHealthSensor(HealthSensor):
    """No more events wait as dead letters than the pipeline allows."""

    kind = Kind.DEAD_LETTERS


class RetentionSensor(CheckSensor):
    """Kafka keeps events for longer than the slowest query needs, with the time of a replay to spare.

    What it found is in the ops store beside the reports of upkeep.

    Args:
        only: `all`, or the one pipeline that this run is about; others are skipped.
    """

    kind = Kind.RETENTION
    accept_warnings = True
    template_fields: Sequence[str] = (*CheckSensor.template_fields, "only")

    def __init__(self, *, only: str = ALL, grace_s: float | str = 0, **kwargs: Any) -> None:
        super().__init__(grace_s=grace_s, **kwargs)
        self.only = only

    def execute(self, context: Any) -> Any:
        """Look, unless the run is about another pipeline."""
        if self.only not in (ALL, self.pipeline):
            raise AirflowSkipException(f"this run is about pipeline {self.only!r} only")
        return super().execute(context)

    def _finish(self, findings: Sequence[Finding], step: Step, context: Any) -> Any:
        from cdc.services.upkeep import record_retention

        pipeline, _ = find_pipeline(self.pipeline)
        run = f"{self.dag_id} {context['run_id']}"
        try:
            record_retention(
                pipeline,
                CdcHook().connections([pipeline.ops.connection]),
                run,
                [finding.verdict for finding in findings],
            )
        except CdcError as error:
            self.log.error("No report of this is kept: %s", error)
        return super()._finish(findings, step, context)


class ConnectorRunningSensor(CheckSensor):
    """Waits until the connector's tasks run, and then tells the streams' DAGs by the task's outlets.

    The asset event says whether a person asked for this run: only then does a stream that was stopped on
    request start again.
    """

    kind = Kind.CONNECTOR

    def _succeeded(self, findings: Sequence[Finding], context: Any) -> None:
        extra = {"pipeline": self.pipeline, BY_HAND: context_asked_by_hand(context)}
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = extra


class FirstProgressSensor(CheckSensor):
    """Waits until every query of a stream has made progress since its driver was launched.

    Fails at once when the driver's application has ended, with what YARN says about it.

    Args:
        skip: true (or the text of it) skips the task: the run was about stopping the stream.
    """

    kind = Kind.FIRST_PROGRESS
    template_fields: Sequence[str] = (*CheckSensor.template_fields, "skip")

    def __init__(self, *, skip: bool | str = False, grace_s: float | str = 0, **kwargs: Any) -> None:
        super().__init__(grace_s=grace_s, **kwargs)
        self.skip = skip

    def execute(self, context: Any) -> Any:
        """Look, unless the stream was stopped or paused."""
        if str(self.skip).lower() == "true":
            raise AirflowSkipException("the stream was ended: there is no progress to wait for")
        return super().execute(context)
