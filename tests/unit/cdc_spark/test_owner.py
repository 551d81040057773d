"""From whom a driver takes a lease over without waiting for its end."""

from __future__ import annotations

import socket
import subprocess
import sys

import psutil
import pytest

from cdc_spark.owner import Owner, has_ended

ME = Owner("application_17_0002/2", on_yarn=True)


@pytest.mark.parametrize(
    ("before", "ended"),
    [
        ("application_17_0002/1", True),
        ("application_17_0002/2", False),
        ("application_17_0002/3", False),
        # Its lease is waited for, whatever YARN says of it.
        ("application_17_0001/1", False),
        ("elsewhere/1/1", False),
        ("somebody", False),
    ],
)
def test_only_an_earlier_attempt_of_the_same_application_is_known_to_have_ended(
    before: str, ended: bool
) -> None:
    assert has_ended(before, ME) is ended


def test_a_process_of_this_machine_has_ended_once_it_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    name = f"{socket.gethostname()}/{child.pid}/{int(psutil.Process(child.pid).create_time())}"
    assert not has_ended(name, ME)
    child.communicate(b"\n")
    assert has_ended(name, ME)
    assert has_ended(name, Owner("here/1/1", on_yarn=False))
