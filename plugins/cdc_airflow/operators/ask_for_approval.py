"""Starts a run of a DAG that waits for a person."""

from __future__ import annotations

from collections.abc import Sequence

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator


class AskForApprovalOperator(TriggerDagRunOperator):
    """Triggers the DAG with the configuration as it is.

    What it does not do: render templates. The configuration names columns, labels and defaults of the source,
    whoever has given them, and a template can read Airflow's connections.

    Source: `airflow.sdk`'s mapped arguments, which are rendered when they come from an XCom.
    """

    template_fields: Sequence[str] = ()
