"""Spark's Python worker daemon, with the imports of our workers done before it forks them.

A worker needs more than a second of CPU for its imports, there are several for each query, and Spark ends
idle ones. Forked from here they have them at once, and share the memory. Set by
`spark.python.daemon.module`; what it runs is `pyspark.daemon`.

A stretch of events is tens of thousands of dictionaries that die together and hold no cycles. The collector
of cycles looked at them again and again, a fifth of a worker's time: here it looks seldom, and never at what
was imported.
"""

from __future__ import annotations

import gc
import socket

import pyspark.worker  # noqa: F401 what the daemon runs in each fork
from pyspark import daemon

import cdc_spark.readers.lookups
import cdc_spark.transformations.parse
import cdc_spark.writers.dead_letters
import cdc_spark.writers.factory  # noqa: F401 for the forks

_worker = daemon.worker


def _worker_of_a_living_jvm(sock: socket.socket, authenticated: bool) -> int:
    """One task; when the JVM has gone meanwhile, nobody is left to be told, least of all by a stack trace."""
    try:
        code: int = _worker(sock, authenticated)
    except (BrokenPipeError, ConnectionResetError):
        return 1
    return code


if __name__ == "__main__":
    daemon.worker = _worker_of_a_living_jvm
    gc.freeze()
    gc.set_threshold(100_000)
    daemon.manager()
