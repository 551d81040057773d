"""Spark's Python worker daemon, with the imports of our workers done before it forks them.

A worker needs more than a second of CPU for its imports, there are several for each query, and Spark ends
idle ones. Forked from here they have them at once, and share the memory. Set by
`spark.python.daemon.module`; what it runs is `pyspark.daemon`, unchanged.

A stretch of events is tens of thousands of dictionaries that die together and hold no cycles. The collector
of cycles looked at them again and again, a fifth of a worker's time: here it looks seldom, and never at what
was imported.
"""

from __future__ import annotations

import gc

import pyspark.worker  # noqa: F401 what the daemon runs in each fork
from pyspark.daemon import manager

import cdc_spark.readers.lookups
import cdc_spark.transformations.parse
import cdc_spark.writers.dead_letters
import cdc_spark.writers.factory  # noqa: F401 for the forks

if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(100_000)
    manager()
