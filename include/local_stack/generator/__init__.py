"""The change generator: seeded inserts, updates and deletes in transactions on the sample shop."""

from local_stack.generator.loop import run_bounded, run_endless
from local_stack.generator.totals import Totals

__all__ = ["Totals", "run_bounded", "run_endless"]
