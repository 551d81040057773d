"""The command line of `run_cdc_job.py`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

EPILOG = """\
Without --debug this is the stream itself: its checkpoint, its lease, its entries in the ops store. It
waits while another driver holds the lease.
With --debug it runs beside the stream: query names begin with `debug.`, checkpoints lie in `debug/`
below the checkpoint root, progress goes to the log only. It writes to the same sinks, which is
harmless: the same events have the same versions.
With --from and --until it reads a stretch of the topics again, with the original versions, then ends:
for a table that is taken out of parking, or after a fix.
"""


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the arguments; prints help and exits on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="run_cdc_job.py",
        description="Carry one stream of a pipeline from Kafka into its sinks.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--job-type", required=True, metavar="STREAM", help="the stream, such as customers")
    parser.add_argument("--pipeline", default="ecommerce", help="the pipeline's name (default: %(default)s)")
    parser.add_argument("--env", help="the environment whose overlay applies (default: CDC_ENV, else dev)")
    parser.add_argument("--sinks", help="only these sinks, separated by commas (default: all)")
    parser.add_argument("--debug", action="store_true", help="run beside the stream, in the foreground")
    parser.add_argument("--once", action="store_true", help="carry everything that is there, then end")
    parser.add_argument(
        "--from",
        dest="since",
        metavar="WHERE",
        help='a bounded re-read from offsets ({"topic": {"0": 12}} or topic:0:12,…), a time, or earliest',
    )
    parser.add_argument("--until", metavar="WHERE", help="where the re-read ends, excluded (default: latest)")
    parser.add_argument("--checkpoint-root", help="where checkpoints lie (default: CHECKPOINT_ROOT)")
    arguments = parser.parse_args(argv)
    if arguments.until and not arguments.since:
        parser.error("--until needs --from")
    if arguments.since and arguments.once:
        parser.error("--from is a bounded re-read and ends by itself: leave --once out")
    return arguments
