"""Who a driver is, and whether the one before it has ended."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass

import psutil
from pyspark.sql import SparkSession

_YARN = re.compile(r"^(?P<application>application_\d+_\d+)/(?P<attempt>\d+)$")
_PROCESS = re.compile(r"^(?P<host>.+)/(?P<pid>\d+)/(?P<started>\d+)$")


@dataclass(frozen=True)
class Owner:
    """The owner of a driver's leases.

    Attributes:
        name: `application_…/attempt` on YARN, `host/pid/start` of a process elsewhere.
        on_yarn: YARN starts the driver again when it fails.
    """

    name: str
    on_yarn: bool


def this_driver(spark: SparkSession) -> Owner:
    """The driver that runs this code."""
    context = spark.sparkContext
    attempt = context._jsc.sc().applicationAttemptId()  # noqa: SLF001 Python has no way of its own to it
    if str(context.applicationId).startswith("application_") and attempt.isDefined():
        return Owner(f"{context.applicationId}/{attempt.get()}", on_yarn=True)
    process = psutil.Process()
    return Owner(f"{socket.gethostname()}/{process.pid}/{int(process.create_time())}", on_yarn=False)


def has_ended(before: str, me: Owner) -> bool:
    """Whether the owner `before` is known to have ended; False when that cannot be told.

    YARN starts a driver's next attempt only after the one before has ended. Another application may have
    another specification, so its lease is waited for: YARN tells that an application has ended before its
    containers have, and a sink may still be at its last insert, whose deadline is shorter than the lease.
    """
    old, new = _YARN.match(before), _YARN.match(me.name)
    if old:
        return bool(
            new and old["application"] == new["application"] and int(old["attempt"]) < int(new["attempt"])
        )
    process = _PROCESS.match(before)
    if process and process["host"] == socket.gethostname():
        return not _lives(int(process["pid"]), int(process["started"]))
    return False


def _lives(pid: int, started: int) -> bool:
    try:
        return int(psutil.Process(pid).create_time()) == started
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return pid != os.getpid()
