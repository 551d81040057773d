"""The script that fills `.env`."""

from __future__ import annotations

import base64
import importlib.util
import shutil
import stat
from pathlib import Path
from types import ModuleType

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def make_env() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_env", REPOSITORY / "deploy" / "make_env.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / ".env.example", tmp_path / ".env.example")
    return tmp_path


def read(make_env: ModuleType, folder: Path) -> dict[str, str]:
    values: dict[str, str] = make_env.values_of((folder / ".env").read_text(encoding="utf-8").splitlines())
    return values


def test_the_example_holds_no_value_that_works(make_env: ModuleType) -> None:
    assert make_env.values_of((REPOSITORY / ".env.example").read_text(encoding="utf-8").splitlines()) == {}


def test_every_key_gets_a_random_value_of_its_own(make_env: ModuleType, folder: Path) -> None:
    assert make_env.main(folder) == 0
    values = read(make_env, folder)
    keys = [line[:-1] for line in (folder / ".env.example").read_text().splitlines() if line.endswith("=")]
    assert list(values) == keys
    assert len(set(values.values())) == len(keys)
    assert min(map(len, values.values())) >= 32
    assert len(base64.urlsafe_b64decode(values["AIRFLOW_FERNET_KEY"])) == 32


def test_only_the_owner_can_read_it(make_env: ModuleType, folder: Path) -> None:
    make_env.main(folder)
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_a_second_run_keeps_what_is_there_and_adds_what_is_new(make_env: ModuleType, folder: Path) -> None:
    (folder / ".env").write_text("CLICKHOUSE_PASSWORD=chosen\nCDC_ENV=prod\n", encoding="utf-8")
    make_env.main(folder)
    first = read(make_env, folder)
    make_env.main(folder)
    assert read(make_env, folder) == first
    assert (first["CLICKHOUSE_PASSWORD"], first["CDC_ENV"]) == ("chosen", "prod")
    assert first["AIRFLOW_PASSWORD"]
