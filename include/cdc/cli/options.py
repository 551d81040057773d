"""Options that many commands have."""

from __future__ import annotations

from typing import Annotated

import typer

PipelineOption = Annotated[str | None, typer.Option("--pipeline", help="The pipeline's name.")]
EnvOption = Annotated[str | None, typer.Option("--env", help="dev, staging or prod; by default CDC_ENV.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
