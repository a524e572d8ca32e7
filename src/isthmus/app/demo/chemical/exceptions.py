# SPDX-License-Identifier: Apache-2.0
"""Which samples of the past are worth keeping: those a control system would have reported by exception.

A measurement is reported when it is more than a thousandth of its range away from what was last reported, everything
that has no range when it changes, a counter every five minutes, and every tag once an hour. Where a value jumps, what
it was just before is reported too, so that a line between two reports is near what was between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from isthmus.app.demo.chemical.plant import Past
from isthmus.app.demo.chemical.tag import Row
from isthmus.core.tag import DataType

DEADBAND: Final = 1e-3
"""Of the range."""
JUMP: Final = 5.0
"""Deadbands from which a change is a jump."""
_COUNTS: Final = 1e5
"""A range that ends beyond is a counter's: it says nothing of how the value moves."""
_COUNTED: Final = 300
"""s between two reports of a counter."""
_AT_LEAST: Final = 3600
"""s between two reports of a tag that stays."""


class Reports(NamedTuple):
    """n samples of a block: where they stand in it."""

    row: NDArray[np.intp]
    position: NDArray[np.intp]


class Exceptions:
    """The reports of all tags, one block of the past after the other; `step` s lie between two of its moments."""

    def __init__(self, rows: Sequence[Row], step: int) -> None:
        self._band = np.array([_band(row) for row in rows])
        self._counter = np.array([_counts(row) for row in rows])
        self._drawn = np.array([row.taken is not None for row in rows])
        self._texts = [i for i, row in enumerate(rows) if row.text is not None]
        self._counted, self._at_least = max(_COUNTED // step, 1), max(_AT_LEAST // step, 1)
        self._value = np.full(len(rows), np.nan)
        self._quality = np.zeros(len(rows), np.uint32)
        self._at = np.zeros(len(rows), np.int64)
        self._words: dict[int, str] = {}
        self._age = np.full(len(rows), self._at_least)
        self._moment = 0

    def of(self, block: Past) -> Reports:
        """What is reported of a block."""
        taken = np.zeros(block.value.shape, bool)
        for row in range(len(block.clock)):
            due, jumped = self._due(block, row)
            taken[row] = due
            if row:
                taken[row - 1] |= jumped
            self._value = np.where(due, block.value[row], self._value)
            self._quality = np.where(due, block.quality[row], self._quality)
            self._at = np.where(due, block.at[row], self._at)
            self._age = np.where(due, 1, self._age + 1)
            self._moment += 1
        return Reports(*np.nonzero(taken))

    def _due(self, block: Past, row: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which tags are reported at this moment, and which of them jumped since the one before."""
        away = np.abs(block.value[row] - self._value)
        moved = away > self._band
        for i in self._texts:
            moved[i] = block.text[i][row] != self._words.get(i)
            self._words[i] = block.text[i][row]
        if self._moment % self._counted:
            moved &= ~self._counter
        due = moved | (block.quality[row] != self._quality) | (self._age >= self._at_least)
        due = np.where(self._drawn, block.at[row] != self._at, due)
        return due, moved & (away > JUMP * self._band) & (self._band > 0) & (self._age > 1)


def _counts(row: Row) -> bool:
    return row.tag.range is not None and row.tag.range[1] > _COUNTS and row.tag.type is DataType.FLOAT


def _band(row: Row) -> float:
    """On the wire; 0: every change."""
    if row.tag.range is None or row.tag.stepped or _counts(row):
        return 0.0
    low, high = row.tag.range
    return DEADBAND * (high - low) / row.tag.scale
