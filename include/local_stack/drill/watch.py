"""How a fault is noticed, and when it is over: by runs of the DAGs that the schedule runs, and by mails."""

from __future__ import annotations

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from cdc.errors import DataError, UnavailableError
from cdc.model.incidents import Incident
from local_stack.drill.outcome import Ending, Sighting
from local_stack.drill.stage import POLL_S, Stage
from local_stack.job.airflow_api import DagRun
from local_stack.mail import Mail

HEALTH, RECONCILIATION = "cdc_health", "cdc_reconciliation"
DETECTION_LIMIT_S = 240.0
OVER_LIMIT_S = 300.0
MAIL_LIMIT_S = 60.0
NO_GRACE = {"grace_s": 0}
T = TypeVar("T")
_PLACE = re.compile(r"DAG <b>(?P<dag>[^<]+)</b>, task <b>(?P<task>[^<]+)</b>, run (?P<run>\S+)")


@dataclass(frozen=True)
class Moment:
    """When a fault was planted, and which mails there were before."""

    at: datetime
    mails: int

    @classmethod
    def now(cls, stage: Stage) -> Moment:
        """This one."""
        return cls(datetime.now(UTC), len(stage.mails()))

    def seconds_until(self, then: datetime) -> float:
        """From it on."""
        return (then - self.at).total_seconds()


class Watch(ABC):
    """What notices one kind of fault."""

    @abstractmethod
    def detect(self, stage: Stage, planted: Moment) -> Sighting:
        """Wait until it is noticed, and people are told.

        Raises:
            UnavailableError: that did not happen in time.
            DataError: what is told is not what was planted.
        """

    @abstractmethod
    def await_end(self, stage: Stage, planted: Moment) -> Ending:
        """Wait until the platform says that all is well; raises as `detect`."""


@dataclass(frozen=True)
class IncidentWatch(Watch):
    """`cdc_health` notices it: an incident begins, and one mail tells of it.

    Attributes:
        subject: a regular expression of the incident's subject.
        told: one of the mail's text.
        not_before_s: earlier than so long after it was planted, nobody can notice.
    """

    subject: str
    told: str
    not_before_s: float = 0.0

    def detect(self, stage: Stage, planted: Moment) -> Sighting:
        """Run `cdc_health`, and again, until one of its runs (or the schedule's) finds the fault."""
        time.sleep(max(0.0, self.not_before_s - planted.seconds_until(datetime.now(UTC))))
        incident = _meanwhile(
            stage, lambda: self._begun(stage, planted), DETECTION_LIMIT_S, f"no incident of {self.subject!r}"
        )
        mail = _mail(stage, planted, incident.subject, r"\] (BREACH|UNKNOWN)")
        if not re.search(self.told, mail.text):
            raise DataError(f"the mail {mail.subject!r} does not say {self.told!r}")
        where = place_of(mail)
        return Sighting(planted.seconds_until(incident.began_at), *where, mail.subject)

    def await_end(self, stage: Stage, planted: Moment) -> Ending:
        """Run `cdc_health`, and again, until no incident of the pipeline is open; each has its mail."""
        _meanwhile(stage, lambda: not stage.incidents(only_open=True), OVER_LIMIT_S, "not all is well")
        every = [one for one in stage.incidents() if one.began_at >= planted.at]
        mails = {one.subject: _mail(stage, planted, one.subject, r"\] OVER after").subject for one in every}
        ours = [one for one in every if re.search(self.subject, one.subject)]
        over = max(one.over_at for one in every if one.over_at is not None)
        return Ending(planted.seconds_until(over), mails[ours[0].subject])

    def _begun(self, stage: Stage, planted: Moment) -> Incident | None:
        fresh = [one for one in stage.incidents() if one.began_at >= planted.at]
        return next((one for one in fresh if re.search(self.subject, one.subject)), None)


