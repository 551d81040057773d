"""The trigger of every check: the sensor's own look, repeated in the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from cdc.errors import CdcError
from cdc_airflow.checks import Check, look
from cdc_airflow.findings import Patience, Step


class CheckTrigger(BaseTrigger):
    """Looks until the findings are good enough, or have been bad for too long.

    How it works: each look is `cdc_airflow.checks.look`, the function that the sensor called first, in a
    thread since its clients block. The time of the first look is an argument, so a trigger that moves to
    another triggerer goes on waiting instead of beginning anew.

    Its one event is `{"step": "done" | "fail", "findings": [...]}`, or `{"error": sentence}`.
    """

    def __init__(self, check: Mapping[str, str], patience: Mapping[str, Any], began_at: str) -> None:
        super().__init__()
        self.check = Check(**check)
        self.patience = Patience(**patience)
        self.began_at = datetime.fromisoformat(began_at)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Path and arguments for another triggerer."""
        arguments = {
            "check": asdict(self.check),
            "patience": asdict(self.patience),
            "began_at": self.began_at.isoformat(),
        }
        return "cdc_airflow.triggers.check.CheckTrigger", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, sleep, look again."""
        said: tuple[str, ...] = ()
        while True:
            try:
                findings = await asyncio.to_thread(look, self.check)
            except CdcError as error:
                # A setting or a connection is wrong: the worker raises it with the same words.
                yield TriggerEvent({"error": str(error)})
                return
            lines = tuple(line for finding in findings for line in finding.lines()[:1])
            if lines != said:
                self.log.info("%s", "\n".join(lines))
                said = lines
            step = self.patience.decide(findings, (datetime.now(UTC) - self.began_at).total_seconds())
            if step is not Step.WAIT:
                yield TriggerEvent(
                    {"step": step.value, "findings": [finding.to_payload() for finding in findings]}
                )
                return
            await asyncio.sleep(self.patience.poll_s)
