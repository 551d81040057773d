"""The stricter limits of a drill: in effect while it runs, and gone without a trace afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cdc.spec import load_pipeline
from local_stack.context import REPO
from local_stack.drill.limits import LIMITS, StricterLimits, with_limits

SAMPLE = REPO / "include" / "pipelines" / "ecommerce.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copy(SAMPLE, tmp_path))


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def limits(file: Path, tmp_path: Path, told: list[str]) -> StricterLimits:
    return StricterLimits(file, "dev", tmp_path / "kept", told.append)


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_they_are_in_effect_and_nothing_else_changes(file: Path, env: str) -> None:
    before = load_pipeline(file, env)
    file.write_text(with_limits(file.read_text(), env, LIMITS))
    after = load_pipeline(file, env)
    changed = {name: getattr(after.policies, name) for name in LIMITS}
    assert changed == dict(LIMITS)
    assert after.model_copy(update={"policies": before.policies}) == before
    assert (
        after.policies.model_copy(update={n: getattr(before.policies, n) for n in LIMITS}) == before.policies
    )
    # No driver is started again for them.
    assert [after.spec_hash(s) for s in after.streams] == [before.spec_hash(s) for s in before.streams]


def test_a_file_without_environments_gets_one(file: Path) -> None:
    text = file.read_text()
    file.write_text(with_limits(text[: text.index("environments:")], "dev", LIMITS))
    assert load_pipeline(file).policies.max_progress_age_s == LIMITS["max_progress_age_s"]


def test_the_file_gets_its_bytes_back(file: Path, limits: StricterLimits, told: list[str]) -> None:
    file.write_bytes(before := file.read_bytes().replace(b"\n", b"\r\n"))
    with limits:
        assert load_pipeline(file).policies.max_slot_inactive_s == LIMITS["max_slot_inactive_s"]
        assert file.read_text().startswith("# A drill is under way")
    assert file.read_bytes() == before
    assert told == []


def test_a_drill_that_was_killed_is_made_good_by_the_next_one(file: Path, limits: StricterLimits) -> None:
    before = file.read_bytes()
    limits.__enter__()
    assert file.read_bytes() != before
    with limits:
        pass
    assert file.read_bytes() == before


def test_what_somebody_has_edited_meanwhile_stays(
    file: Path, limits: StricterLimits, told: list[str]
) -> None:
    with limits:
        file.write_text(edited := file.read_text() + "# edited\n")
    assert file.read_text() == edited
    assert "was edited during the drill" in told[0]
    assert "max_progress_age_s" in told[0]
