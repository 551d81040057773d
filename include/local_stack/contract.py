"""Writes what the stack promises to everything outside it: `stack.env`, `connections.json`, `activate`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from local_stack.component import Component, StackContext
from local_stack.envfile import render_env, write_atomically

IMPORT_ROOTS = ("include", "plugins", "spark_jobs")


def write_contract(ctx: StackContext, components: Sequence[Component], pipelines: str | None = None) -> None:
    """Write the three files; they are complete before the first component starts.

    Args:
        ctx: the stack.
        components: what it consists of.
        pipelines: the folder of the pipeline files, the checkout's own by default.
    """
    values = stack_values(ctx, components, pipelines)
    entries: dict[str, Any] = {}
    for component in components:
        entries.update(component.connections(ctx))
    write_atomically(ctx.env_file, render_env(values), 0o600)
    write_atomically(ctx.connections_file, json.dumps(entries, indent=1) + "\n", 0o600)
    shell: dict[str, str] = {}
    for component in components:
        shell.update(component.shell_environment(ctx))
    write_atomically(ctx.home / "activate", render_activate(ctx, {**shell, **values}), 0o600)


def stack_values(
    ctx: StackContext, components: Sequence[Component], pipelines: str | None = None
) -> dict[str, str]:
    """All lines of `stack.env`: the stack's own, then each component's in start order."""
    spark_home = ctx.python.parent.parent / "lib" / _python_folder(ctx) / "site-packages" / "pyspark"
    values = {
        "CDC_HOME": str(ctx.home),
        "CDC_JARS": str(ctx.jars),
        "CDC_CONNECTIONS_FILE": str(ctx.connections_file),
        "CDC_ENV": "dev",
        "CDC_PIPELINES_DIR": pipelines or str(ctx.repo / "include" / "pipelines"),
        "CHECKPOINT_ROOT": str(ctx.checkpoint_root),
        "LOG_DIR": str(ctx.log_file("x").parent),
        "JAVA_HOME": str(ctx.java_home),
        "SPARK_HOME": str(spark_home),
        "PYSPARK_PYTHON": str(ctx.python),
    }
    for component in components:
        values.update(component.exports(ctx))
    return values


def _python_folder(ctx: StackContext) -> str:
    folders = sorted((ctx.python.parent.parent / "lib").glob("python3.*"))
    return folders[-1].name if folders else "python3"


def render_activate(ctx: StackContext, values: dict[str, str]) -> str:
    """A file to source in bash, zsh or sh: `. .local/activate`."""
    roots = ":".join(str(ctx.repo / root) for root in IMPORT_ROOTS)
    path = f"{ctx.repo / 'scripts' / 'bin'}:{ctx.python.parent}:{ctx.java_home / 'bin'}"
    lines = ["# A shell in which cdc, airflow, spark-submit and psql talk to this stack. Source it."]
    lines += [f"export {key}={shlex.quote(value)}" for key, value in values.items()]
    lines += [
        f'export PYTHONPATH={shlex.quote(roots)}"${{PYTHONPATH:+:$PYTHONPATH}}"',
        f'case ":$PATH:" in *:{shlex.quote(path)}:*) ;; *) export PATH={shlex.quote(path)}":$PATH" ;; esac',
    ]
    return "\n".join(lines) + "\n"
