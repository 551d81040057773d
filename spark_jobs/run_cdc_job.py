"""Entry point of every stream: `run_cdc_job.py --job-type customers --debug`, or submitted to a cluster."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
if (HERE.parent / "include" / "cdc").is_dir():
    # In a checkout; on a cluster both packages come by --py-files.
    sys.path[:0] = [str(HERE.parent / "include"), str(HERE)]

if __name__ == "__main__":
    from cdc_spark.main import main

    sys.exit(main())
