# SPDX-License-Identifier: Apache-2.0
"""History summed up for a few tags: aggregates by intervals, values at given times, raw samples with their bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from isthmus.app.gaps import concerning
from isthmus.app.not_kept import NotKept, not_kept
from isthmus.app.recorded import ZONED, Recorded, find, span, zone
from isthmus.app.run.access import history_of
from isthmus.app.run.endpoint import revision_of
from isthmus.core import quality, time
from isthmus.core.errors import IsthmusError, Misasked, NotFound
from isthmus.core.samples import Value
from isthmus.core.single import shortest
from isthmus.core.tag import DataType
from isthmus.store.history.aggregates.calendar import periods
from isthmus.store.history.aggregates.catalogue import OWN, aggregates, definition
from isthmus.store.history.aggregates.intervals import Intervals, between, every
from isthmus.store.history.aggregates.reading import at_times
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.aggregates.status import describe
from isthmus.store.history.columns import to_table
from isthmus.store.history.excerpt import Excerpt, excerpt
from isthmus.store.history.rollup.condense import condensed
from isthmus.store.history.watch import Watch, watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from isthmus.app.run.place import Place
    from isthmus.core.event import Event
    from isthmus.plant.revision import Revision, TagSetting
    from isthmus.store.history.aggregates.outcome import Result
    from isthmus.store.history.read import History

Period = Literal["hour", "day", "week", "month", "shift"]
"""Plant time: they begin where the plant's clocks, or its calendar, say so."""

MOST: Final = 1_000_000
"""Answers to one question, about 0.5 kB each."""

_NUMBERS: Final = (DataType.FLOAT, DataType.INTEGER, DataType.UNSIGNED)
_COUNTS: Final = ("WorstQuality", "WorstQuality2", "Count", "NumberOfTransitions")
_UNITS: Final = {"Duration": "ms", "Percent": "%", "Worst": "", "Count": "", "NumberOf": ""}


@dataclass(frozen=True, slots=True)
class Answer:
    """One value with where it comes from."""

    value: Value
    unit: str
    quality: int
    time: int
    """Of the value itself where it has a time of its own (a least one, a first one), else that of its row."""
    sampled: bool
    """It is a sample's value as it is, or of its kind: an enumeration's has a name."""

    @property
    def origin(self) -> str:
        """`Calculated, Partial`; empty for a raw value."""
        return describe(self.quality)

    @property
    def code(self) -> str:
        return quality.name(self.quality)

    def shown(self, setting: TagSetting) -> Value:
        """The value; a sample's as short as the device's precision allows."""
        if self.sampled and isinstance(self.value, float):
            return shortest(self.value, setting.scale, setting.offset)
        return self.value


@dataclass(frozen=True, slots=True)
class Row:
    """What several aggregates say of one interval of one tag, or its value at one time."""

    setting: TagSetting
    time: int
    end: int | None
    """Where the interval ends; None: a moment."""
    period: str
    """What plant time calls it: `2026-11-23`, or `2026-11-23 night` and a crew; else empty."""
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Summed:
    """Answers to one question about some tags."""

    start: int
    end: int
    names: tuple[str, ...]
    """Of the columns."""
    rows: Sequence[Row]
    """In order of tags, then as asked for."""
    gaps: Sequence[Event]
    not_kept: Sequence[NotKept] = ()
    left_out: int = 0
    """Rows that are not here, because only the last ones were wanted."""

    def newest(self, most: int) -> Summed:
        """At most so many rows of each tag, the last ones; 0: all."""
        rows: dict[str, list[Row]] = {}
        for row in self.rows:
            rows.setdefault(row.setting.tag.path, []).append(row)
        kept = [row for some in rows.values() for row in some[-most:]]
        return replace(self, rows=kept, left_out=self.left_out + len(self.rows) - len(kept))

    def records(self, *, exact: bool = False) -> Iterator[dict[str, Any]]:
        """Flat rows for CSV and Parquet; times are ns. Parquet has the `exact` doubles."""
        for row in self.rows:
            flat: dict[str, Any] = {"tag": row.setting.tag.path, "time": row.time, "end": row.end, "period": row.period}
            for name, answer in zip(self.names, row.answers, strict=True):
                flat |= {
                    name: answer.value if exact else answer.shown(row.setting),
                    f"{name} unit": answer.unit,
                    f"{name} quality": answer.code,
                    f"{name} code": answer.quality,
                    f"{name} origin": answer.origin,
                    f"{name} time": answer.time,
                }
            yield flat

    def table(self) -> pa.Table:
        """All of it as one table, which Parquet holds; times have nanoseconds. Unlike tags make a column of text."""
        records = list(self.records(exact=True))
        names = list(records[0]) if records else ["tag", "time", "end", "period"]
        return pa.table({name: _column(name, [record[name] for record in records], self.names) for name in names})

    def write_parquet(self, path: Path) -> None:
        pq.write_table(self.table(), path, compression="zstd")


