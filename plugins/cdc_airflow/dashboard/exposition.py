"""Prometheus' text format, version 0.0.4. Pure.

Source: prometheus.io/docs/instrumenting/exposition_formats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Sample:
    """One value; labels may be hostile, their names may not."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Gauge:
    """A metric and its values."""

    name: str
    description: str
    samples: tuple[Sample, ...]


def expose(gauges: Iterable[Gauge]) -> str:
    """The text of a scrape; gauges without a value are left out."""
    lines: list[str] = []
    for gauge in gauges:
        if not gauge.samples:
            continue
        lines.append(f"# HELP {gauge.name} {_escape(gauge.description)}")
        lines.append(f"# TYPE {gauge.name} gauge")
        lines += [f"{gauge.name}{_labels(sample.labels)} {_number(sample.value)}" for sample in gauge.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{name}="{_escape(value, quote=True)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


def _escape(text: str, *, quote: bool = False) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quote else escaped


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
