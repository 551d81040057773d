"""The suite's cases at the source alone: their SQL runs, and what they expect to be refused is refused."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Any

import pytest

from cdc.connections import Connections
from cdc.services.discover import discover
from cdc.spec import Pipeline
from local_stack.cases.case_file import Case, Outcome
from local_stack.cases.runner import read_cases
from local_stack.cases.scripts import CaseScripts
from local_stack.context import REPO
from tests.stack.cdc.conftest import pipeline, postgres  # noqa: F401 - fixtures

CASES = read_cases([REPO / "tests" / "e2e" / "cases"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: Path(case.file).stem)
def test_a_case_runs_and_is_refused_as_it_expects(
    postgres: Any,  # noqa: F811
    pipeline: Pipeline,  # noqa: F811
    case: Case,
) -> None:
    database = postgres.create_database(Path(case.file).stem)
    with CaseScripts(case, database.dsn()) as scripts:
        scripts.run(case.setup)
        owner = database.model_copy(update={"id": "cdc_source_admin"})
        capturing = database.model_copy(update={"id": "cdc_source", "login": "capturing"})
        names = [glob.escape(table) for table in case.tables]
        found = discover(pipeline, Connections([owner, capturing]), names, mode=case.mode)
        assert {name for name, _ in found.refused} == (
            set(case.tables) if case.expect is Outcome.REFUSED else set()
        )
        assert {item["source"] for item in found.found} == set(case.tables) - dict(found.refused).keys()
        scripts.run(*case.steps)
        scripts.finish()
