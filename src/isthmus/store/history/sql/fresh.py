# SPDX-License-Identifier: Apache-2.0
"""Which days DuckDB may read as they lie on the disk, and the samples of the others: merged, each once, as they count.

A day is at rest when all its samples are in one file of that day and none of them is a correction. Of any other day
(today, one with late data, one that was never compacted) samples lie in several files: they are merged in units of one
day and some tags, when DuckDB opens the unit, and forgotten afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isthmus.core.quality import Mark
from isthmus.core.time import EARLIEST, LATEST
from isthmus.store.history.checked import Opened
from isthmus.store.history.columns import Columns, current, join, ordered
from isthmus.store.history.damage import opened
from isthmus.store.history.folder import Folder
from isthmus.store.history.groups import Group
from isthmus.store.history.kept import DAY, Kept, KeptFooter, Kind, day_of
from isthmus.store.history.segment import Footer, Segment

UNIT: Final = 500_000
"""Samples that are merged at once, where row groups are not larger; about 150 bytes each."""
_ROW_GROUP: Final = 61_440


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a question can be about: nothing outside of it needs to be read."""

    start: int = EARLIEST
    end: int = LATEST
    """ns; not included."""
    numbers: NDArray[np.uint32] | None = None
    """Tag numbers in order; None: all."""

    def has_tags(self, first: int, last: int) -> bool:
        """Whether a wanted tag has a number from `first` to `last`."""
        if self.numbers is None:
            return True
        place = int(np.searchsorted(self.numbers, first))
        return place < len(self.numbers) and int(self.numbers[place]) <= last

    def has_times(self, first: int, last: int) -> bool:
        return last >= self.start and first < self.end

    def rows(self, columns: Columns) -> NDArray[np.bool_]:
        """(n,) where samples are wanted."""
        rows = (columns.time >= self.start) & (columns.time < self.end)
        return rows if self.numbers is None else rows & np.isin(columns.tag, self.numbers)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One row group of one file, or the tail."""

    opened: Opened[Footer] | Opened[KeptFooter] | None
    number: int
    rows: int
    first_tag: int
    last_tag: int
    first_time: int
    last_time: int


@dataclass(frozen=True, slots=True)
class Unit:
    """Samples of one day and the tags from `first` to `last`, from several pieces."""

    day: int
    first: int
    last: int
    pieces: tuple[_Piece, ...]


class Samples:
    """The samples of one snapshot."""

    def __init__(self, folder: Folder, segments: Sequence[Segment], kept: Sequence[Kept], tail: Columns) -> None:
        self._folder, self._tail = folder, tail
        self._days = {part.day: part for part in kept if part.kind is Kind.DAY}
        self._moving: list[Kept | Segment] = [*(part for part in kept if part.kind is Kind.RUN), *segments]

    @cached_property
    def _unrest(self) -> Mapping[int, list[_Piece]]:
        """Pieces outside of day files, by each day of which they may hold samples."""
        found: dict[int, list[_Piece]] = defaultdict(list)
        for part in self._moving:
            file = opened(self._folder, part)
            for number, group in enumerate(file.footer.groups):
                for day in _days(file, number, group):
                    found[day].append(_piece(file, number, group))
        if len(self._tail):
            piece = _Piece(None, 0, len(self._tail), *_span(self._tail.tag), *_span(self._tail.time))
            for day in np.unique(self._tail.time // DAY).tolist():
                found[day].append(piece)
        return found

    def at_rest(self, wanted: Wanted) -> list[Opened[KeptFooter]]:
        """The files of days that can be read as they are, of the wanted times."""
        found = []
        for day, part in sorted(self._days.items()):
            if day not in self._unrest and wanted.has_times(day * DAY, (day + 1) * DAY - 1):
                file = open_day(self._folder, part)
                if not _corrected(file):
                    found.append(file)
        return found

    def units(self, wanted: Wanted) -> Iterator[Unit]:
        """What has to be merged of the wanted tags and times."""
        for day in sorted({*self._days, *self._unrest}):
            if not wanted.has_times(day * DAY, (day + 1) * DAY - 1):
                continue
            if self.is_at_rest(day) and not _corrected(open_day(self._folder, self._days[day])):
                continue
            yield from _units(day, list(self._pieces(day, wanted)))

    def columns(self, unit: Unit, wanted: Wanted) -> Columns:
        """The wanted samples of a unit: ordered, each once, without those that were replaced."""
        start, end = max(wanted.start, unit.day * DAY), min(wanted.end, (unit.day + 1) * DAY)
        here = Wanted(start, end, wanted.numbers)
        parts = []
        for piece in unit.pieces:
            part = self._tail if piece.opened is None else piece.opened.columns(piece.number)
            parts.append(part.pick(here.rows(part) & (part.tag >= unit.first) & (part.tag <= unit.last)))
        return current(ordered(join(parts)))

    @property
    def days(self) -> list[int]:
        """Those that have samples, in order."""
        return sorted({*self._days, *self._unrest})

    def is_at_rest(self, day: int) -> bool:
        """Whether all samples of the day are in its own file."""
        return day in self._days and day not in self._unrest

    def of_day(self, day: int, wanted: Wanted) -> Columns:
        """All wanted samples of a day, as `columns` gives them."""
        pieces = tuple(self._pieces(day, wanted))
        return self.columns(Unit(day, 0, 2**32 - 1, pieces), wanted)

    def size(self, day: int) -> int:
        """Samples of a day at most."""
        kept = self._days.get(day)
        return (kept.rows if kept is not None else 0) + sum(piece.rows for piece in self._unrest.get(day, ()))

    def _pieces(self, day: int, wanted: Wanted) -> Iterator[_Piece]:
        """Where the wanted samples of a day may be, in the order in which they came."""
        part, pieces = self._days.get(day), list(self._unrest.get(day, ()))
        if part is not None:
            file = open_day(self._folder, part)
            pieces = [*(_piece(file, number, group) for number, group in enumerate(file.footer.groups)), *pieces]
        for piece in pieces:
            if wanted.has_tags(piece.first_tag, piece.last_tag) and wanted.has_times(piece.first_time, piece.last_time):
                yield piece


def open_day(folder: Folder, part: Kept) -> Opened[KeptFooter]:
    """The file of a day."""
    return opened(folder, part)  # type: ignore[return-value]  # of a Kept it has the footer of one


def _span(array: NDArray[np.uint32] | NDArray[np.int64]) -> tuple[int, int]:
    return int(array.min()), int(array.max())


def _piece(file: Opened[Footer] | Opened[KeptFooter], number: int, group: Group) -> _Piece:
    return _Piece(file, number, group.rows, group.first_tag, group.last_tag, group.first_time, group.last_time)


def _days(file: Opened[Footer] | Opened[KeptFooter], number: int, group: Group) -> list[int]:
    """The days of which a row group has samples; looks into it where it may be several."""
    first, last = day_of(group.first_time), day_of(group.last_time)
    if last - first <= 1:
        return list(range(first, last + 1))
    times = file.read(number, ["time"])["time"].cast(pa.int64()).to_numpy()
    days: list[int] = np.unique(times // DAY).tolist()
    return days


def _corrected(file: Opened[KeptFooter]) -> bool:
    """Whether any sample may be a correction, by what the file tells of its row groups, or its statistics."""
    marks = [group.alike.get("mark") for group in file.footer.groups]
    if None not in marks:
        return any(mark is not None and mark >= Mark.CORRECTED for mark in marks)
    metadata = pq.read_metadata(file.path)
    place = metadata.schema.names.index("mark")
    statistics = (metadata.row_group(i).column(place).statistics for i in range(metadata.num_row_groups))
    return any(found is None or not found.has_min_max or found.max >= Mark.CORRECTED for found in statistics)


def _units(day: int, pieces: Sequence[_Piece]) -> Iterator[Unit]:
    """The pieces in units of at most `UNIT` samples where row groups allow it."""
    cuts = sorted({piece.first_tag for piece in pieces} | {piece.last_tag + 1 for piece in pieces})
    first: int | None = None
    some: dict[int, _Piece] = {}
    for low, high in pairwise(cuts):
        new = {id(p): p for p in pieces if p.first_tag < high and p.last_tag >= low}
        both = some | new
        if first is not None and sum(piece.rows for piece in both.values()) > UNIT:
            yield Unit(day, first, low - 1, tuple(some.values()))
            first, both = None, new
        first, some = low if first is None else first, both
    if first is not None:
        yield Unit(day, first, cuts[-1] - 1, tuple(some.values()))


def parquet(table: pa.Table) -> bytes:
    """A table as Parquet, quick to make and to read; its statistics tell tags and times."""
    sink = BytesIO()
    statistics = [name for name in table.column_names if name in ("tag", "time", "asset")]
    words = [name for name in table.column_names if pa.types.is_dictionary(table.schema.field(name).type)]
    pq.write_table(
        table, sink, row_group_size=_ROW_GROUP, compression="none", use_dictionary=words, write_statistics=statistics
    )
    return sink.getvalue()
