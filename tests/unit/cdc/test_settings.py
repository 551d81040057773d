"""Settings come from the environment, and a missing one matters only when it is used."""

from pathlib import Path

import pytest

from cdc.errors import ConfigurationError
from cdc.settings import INCLUDE, Settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CDC_HOME", "CDC_ENV", "CDC_PIPELINES_DIR", "CDC_CONNECTIONS_FILE", "CHECKPOINT_ROOT"):
        monkeypatch.delenv(name, raising=False)


def test_a_missing_variable_is_named_with_the_mend_when_it_is_used() -> None:
    settings = Settings()
    with pytest.raises(ConfigurationError, match=r"no CHECKPOINT_ROOT: `\. \.local/activate` sets it"):
        _ = settings.checkpoint_root


def test_a_keyword_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKPOINT_ROOT", "/one")
    assert Settings().checkpoint_root == "/one"
    assert Settings(checkpoint_root="/two").checkpoint_root == "/two"


def test_defaults_follow_from_the_home_and_the_library() -> None:
    settings = Settings(cdc_home=Path("/stack"))
    assert settings.cdc_connections_file == Path("/stack/connections.json")
    assert settings.cdc_pipelines_dir == INCLUDE / "pipelines"
    assert settings.cdc_env == "dev"
