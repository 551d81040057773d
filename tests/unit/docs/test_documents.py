"""What the documents say exists, exists."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
import typer

from cdc.cli.app import app
from cdc.model.health import Alarm, Level, evaluate
from cdc.model.samples import (
    CheckpointSample,
    ConnectorSample,
    DeadLettersSample,
    QuerySample,
    Sample,
    SlotSample,
    TaskSample,
    WatermarkAge,
    WatermarksSample,
)
from cdc.spec.sections import PoliciesSpec

REPOSITORY = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
ADRS = sorted((REPOSITORY / "docs" / "adr").glob("[0-9]*.md"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)

every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY))
)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def code_of(text: str) -> str:
    """The code blocks and code spans, without comments."""
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    (.*)$", rest, re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", rest)
    return re.sub(r"(^|\s)# .*", "", "\n".join([*fenced, *indented, *spans]))


def commands_of(command: Any) -> dict[str, Any]:
    """A group's commands by name; none of a plain command."""
    return dict(getattr(command, "commands", {}))


def anchors_of(path: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", read(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@every_document
def test_relative_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", read(document)):
        name, _, anchor = target.partition("#")
        found = (document.parent / name).resolve() if name else document
        assert found.exists(), f"{document.name}: {target}"
        if anchor:
            assert anchor in anchors_of(found), f"{document.name}: {target}"


@every_document
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*##", read(REPOSITORY / "Makefile"), re.MULTILINE))
    used = set(re.findall(r"(?:^|[\s`(&])make ([a-z][a-z0-9-]*)", code_of(read(document)), re.MULTILINE))
    assert used <= targets, f"{document.name}: {sorted(used - targets)}"


@every_document
def test_commands_of_cdc_exist(document: Path) -> None:
    commands = commands_of(typer.main.get_command(app))
    for name, rest in re.findall(
        r"(?:^|[\s(&])cdc ([a-z-]+)((?: [a-z]+)?)", code_of(read(document)), re.MULTILINE
    ):
        assert name in commands, f"{document.name}: cdc {name}"
        below = commands_of(commands[name])
        assert not below or rest.strip() in {"", *below}, f"{document.name}: cdc {name}{rest}"


@every_document
def test_paths_in_code_exist(document: Path) -> None:
    roots = "dags|plugins|spark_jobs|include|scripts|notebooks|docs|tests|deploy"
    for path in re.findall(rf"(?<![\w./-])((?:{roots})/[\w./-]*)", code_of(read(document))):
        # A CDC_HOME has a folder of the platform's logs, and so on; those begin otherwise.
        assert (REPOSITORY / path.rstrip("./")).exists(), f"{document.name}: {path}"


def test_the_adrs_are_all_in_the_index_and_have_their_four_parts() -> None:
    index = read(REPOSITORY / "docs" / "adr" / "README.md")
    assert len(ADRS) >= 13
    for adr in ADRS:
        assert f"({adr.name})" in index, adr.name
        headings = re.findall(r"^## (.+)$", read(adr), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Measurement"], adr.name


def test_operations_name_every_dag_task_and_parameter() -> None:
    text = read(REPOSITORY / "docs" / "operations.md")
    shared = REPOSITORY / "plugins" / "cdc_airflow" / "reconcile_dag.py"
    for file in [shared, *(REPOSITORY / "dags").glob("*.py")]:
        source = read(file)
        names = re.findall(r"""task_id=f?"([^"]+)\"""", source) + re.findall(
            r"""^\s+"([a-z_]+)": (?:Param\(|seconds\()""", source, re.MULTILINE
        )
        assert names or "reconcile_tasks(" in source, file.name
        for name in names:
            plain = re.sub(r"\{(\w+)\.name\}", r"<\1>", name)
            assert f"`{plain}`" in text, f"{file.name}: {plain}"


SECOND = timedelta(seconds=1)
OFFSETS = {"t": {0: 10}}
SAMPLES: list[Sample] = [
    ConnectorSample("c", NOW),
    ConnectorSample("c", NOW, unreachable="refused"),
    ConnectorSample("c", NOW, "RUNNING", (TaskSample(0, "FAILED", "boom"),)),
    ConnectorSample("c", NOW, "PAUSED", (TaskSample(0, "PAUSED"),)),
    QuerySample("q", NOW),
    QuerySample("q", NOW, wanted=False),
    QuerySample("q", NOW, wanted=False, paused_at=NOW),
    QuerySample("q", NOW, seen_at=NOW - 10_000 * SECOND),
    QuerySample("q", NOW, seen_at=NOW, offsets_behind=10**9),
    QuerySample("q", NOW, seen_at=NOW, parked=("orders",)),
    CheckpointSample("q", NOW, OFFSETS, {"t": {0: 3}}),
    CheckpointSample("q", NOW, OFFSETS, {"t": {0: 10**9}}),
    SlotSample("s", NOW, exists=False),
    SlotSample("s", NOW, retained_bytes=2**50),
    SlotSample("s", NOW, wal_status="lost"),
    SlotSample("s", NOW, wal_status="unreserved"),
    SlotSample("s", NOW, safe_bytes=1, retained_per_s=9.0),
    SlotSample("s", NOW, inactive_since=NOW - 10_000 * SECOND),
    DeadLettersSample("p", NOW, {("t", "warehouse"): 1}),
    WatermarksSample("p", NOW, (WatermarkAge("t", "w", NOW - 10_000 * SECOND),)),
]


def runbook_headings() -> list[str]:
    return re.findall(r"^### `([^`]+)`", read(REPOSITORY / "docs" / "operations.md"), re.MULTILINE)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_the_runbook_has_an_entry_for_what_a_check_can_say(sample: Sample) -> None:
    verdict = evaluate(sample, PoliciesSpec())
    assert verdict.level is not Level.OK
    assert any(pattern_of(heading).match(verdict.sentence) for heading in runbook_headings()), (
        verdict.sentence
    )
    if not verdict.healthy:
        assert pattern_of(verdict.alarm.value).match(verdict.sentence), (verdict.alarm, verdict.sentence)


def pattern_of(heading: str) -> re.Pattern[str]:
    parts = re.sub(r"\bN\b", "…", heading).split("…")
    return re.compile(".*".join(map(re.escape, parts)))


def test_every_alarm_is_an_entry_of_the_runbook() -> None:
    assert {alarm.value for alarm in Alarm if alarm} <= set(runbook_headings())


def test_operations_name_every_limit() -> None:
    text = read(REPOSITORY / "docs" / "operations.md")
    for name in PoliciesSpec.model_fields:
        assert f"`{name}`" in text or f"`policies.{name}`" in text, name


class TestNotebook:
    path = REPOSITORY / "notebooks" / "ecom_cdc_processing.ipynb"
    notebook = nbformat.read(path, as_version=4)

    def test_is_valid_and_keeps_no_outputs(self) -> None:
        nbformat.validate(self.notebook)
        for cell in self.notebook.cells:
            if cell.cell_type == "code":
                assert (cell.outputs, cell.execution_count) == ([], None)

    def test_every_cell_compiles(self) -> None:
        cells = [cell.source for cell in self.notebook.cells if cell.cell_type == "code"]
        assert len(cells) > 5
        for number, source in enumerate(cells):
            compile(source, f"cell {number}", "exec")
