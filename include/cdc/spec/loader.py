"""Reads pipeline files: YAML → overlay of one environment → `Pipeline`, with file and line in every error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from cdc.errors import SpecError
from cdc.spec.pipeline import Pipeline

Location = tuple[str | int, ...]
Claim = tuple[str, ...]


def load_pipelines(folder: Path, env: str = "dev") -> tuple[Pipeline, ...]:
    """Load every `*.yaml` of `folder`, in the order of their names.

    Raises:
        SpecError: a file is invalid, there is none, or two claim the same thing.
    """
    pipelines, broken = read_pipelines(folder, env)
    if broken:
        raise broken[0]
    return pipelines


def read_pipelines(folder: Path, env: str = "dev") -> tuple[tuple[Pipeline, ...], tuple[SpecError, ...]]:
    """The pipelines of `folder` whose files are valid, and what is wrong with the others.

    Of two files that claim the same thing (a name, connector, slot, a table in a sink, …) the first counts.
    """
    files = sorted(folder.glob("*.yaml"))
    found: list[Pipeline] = []
    broken: list[SpecError] = []
    if not files:
        broken.append(SpecError(str(folder), 0, "-", "holds no *.yaml file; expected one for each pipeline"))
    claimed: dict[Claim, Path] = {}
    for file in files:
        try:
            pipeline = load_pipeline(file, env)
        except SpecError as error:
            broken.append(error)
            continue
        claims = list(_claims(pipeline))
        twice = next((claim for claim in claims if claim in claimed), None)
        if twice is not None:
            field, *what = twice
            said = f"{'.'.join(map(str, what[-2:]))!r} is that of {claimed[twice]} already"
            broken.append(SpecError(str(file), 1, str(field), f"{said}, and each would undo the other's"))
            continue
        claimed |= dict.fromkeys(claims, file)
        found.append(pipeline)
    return tuple(found), tuple(broken)


def _claims(pipeline: Pipeline) -> Iterator[Claim]:
    """What no two pipelines may share: the field, where it is, and its name there."""
    source = pipeline.source
    yield "name", pipeline.name
    yield "source.connector", pipeline.connect.connection, source.connector
    yield "source.topic_prefix", pipeline.kafka.connection, source.topic_prefix
    yield "source.slot", source.connection, source.slot
    yield "source.publication", source.connection, source.publication
    for sink in pipeline.sinks:
        for table in pipeline.tables:
            yield "tables", sink.connection, *sink.raw_table(table.name.lower())
            yield "tables", sink.connection, *sink.view(table.name.lower())


def load_pipeline(path: Path | str, env: str = "dev") -> Pipeline:
    """Load one pipeline as it is in environment `env`.

    Raises:
        SpecError: the file cannot be read or is invalid; names file, line, field and what was expected.
    """
    path = Path(path)
    return _pipeline(path, _read(path), env)


@lru_cache(maxsize=256)
def _pipeline(path: Path, text: str, env: str) -> Pipeline:
    """Remembered, since each of Airflow's DAG files loads every pipeline, and YAML is slow to read."""
    document = _parse(path, text)
    environments = document.get("environments") or {}
    if env not in environments and not (env == "dev" and not environments):
        known = ", ".join(map(str, environments)) or "none"
        raise SpecError(
            str(path), _line(document, ("environments",)), "environments", f"no {env!r}; there are: {known}"
        )
    overlay = environments.get(env) or {}
    merged = _merge({key: value for key, value in document.items() if key != "environments"}, overlay)
    try:
        return Pipeline.model_validate({**merged, "environment": env})
    except ValidationError as error:
        raise _spec_error(path, document, env, error) from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(str(path), 0, "-", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SpecError(str(path), 0, "-", f"is not UTF-8: {error}") from None


def _parse(path: Path, text: str) -> CommentedMap:
    try:
        document = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise SpecError(str(path), line, "-", f"is not YAML: {error.problem}") from None
    if not isinstance(document, CommentedMap):
        raise SpecError(
            str(path), 1, "-", f"expected a mapping with name, source, sinks, tables; got {document!r:.80}"
        )
    return document


def _merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """Overlay mappings key by key; anything else (lists too) is replaced as a whole."""
    merged = dict(base)
    for key, value in overlay.items():
        below = merged.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(below or {}, value) if both else value
    return merged


def _spec_error(path: Path, document: CommentedMap, env: str, error: ValidationError) -> SpecError:
    first = error.errors(include_url=False)[0]
    location: Location = tuple(part for part in first["loc"] if part not in ("clickhouse", "postgres"))
    overlaid: Location = ("environments", env, *location)
    line = _line(document, overlaid) if _holds(document, overlaid) else _line(document, location)
    more = error.error_count() - 1
    got = "" if first["type"] in ("missing", "value_error") else f" (got {first['input']!r:.80})"
    suffix = f"; and {more} more problem{'s' if more > 1 else ''}" if more else ""
    message = first["msg"].removeprefix("Value error, ")
    return SpecError(str(path), line, _dotted(location) or "-", f"{message}{got}{suffix}")


def _holds(document: Any, location: Location) -> bool:
    for part in location:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _line(document: Any, location: Location) -> int:
    """The line (from 1) of the deepest part of `location` that the file holds."""
    line = 1
    for part in location:
        try:
            if isinstance(document, CommentedMap):
                line = document.lc.key(part)[0] + 1
            elif isinstance(document, CommentedSeq):
                line = document.lc.item(part)[0] + 1
            else:
                break
            document = document[part]
        except (KeyError, IndexError, TypeError):
            break
    return line


def _dotted(location: Sequence[str | int]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