@dataclass(frozen=True)
class ReconciliationWatch(Watch):
    """`cdc_reconciliation` notices it, mends it in the same run, and one mail tells of both.

    Attributes:
        table: the table's name in the sinks.
        told: a regular expression of the mail's text.
    """

    table: str
    told: str

    def detect(self, stage: Stage, planted: Moment) -> Sighting:
        """Run it over the table; noticed is when it asks its job to read rows again."""
        run = stage.api.trigger(RECONCILIATION, {"tables": self.table})
        stage.wait_for(
            lambda: _repair_asked(stage, planted) or _ended(stage, run),
            DETECTION_LIMIT_S,
            f"{RECONCILIATION} has found nothing",
        )
        noticed = datetime.now(UTC)
        done = stage.finished(run)
        if done.state != "success":
            raise DataError(stage.api.explain(done))
        mail = _mail(stage, planted, "sinks differed from the source", r"differed from the source")
        if not re.search(self.told, mail.text):
            raise DataError(f"the mail {mail.subject!r} does not say {self.told!r}: {mail.text[:600]}")
        return Sighting(planted.seconds_until(noticed), *place_of(mail), mail.subject)

    def await_end(self, stage: Stage, planted: Moment) -> Ending:
        """The run that noticed it has compared again, and has left nothing."""
        with stage.ops() as ops:
            report = ops.last_reconciliations(stage.pipeline.name)[self.table]
        left = sum(report["report"]["left"].values())
        if report["started_at"] < planted.at or left:
            raise DataError(f"the last report of {self.table} leaves {left} rows")
        mail = _mail(stage, planted, "sinks differed from the source", r"differed from the source")
        return Ending(planted.seconds_until(report["finished_at"]), mail.subject)


def await_well(stage: Stage) -> None:
    """Have `cdc_health` run until one of its runs is green and no incident of the pipeline is open.

    Raises:
        UnavailableError: something stays wrong.
    """
    deadline = time.monotonic() + OVER_LIMIT_S
    while True:
        run = stage.finished(stage.api.trigger(HEALTH, NO_GRACE))
        if run.state == "success" and not stage.incidents(only_open=True):
            return
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{HEALTH} is not green after {OVER_LIMIT_S:.0f} s: {stage.api.explain(run)}"
            )


def place_of(mail: Mail) -> tuple[str, str, str]:
    """DAG, task and run that a mail names.

    Raises:
        DataError: it names none.
    """
    found = _PLACE.search(mail.text)
    if found is None:
        raise DataError(f"the mail {mail.subject!r} does not say which task of which DAG found it")
    return found["dag"], found["task"], found["run"]


def find_mail(mails: Sequence[Mail], about: str, subject: str) -> Mail | None:
    """The first mail whose subject matches, and that speaks of something."""
    return next((m for m in mails if re.search(subject, m.subject) and about in m.subject + m.text), None)


def _mail(stage: Stage, planted: Moment, about: str, subject: str) -> Mail:
    return stage.wait_for(
        lambda: find_mail(stage.mails()[planted.mails :], about, subject),
        MAIL_LIMIT_S,
        f"no mail about {about} whose subject has {subject!r} has come",
    )


def _meanwhile(stage: Stage, look: Callable[[], T | None], limit_s: float, otherwise: str) -> T:
    """Have `cdc_health` run again and again until a look finds something.

    One run is under way at a time, the schedule's among them; whatever it finds, its end brings the next one.
    """
    deadline = time.monotonic() + limit_s
    run: DagRun | None = None
    while not (found := look()):
        if time.monotonic() > deadline:
            raise UnavailableError(f"{otherwise} after {limit_s:.0f} s of runs of {HEALTH}")
        if run is None or stage.api.run(run.dag_id, run.run_id).finished:
            # The run that has just ended may have found it in its last moment.
            if run is not None and (found := look()):
                break
            run = stage.api.trigger(HEALTH, NO_GRACE)
        time.sleep(POLL_S)
    return found


def _repair_asked(stage: Stage, planted: Moment) -> bool:
    with stage.ops() as ops:
        row = ops.one(
            "SELECT min(asked_at) AS at FROM cdc_ops.repairs WHERE pipeline = %s AND asked_at > %s",
            (stage.pipeline.name, planted.at),
        )
    return row is not None and row["at"] is not None


def _ended(stage: Stage, run: DagRun) -> bool:
    return stage.api.run(run.dag_id, run.run_id).finished
