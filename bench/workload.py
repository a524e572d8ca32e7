# SPDX-License-Identifier: Apache-2.0
"""A plant's samples for measurements: some tags every second, most every 18, in the order in which they arrive.

Of 20 tags 10 walk slowly with three decimals, 4 swing and are noisy, 2 are setpoints, 1 counts, 1 is a flag, 1 a small
number and 1 a state as text; one in 33 is sampled every second. Times jitter and have the resolution of OPC UA
(100 ns); runs of 30 samples are Bad now and then; half a percent arrive up to an hour late.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import BAD_NOT_CONNECTED
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import SECOND
from isthmus.store.history.columns import Columns, empty, join
from isthmus.store.history.kept import DAY

START = 20_454 * DAY
"""2026-01-01."""
WORDS = ("RUN", "STOP", "IDLE", "FAULT E-1042", "BATCH 2026-0117", "SETUP", "CLEANING", "OPERATOR jdoe")
HOUR = 3600 * SECOND
MESSAGE = 2000
"""Samples of one message of the log."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Workload:
    """So many tags; with `plain`, all of them exactly every second and on time."""

    tags: int
    plain: bool = False

    def list(self) -> tuple[Tag, ...]:
        return tuple(_tag(number) for number in range(self.tags))

    def period(self, tag: int) -> float:
        """Seconds."""
        return 1.0 if self.plain or tag % 33 == 0 else 18.1

    def rows(self, seconds: int) -> int:
        return sum(int(seconds / self.period(tag)) for tag in range(self.tags))

    def slice(self, number: int, seconds: int) -> Columns:
        """Samples of the number-th stretch of so many seconds, in order of their arrival; `seen` is by message."""
        rng = np.random.default_rng([self.tags, number])
        start = START + number * seconds * SECOND
        found = join(self._tag(rng, tag, start, seconds) for tag in range(self.tags))
        arrived = found.time.copy()
        late = np.zeros(len(found), np.bool_) if self.plain else rng.random(len(found)) < 0.005
        arrived[late] += rng.integers(0, HOUR, int(late.sum()))
        order = np.argsort(arrived, kind="stable")
        found, arrived = found.pick(order), arrived[order]
        first = np.arange(len(found)) // MESSAGE * MESSAGE
        found.seen[:] = arrived[np.minimum(first + MESSAGE, len(found)) - 1]
        return found

    def _tag(self, rng: np.random.Generator, tag: int, start: int, seconds: int) -> Columns:
        period = self.period(tag)
        n = int(seconds / period)
        found = empty(n)
        found.tag[:] = tag
        times = np.arange(n) * period * SECOND
        if not self.plain:
            times += rng.uniform(0, period) * SECOND + rng.normal(0, 0.02 * SECOND * min(period, 5), n)
        found.time[:] = (
            start + np.maximum.accumulate(times.astype(np.int64) // 100 * 100) + np.arange(n) * 100 * (not self.plain)
        )
        values = _values(rng, tag, n, period)
        if tag % 20 == 19:
            found.value[:], found.text[:] = np.nan, values.astype(np.int32) + 1
        else:
            found.value[:] = values
        if _tag(tag).whole:
            found.whole[:], found.integer[:] = True, values.astype(np.int64)
        for place in rng.integers(0, n, min(max(1, n // 2000), 20)):
            found.quality[place : place + 30] = BAD_NOT_CONNECTED
        return Columns(WORDS, *found.arrays())


def _tag(number: int) -> Tag:
    types = {16: DataType.INTEGER, 17: DataType.BOOLEAN, 18: DataType.ENUMERATION, 19: DataType.TEXT}
    kind = number % 20
    return Tag(number, f"acme/bench/line-{number // 20}/tag-{kind}", "", types.get(kind, DataType.FLOAT), kind >= 14)


def _values(rng: np.random.Generator, tag: int, n: int, period: float) -> Floats:
    kind = tag % 20

    def held(choices: Floats, every: int) -> Floats:
        return np.repeat(choices, every)[:n]

    if kind < 10:
        return np.round(50 + np.cumsum(rng.normal(0, 0.02, n)), 3)
    if kind < 14:
        return np.round(100 + 20 * np.sin(np.arange(n) * period / 900 + tag) + rng.normal(0, 0.05, n), 3)
    if kind < 16:
        return held(np.round(rng.uniform(0, 100, n // 600 + 1), 1), 600)
    if kind < 17:
        return np.cumsum(rng.integers(0, 3, n)).astype(float)
    highest, every = {17: (2, 120), 18: (9, 300), 19: (8, 200)}[kind]
    return held(rng.integers(0, highest, n // every + 1).astype(float), every)


def messages(columns: Columns) -> Iterator[Columns]:
    """The columns in pieces as long as a message."""
    for first in range(0, len(columns), MESSAGE):
        yield columns.pick(slice(first, first + MESSAGE))
