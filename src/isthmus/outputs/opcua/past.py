# SPDX-License-Identifier: Apache-2.0
"""History page by page: raw samples with their bounds, Part 13 aggregates, values at given times (Part 11, 6.5).

However long the range that is asked for, a page costs little: samples are sought from where the last page ended, and
no further than the page is full or the time is up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Final, TypeAlias

import numpy as np

from isthmus.core import time
from isthmus.core.tag import DataType
from isthmus.outputs.opcua import wire
from isthmus.outputs.opcua.wire import Value
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.aggregates.catalogue import aggregates
from isthmus.store.history.aggregates.intervals import Intervals, every
from isthmus.store.history.aggregates.outcome import Result
from isthmus.store.history.aggregates.reading import at_times
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.aggregates.status import BOUND_NOT_FOUND
from isthmus.store.history.around import after, before
from isthmus.store.history.columns import Columns, empty, join, ordered
from isthmus.store.history.excerpt import Excerpt, excerpt
from isthmus.store.history.former import joined_columns
from isthmus.store.history.read import History
from isthmus.store.history.rollup.condense import condensed
from isthmus.store.history.watch import Watch, numbers_of, watch

PAGE: Final = 10_000
"""Values of one node in one answer."""

RECENT: Final = 180.0
"""Seconds that what was delivered is kept here for questions: the recorder has it on disk before that."""
MOST_RECENT: Final = 1_000_000
"""Samples of it; the recorder writes as soon as there are so many."""

_HOUR: Final = 3600 * time.SECOND
_WIDEST: Final = 16 * 24 * _HOUR
_MONTH: Final = 31 * 24 * _HOUR
_TOGETHER: Final = _HOUR
"""Times within one hour are answered from one excerpt."""

_INTEGERS: Final = ("Count", "NumberOfTransitions")
_STATUSES: Final = ("WorstQuality", "WorstQuality2")


class Recent:
    """What was delivered in the last minutes, which history may not have yet."""

    def __init__(self) -> None:
        self._parts: deque[tuple[float, Columns]] = deque()
        self._rows = 0

    def add(self, columns: Columns) -> None:
        now = monotonic()
        self._parts.append((now, columns))
        self._rows += len(columns)
        while self._parts and (self._rows > MOST_RECENT or self._parts[0][0] < now - RECENT):
            self._rows -= len(self._parts.popleft()[1])

    def parts(self) -> list[Columns]:
        """In the order in which they came."""
        return [columns for _, columns in self._parts]


def with_recent(history: History, recent: Sequence[Columns]) -> History:
    """The snapshot with samples behind it; those it has already are in it once."""
    return replace(history, tail=ordered(join((history.tail, *recent))))


class Budget:
    """What one answer may still take."""

    def __init__(self, values: int, seconds: float) -> None:
        self.values = values
        self._until = monotonic() + seconds

    @property
    def is_spent(self) -> bool:
        return self.values <= 0 or monotonic() > self._until


@dataclass(frozen=True, slots=True)
class Raw:
    """Samples from `at` to `end` (ns; not included), descending where `backward`."""

    setting: TagSetting
    at: int
    end: int
    backward: bool
    left: int = 0
    """At most so many; 0: all."""
    bounds: bool = False
    open: bool = False
    """Only one end was given: what is behind `left` was not asked for."""
    skip: int = 0
    """Samples at `at` that were given already."""
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Processed:
    """An aggregate of intervals from `start` to `end` (ns), of which `done` were given already."""

    setting: TagSetting
    name: str
    start: int
    end: int
    width: int
    """ns; 0: one interval."""
    settings: Settings
    done: int = 0


@dataclass(frozen=True, slots=True)
class AtTimes:
    """Values at these times, ns."""

    setting: TagSetting
    times: tuple[int, ...]
    simple: bool


Question: TypeAlias = Raw | Processed | AtTimes


@dataclass(frozen=True, slots=True)
class Page:
    """Values, and what is to be asked for the next page; None: that was the last one."""

    values: list[Value]
    rest: Question | None = None


class Past:
    """A snapshot that answers questions. It reads the disk: use it in a thread."""

    def __init__(self, history: History, revision: Revision) -> None:
        self._history, self._revision = history, revision
        self._watches: dict[str, Watch] = {}

    def page(self, question: Question, most: int, budget: Budget) -> Page:
        """The next `most` values of an answer, or less."""
        most = max(min(most, PAGE, budget.values), 1)
        if isinstance(question, Raw):
            found = self._raw(question, most, budget)
        elif isinstance(question, Processed):
            found = self._processed(question, most)
        else:
            found = self._at_times(question, most)
        budget.values -= len(found.values)
        return found

    def _watch(self, setting: TagSetting) -> Watch:
        system = setting.system
        if system not in self._watches:
            self._watches[system] = watch(self._history, system, self._revision.of_system(system))
        return self._watches[system]

    def _excerpt(self, setting: TagSetting, start: int, end: int, leading: int = 1) -> Excerpt:
        return excerpt(self._history, setting, self._watch(setting), start, end, leading=leading)

    def _raw(self, asked: Raw, most: int, budget: Budget) -> Page:
        most = min(most, asked.left) if asked.left else most
        early = not asked.backward
        found = [self._bound(asked.setting, asked.at, early, inside=True)] if asked.bounds and not asked.begun else []
        room = max(most - sum(map(len, found)), 1)
        samples, at, over = self._samples(asked, room + 1, budget)
        given = samples.pick(slice(0, room))
        found.append(given)
        if over and asked.bounds:
            found.append(self._bound(asked.setting, asked.end, not early, inside=False))
        values = _values(join(found), asked.setting.tag.type)
        left = asked.left - len(values) if asked.open else asked.left
        if over or (asked.open and left <= 0):
            return Page(values)
        at = int(samples.time[room]) if len(samples) > room else at
        same = int(np.count_nonzero(given.time == at)) + (asked.skip if at == asked.at else 0)
        return Page(values, replace(asked, at=at, skip=same, left=left, begun=True))

    def _samples(self, asked: Raw, most: int, budget: Budget) -> tuple[Columns, int, bool]:
        """Up to `most` samples, up to when all were sought, and whether that is all of the range."""
        found: list[Columns] = []
        count, skip, at = 0, asked.skip, asked.at
        for part, at in self._parts(asked):
            rest = part.pick(slice(skip, None)) if skip else part
            skip = max(skip - len(part), 0)
            found.append(rest)
            count += len(rest)
            if count >= most:
                return join(found).pick(slice(0, most)), at, False
            if budget.is_spent:
                return join(found), at, False
        return join(found), at, True

    def _parts(self, asked: Raw) -> Iterator[tuple[Columns, int]]:
        """Stretches of the range's samples, and up to when each goes; some are empty."""
        history, setting, numbers = self._history, asked.setting, numbers_of(asked.setting)
        seek = before if asked.backward else after
        # in `before` and `after` the later end is the one that is not included; here it is the one asked for last
        at, end = (asked.at + 1, asked.end + 1) if asked.backward else (asked.at, asked.end)
        width = _HOUR
        while at > end if asked.backward else at < end:
            window = _Window(partial(joined_columns, history, setting), end, width, asked.backward)
            part = next(seek(history, numbers, at, window.read), None)
            if part is None:
                return
            at, width = window.reached, _HOUR if len(part) else min(4 * width, _WIDEST)
            yield (part.pick(slice(None, None, -1)), at - 1) if asked.backward else (part, at)

    def _bound(self, setting: TagSetting, at: int, early: bool, *, inside: bool) -> Columns:
        """What bounds a range at its early or its late end; nothing where samples lie there that are `inside` it."""
        found = self._excerpt(setting, at, at).bounded(at, at)
        there = (found.time == at) & (found.quality != np.uint32(BOUND_NOT_FOUND))
        if there.any():
            return empty() if inside else found.pick(there)
        return found.pick(slice(0, 1) if early else slice(len(found) - 1, None))

    def _processed(self, asked: Processed, most: int) -> Page:
        backward = asked.end < asked.start
        width = asked.width or abs(asked.end - asked.start)
        most = min(most, max(_MONTH // width, 1))
        start = asked.start + (-1 if backward else 1) * asked.done * width
        end = max(asked.end, start - most * width) if backward else min(asked.end, start + most * width)
        intervals = every(start, end, width)
        found = self._condensed(asked, intervals)
        result = aggregates([asked.name], found.series, intervals, asked.settings)[asked.name]
        values = [_summary(found, asked.name, result, i) for i in range(len(result))]
        rest = None if end == asked.end else replace(asked, done=asked.done + len(intervals))
        return Page(values, rest)

    def _condensed(self, asked: Processed, intervals: Intervals) -> Excerpt:
        return condensed(self._history, asked.setting, self._watch(asked.setting), intervals, asked.settings)

    def _at_times(self, asked: AtTimes, most: int) -> Page:
        values: list[Value] = []
        for some in _near(asked.times[:most]):
            found = self._excerpt(asked.setting, min(some), max(some) + 1)
            result = at_times(found.series, np.array(some, np.int64), simple=asked.simple)
            values += [_summary(found, "", result, i) for i in range(len(result))]
        rest = asked.times[most:]
        return Page(values, replace(asked, times=rest) if rest else None)


def _near(times: Sequence[int]) -> Iterator[list[int]]:
    """The times in their order, those that lie together."""
    some: list[int] = []
    for at in times:
        if some and abs(at - some[0]) > _TOGETHER:
            yield some
            some = []
        some.append(at)
    if some:
        yield some


class _Window:
    """Reads a piece from where `before` or `after` have found that there may be samples, as wide as it is told."""

    def __init__(self, read: partial[Columns], end: int, width: int, backward: bool) -> None:
        self._read, self._end, self._width, self._backward = read, end, width, backward
        self.reached = end
        """Up to where there is nothing else."""

    def read(self, start: int, stop: int) -> Columns:
        if self._backward:
            start = max(self._end, stop - self._width)
            self.reached = min(start, stop)
        else:
            stop = min(self._end, start + self._width)
            self.reached = max(start, stop)
        return self._read(start, stop) if start < stop else empty()


def _values(columns: Columns, type_: DataType) -> list[Value]:
    types = dict.fromkeys(np.unique(columns.tag).tolist(), type_)
    return list(wire.values(columns, types))


def _summary(found: Excerpt, name: str, result: Result, i: int) -> Value:
    """One result as a Value; its server time is now."""
    status, at, value = int(result.quality[i]), int(result.time[i]), found.value(result, i)
    now = time.now()
    if value is None:
        return Value(b"", status, at, now)
    if name in _INTEGERS and isinstance(value, int | float):
        return Value(wire.int32(int(value)), status, at, now)
    if name in _STATUSES and isinstance(value, int | float):
        return Value(wire.status_code(int(value)), status, at, now)
    return Value(wire.number_variant(value, found.setting.tag.type), status, at, now)
