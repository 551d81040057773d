"""The command line of `run_cdc_job.py`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from urllib.parse import unquote
from uuid import UUID

EPILOG = """\
Without --debug this is the stream itself: its checkpoint, its lease, its entries in the ops store. It
waits while another driver holds the lease.
With --debug it runs beside the stream: query names begin with `debug.`, checkpoints lie in `debug/`
below the checkpoint root, progress goes to the log only. It writes to the same sinks, which is
harmless: the same events have the same versions.
With --from and --until it reads a stretch of the topics again, with the original versions, then ends:
after a fix in a transformation.
With --replay-dead-letters it hands the events that were set aside to the sinks again, from the bytes in
the ops store; with --resume it brings a parked table back, with --rebuild it builds one anew first, as
the source has it now. `cdc dead-letters replay`, `cdc table resume` and `cdc schema apply` run this; all
can be interrupted and run again.
With --repair it reads rows from the source that a reconciliation has proven to differ.
With --window it does a backfill, a replay or a resync that was left in the ops store, piece after piece,
and goes on where it was broken off. `cdc backfill`, `cdc replay` and `cdc resync` run this.
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
    parser.add_argument(
        "--replay-dead-letters", action="store_true", help="write the open dead letters once more, then end"
    )
    parser.add_argument("--tables", help="only those of these tables, separated by commas")
    parser.add_argument("--resume", metavar="TABLE", help="bring parked tables back, then end")
    parser.add_argument(
        "--rebuild",
        metavar="TABLE",
        help="build parked tables anew as the source has them now, exchange them, then end",
    )
    parser.add_argument(
        "--approved",
        type=unquote,
        default="",
        metavar="DIFFERENCE",
        help="rebuild only if this differs at the source, percent-encoded (default: whatever differs)",
    )
    parser.add_argument(
        "--accept-loss", action="store_true", help="resume though Kafka has removed events of the table"
    )
    parser.add_argument(
        "--repair",
        type=UUID,
        metavar="RUN",
        help="read the rows again that a reconciliation found to differ, then end (`cdc reconcile --repair`)",
    )
    parser.add_argument(
        "--window",
        type=lambda text: [UUID(number) for number in text.split(",")],
        metavar="RUN[,RUN]",
        help="do backfills, replays and resyncs that were asked for, then end (`cdc runs` shows them)",
    )
    parser.add_argument("--checkpoint-root", help="where checkpoints lie (default: CHECKPOINT_ROOT)")
    arguments = parser.parse_args(argv)
    if arguments.until and not arguments.since:
        parser.error("--until needs --from")
    chosen = [
        option
        for option, given in (
            ("--from", arguments.since),
            ("--replay-dead-letters", arguments.replay_dead_letters),
            ("--resume", arguments.resume),
            ("--rebuild", arguments.rebuild),
            ("--repair", arguments.repair),
            ("--window", arguments.window),
            ("--once", arguments.once),
        )
        if given
    ]
    if len(chosen) > 1:
        parser.error(f"{' and '.join(chosen)} are different runs, and each ends by itself: choose one")
    if arguments.tables and not (arguments.replay_dead_letters or arguments.repair):
        parser.error("--tables needs --replay-dead-letters or --repair")
    if arguments.approved and not arguments.rebuild:
        parser.error("--approved needs --rebuild")
    if arguments.accept_loss and not arguments.resume:
        parser.error("--accept-loss needs --resume")
    return arguments


def bounded(arguments: argparse.Namespace) -> bool:
    """Whether the run is about few tables and ends by itself, so that one core is enough."""
    about_few = arguments.replay_dead_letters or arguments.resume or arguments.rebuild or arguments.repair
    return bool(about_few or arguments.window)
