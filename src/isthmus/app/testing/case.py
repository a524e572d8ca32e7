# SPDX-License-Identifier: Apache-2.0
"""A test as it was read: what a source says, and what is expected to come of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.core.samples import Value
from isthmus.plant.nodes import Node


@dataclass(frozen=True, slots=True)
class Saying:
    """One value as it is once decoded."""

    positions: Sequence[int]
    """Of the tags it is for, among those of its system."""
    value: Value
    quality: int
    at: int
    """ns; UNKNOWN where the device has no clock."""


@dataclass(frozen=True, slots=True)
class Given:
    """What one source says at once: values, or an input of the kind's own."""

    spot: Node
    system: str
    values: Sequence[Saying] = ()
    historical: bool = False
    input: Any = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample that is expected; None: not looked at."""

    spot: Node
    value: Value
    tolerance: float | None
    text: str | None
    quality: int
    marks: int
    at: int | None


@dataclass(frozen=True, slots=True)
class Expected:
    """What is expected."""

    spot: Node
    samples: dict[str, Sequence[Sample]]
    """Tag path → its samples in order."""
    only: bool
    quarantine: Sequence[str]
    events: Sequence[str] | None
    error: Sequence[str]


@dataclass(frozen=True, slots=True)
class Test:
    """One test."""

    name: str
    spot: Node
    given: Sequence[Given]
    plant: Path | None
    """A plant file that is checked, in place of `given`."""
    expected: Expected
    now: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as expected."""

    spot: Node
    what: str

    def __str__(self) -> str:
        return f"{self.spot.file}:{self.spot.line}:{self.spot.column}: {self.what}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test ended."""

    test: Test
    differences: Sequence[Difference]
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.differences
