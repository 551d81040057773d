"""What a command's end means."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cdc.errors import ConfigurationError
from local_stack.cases.commands import finish


def ended(program: str, *, told: bool = False) -> str:
    """What a program has printed, or the error that it is."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdout=pipe, stderr=pipe, text=True) as running:
        return finish(running, ("cdc",), told=told)


def test_a_command_that_fails_says_its_last_words() -> None:
    assert ended("print('done')") == "done\n"
    with pytest.raises(ConfigurationError, match="`cdc` ended with 1: no such table"):
        ended("print('begun'); raise SystemExit('no such table')")


def test_a_comparison_that_has_left_differences_has_told_them() -> None:
    assert ended("print('[]'); raise SystemExit(1)", told=True) == "[]\n"
    with pytest.raises(ConfigurationError, match="the source does not answer"):
        ended("raise SystemExit('the source does not answer')", told=True)