def _column(name: str, values: list[Any], answers: Sequence[str]) -> pa.Array:
    if name.rpartition(" ")[2] in ("time", "end"):
        return pa.array(values, pa.int64()).cast(ZONED)
    if name not in answers:
        return pa.array(values)
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int, float}:
        values = [None if value is None else float(value) for value in values]
    elif str in kinds and len(kinds) > 1:
        values = [None if value is None else str(value) for value in values]
    return pa.array(values, pa.uint64() if kinds == {int} and max(filter(None, values), default=0) >= 2**63 else None)


@asynccontextmanager
async def asking(place: Place, patterns: Sequence[str], retrieval: Retrieval | None = None) -> AsyncIterator[Question]:
    """A question about the tags that match. Raises NotFound when none does."""
    revision = revision_of(place)
    settings = find(revision, patterns)
    async with history_of(place, "history") as history:
        yield Question(revision, settings, history, time.now(), retrieval or Retrieval())


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How history is summed up: the standard's configuration, and how values lie between samples."""

    settings: Settings = field(default_factory=Settings)
    stepped: bool | None = None
    """A number's value holds until the next one, or moves in a line to it; None: as its tag says."""

    def applied(self, found: Excerpt) -> Excerpt:
        if self.stepped is None or found.setting.tag.type not in _NUMBERS:
            return found
        return replace(found, series=replace(found.series, stepped=self.stepped))


@dataclass(frozen=True, slots=True)
class Question:
    """Some tags, and the snapshot that is asked about them."""

    revision: Revision
    settings: Sequence[TagSetting]
    history: History
    now: int
    retrieval: Retrieval

    def moment(self, text: str) -> int:
        return time.moment(text, self.now, zone(self.revision))

    def span(self, start: str, end: str) -> tuple[int, int]:
        return span(start, end, self.now, zone(self.revision))

    def watches(self) -> dict[str, Watch]:
        """What is known of each system of the tags."""
        systems = sorted({setting.system for setting in self.settings})
        return {name: watch(self.history, name, self.revision.of_system(name)) for name in systems}

    def excerpts(self, watches: Mapping[str, Watch], start: int, end: int) -> Iterator[Excerpt]:
        leading = 2 if self.retrieval.settings.use_sloped_extrapolation else 1
        for setting in self.settings:
            found = excerpt(self.history, setting, watches[setting.system], start, end, leading=leading)
            yield self.retrieval.applied(found)

    def condensed(self, intervals: Intervals) -> Iterator[Excerpt]:
        """What aggregates of these intervals need."""
        watches, retrieval = self.watches(), self.retrieval
        for setting in self.settings:
            yield retrieval.applied(
                condensed(
                    self.history,
                    setting,
                    watches[setting.system],
                    intervals,
                    retrieval.settings,
                    stepped=retrieval.stepped if setting.tag.type in _NUMBERS else None,
                )
            )

    def missing(self, start: int, end: int) -> tuple[list[Event], Sequence[NotKept]]:
        """The gaps, and what was let go."""
        gaps = concerning(self.history.gaps(start, end), self.settings, self.revision)
        return gaps, not_kept(self.history, self.settings, start)


async def summed(
    place: Place,
    patterns: Sequence[str],
    start: str,
    end: str,
    names: Sequence[str],
    width: str | None,
    retrieval: Retrieval | None = None,
) -> Summed:
    """Aggregates of every interval of this width (`15m`, or `day` in plant time); None: of the whole range.

    With `shift` time in which no shift is worked has no rows. Raises Misasked for an unknown aggregate, IsthmusError
    for one that needs numbers when a tag is text.
    """
    names = _known(names)
    async with asking(place, patterns, retrieval) as question:
        first, last = question.span(start, end)
        intervals, periods_ = _intervals(question.revision, first, last, width, whole=start.strip().startswith("-"))
        _few_enough(len(intervals) * len(names) * len(question.settings))
        low, high = int(intervals.edges[0]), int(intervals.edges[-1])
        rows: list[Row] = []
        whole = any(name in OWN for name in names)
        for found in question.excerpts(question.watches(), low, high) if whole else question.condensed(intervals):
            rows += _summed(found, names, intervals, periods_, question.retrieval.settings)
        return Summed(low, high, names, rows, *question.missing(low, high))


