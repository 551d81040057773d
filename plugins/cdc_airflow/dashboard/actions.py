"""What the page's buttons ask for: runs of DAGs, with nothing in their parameters but what stands here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cdc.spec import Pipeline
from cdc_airflow.pipelines import reconciliation_dags, stream_dag_ids


@dataclass(frozen=True)
class Action:
    """A button.

    Attributes:
        name: tells the buttons of one DAG apart; empty when it has one.
        interrupts: the button lies behind a second click.
        stream: the stream that it is about; empty for the whole pipeline.
    """

    dag_id: str
    label: str
    title: str
    name: str = ""
    conf: Mapping[str, str] = field(default_factory=dict)
    interrupts: bool = False
    stream: str = ""


def actions_of(pipeline: Pipeline, every: Iterable[Pipeline]) -> tuple[Action, ...]:
    """The buttons of a pipeline.

    Args:
        pipeline: the pipeline.
        every: all of them, since they decide how the streams' DAGs are named.
    """
    own = {"pipeline": pipeline.name}
    known = tuple(every)
    dag_ids = stream_dag_ids(known)
    (reconciliation,) = (
        dag_id for dag_id, theirs in reconciliation_dags(known).items() if pipeline in theirs
    )
    general = (
        Action("cdc_connectors", "Apply", "Make true what the YAML says; restart failed tasks", conf=own),
        Action("cdc_health", "Check health", "Judge everything now; a breach sends a mail"),
        Action("cdc_watermarks", "Prove watermarks", "Prove what each table is complete up to"),
        Action(
            "cdc_schema", "Compare schemas", "Let the sinks follow the source's tables; park what cannot",
            conf=own,
        ),
        Action(
            reconciliation, "Reconcile",
            "Compare every row with the source; mend what differs, if the policy says so", conf=own,
        ),
        Action(
            "cdc_dead_letter_replay", "Replay dead letters", "Write them once more, after a fix", conf=own
        ),
        Action(
            "cdc_clickhouse_maintenance", "Keep up", "Merge, purge and vacuum both sinks within the budget",
            conf=own,
        ),
        Action(
            f"cdc_restart_{pipeline.name}", "Restart all",
            "Drain and start every stream, one after the other", interrupts=True,
        ),
    )  # fmt: skip
    return (
        *general,
        *(a for s in pipeline.streams for a in _of_stream(s.name, dag_ids[pipeline.name, s.name])),
    )


def find_action(actions: Iterable[Action], dag_id: str, name: str) -> Action | None:
    """The button of that DAG and name, or None: a page offers nothing else, and nothing else is done."""
    return next((action for action in actions if (action.dag_id, action.name) == (dag_id, name)), None)


def _of_stream(stream: str, dag_id: str) -> tuple[Action, ...]:
    def action(name: str, label: str, title: str, *, interrupts: bool = False) -> Action:
        return Action(dag_id, label, title, name, {"action": name}, interrupts, stream)

    return (
        action("ensure", "Ensure running", "One driver of the present specification runs"),
        action("restart", "Restart", "End the driver between two batches and start another", interrupts=True),
        action("pause", "Pause", "End the driver between two batches; nobody is alarmed until it is resumed",
               interrupts=True),
        action("resume", "Resume", "Start a paused stream where it ended", interrupts=True),
        action("stop", "Stop", "End the driver between two batches; nothing starts it again but a person",
               interrupts=True),
    )  # fmt: skip
