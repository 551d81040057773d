"""The sample pipeline, and small ones made from it."""

from pathlib import Path

import pytest

from cdc.spec import Pipeline, load_pipeline

SAMPLE = Path(__file__).parents[3] / "include" / "pipelines" / "ecommerce.yaml"


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The sample pipeline."""
    return load_pipeline(SAMPLE)