def _known(names: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(definition(name).name for name in names))
    except NotFound as error:
        raise Misasked(error.what, hint=error.hint) from error


def _few_enough(count: int) -> None:
    if count > MOST:
        hint = f"at most {MOST:,}: ask for wider intervals, a shorter range or fewer tags"
        raise IsthmusError(f"{count:,} answers are too many at once", hint=hint)


def _intervals(
    revision: Revision, start: int, end: int, width: str | None, *, whole: bool
) -> tuple[Intervals, Sequence[str]]:
    """The intervals, and what plant time calls them; `whole` ones of a width begin at multiples of it."""
    for unit in get_args(Period):
        if width == unit:
            named = periods(revision.time_zone, unit, start, end, revision.calendar)
            return between(named.edges), named.names
    try:
        span = time.duration(width) if width is not None else 0
    except IsthmusError as error:
        raise Misasked(
            error.what, hint="write 15m, 1h or 1d, or in plant time hour, day, week, month or shift"
        ) from error
    if width is not None and span == 0:
        raise Misasked("an interval cannot be of no width", hint="write 15m, 1h or 1d")
    return every(start - start % span if whole and span else start, end, span), ()


def _summed(
    found: Excerpt, names: Sequence[str], intervals: Intervals, periods_: Sequence[str], settings: Settings
) -> Iterator[Row]:
    try:
        results = aggregates(names, found.series, intervals, settings)
    except IsthmusError as error:
        raise IsthmusError(error.what, where=found.setting.tag.path, hint=error.hint) from error
    order = slice(None, None, -1 if intervals.backward else 1)
    times, ends = intervals.early[order].tolist(), intervals.late[order].tolist()
    for i, (at, end) in enumerate(zip(times, ends, strict=True)):
        if periods_ and not periods_[i]:
            continue  # between two shifts
        answers = tuple(_answer(found, name, results[name], i) for name in names)
        yield Row(found.setting, at, end, periods_[i] if periods_ else "", answers)


def _answer(found: Excerpt, name: str, result: Result, i: int) -> Answer:
    value = found.value(result, i)
    if name in _COUNTS and isinstance(value, float):
        value = int(value)
    unit = _unit(name, found.setting.tag.unit)
    return Answer(value, unit, int(result.quality[i]), int(result.time[i]), bool(result.row[i] >= 0))


def _unit(name: str, unit: str) -> str:
    """Of an aggregate of values in `unit` (UCUM)."""
    for beginning, own in _UNITS.items():
        if name.startswith(beginning):
            return own
    if name.startswith("Total"):
        return f"{unit}.s" if unit else "s"
    return f"({unit})2" if name.startswith("Variance") and unit else unit


async def values_at(
    place: Place, patterns: Sequence[str], moments: Sequence[str], retrieval: Retrieval | None = None
) -> Summed:
    """The values at these times, in their order: raw where there is a sample, else interpolated (ReadAtTime)."""
    async with asking(place, patterns, retrieval) as question:
        times = [question.moment(text) for text in moments]
        rows: dict[str, list[Row]] = {setting.tag.path: [] for setting in question.settings}
        watches = question.watches()
        for at in times:
            for found in question.excerpts(watches, at, at + 1):
                result = at_times(found.series, np.array([at], np.int64), question.retrieval.settings)
                answer = _answer(found, "value", result, 0)
                rows[found.setting.tag.path].append(Row(found.setting, at, None, "", (answer,)))
        low, high = min(times), max(times)
        answers = [row for some in rows.values() for row in some]
        return Summed(low, high, ("value",), answers, *question.missing(low, high))


async def bounded(place: Place, patterns: Sequence[str], start: str, end: str) -> Recorded:
    """Raw samples with the values that bound the range (ReadRaw with returnBounds)."""
    async with asking(place, patterns) as question:
        first, last = question.span(start, end)
        tables = [
            (found.setting, to_table(found.bounded(first, last)))
            for found in question.excerpts(question.watches(), first, last)
        ]
        return Recorded(first, last, tables, *question.missing(first, last))
