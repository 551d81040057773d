"""Execute the notebook headless on the running stack, and write it with its outputs somewhere else.

The notebook in git keeps no outputs. Run it in a shell that talks to a stack:

    . .local/activate
    python notebooks/execute.py --output /tmp/ecom_cdc_processing.ipynb
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOK = Path(__file__).with_name("ecom_cdc_processing.ipynb")


def execute(output: Path | None, timeout_s: int = 300) -> int:
    """Run every cell; returns the exit status, 1 when a cell failed.

    Args:
        output: where the executed notebook goes, also when a cell failed; None keeps nothing.
        timeout_s: for each cell.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(notebook, timeout=timeout_s, kernel_name="python3")
    try:
        client.execute(cwd=str(NOTEBOOK.parent))
    except CellExecutionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        if output is not None:
            nbformat.write(notebook, output)  # type: ignore[no-untyped-call]
    cells = sum(cell.cell_type == "code" for cell in notebook.cells)
    sys.stdout.write(f"{NOTEBOOK.name}: {cells} cells ran{f', written to {output}' if output else ''}\n")
    return 0


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Execute the notebook on the running stack.")
    parser.add_argument("--output", type=Path, help="where to write the executed notebook")
    parser.add_argument("--timeout", type=int, default=300, help="seconds for each cell")
    arguments = parser.parse_args()
    return execute(arguments.output, arguments.timeout)


if __name__ == "__main__":
    sys.exit(main())
