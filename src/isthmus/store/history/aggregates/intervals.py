# SPDX-License-Identifier: Apache-2.0
"""The intervals of a question: of equal width from a start to an end, or between given edges (5.4.2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from isthmus.core.errors import IsthmusError
from isthmus.core.time import LATEST

MOST: Final = 5_000_000
"""Intervals in one question."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """m adjoining intervals. Forward: the start is included, the end is not. Backward: the late edge is included."""

    edges: NDArray[np.int64]
    """(m + 1,) ns, ascending."""
    backward: bool = False
    """Results are in descending order, each under its late edge."""
    rest: bool = False
    """The one asked for last is shorter than the others: what was left of the range."""

    def __len__(self) -> int:
        return len(self.edges) - 1

    @property
    def early(self) -> NDArray[np.int64]:
        return self.edges[:-1]

    @property
    def late(self) -> NDArray[np.int64]:
        return self.edges[1:]

    @property
    def time(self) -> NDArray[np.int64]:
        """(m,) what a result is stamped with, ascending."""
        return self.late if self.backward else self.early

    @property
    def side(self) -> Literal["left", "right"]:
        """Where a sample on an edge belongs, for `searchsorted`."""
        return "right" if self.backward else "left"

    def is_rest(self) -> NDArray[np.bool_]:
        """(m,) where the shorter one is."""
        found = np.zeros(len(self), np.bool_)
        if self.rest:
            found[0 if self.backward else -1] = True
        return found


def every(start: int, end: int, width: int = 0) -> Intervals:
    """Intervals of `width` ns from `start` to `end`, the last one shorter where it must be; width 0: one interval.

    With start after end time runs backward (5.4.2.2, Table 12). Raises IsthmusError when start equals end.
    """
    span = abs(end - start)
    if span == 0 or width < 0:
        raise IsthmusError("the range to read is empty", hint="give an end that differs from the start")
    if span > LATEST:
        raise IsthmusError("the range to read is longer than 292 years")
    width = min(width, span) or span
    whole, rest = divmod(span, width)
    if whole > MOST:
        raise IsthmusError(f"{whole:,} intervals are too many", hint=f"ask for at most {MOST:,}")
    steps = np.arange(whole + 1, dtype=np.int64) * width
    steps = np.append(steps, span) if rest else steps
    edges = start + steps if end > start else (start - steps)[::-1].copy()
    return Intervals(edges, backward=end < start, rest=bool(rest))


def between(edges: ArrayLike, *, backward: bool = False) -> Intervals:
    """The intervals between ascending edges (ns): days, shifts, batches."""
    array = np.asarray(edges, np.int64)
    if array.ndim != 1 or len(array) < 2 or np.any(array[1:] <= array[:-1]):
        raise IsthmusError("the edges of intervals must be at least two and ascend")
    return Intervals(array, backward=backward)
