# SPDX-License-Identifier: Apache-2.0
"""The course of tags: their samples under all of their numbers, in today's unit, with those that bound a range."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.quality import is_good
from isthmus.store.history.checked import Opened
from isthmus.store.history.columns import Columns, from_table, join, ordered
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import DAY, Kept, KeptFooter, Kind, day_of
from isthmus.store.history.sql.fresh import Samples, Wanted, open_day


@dataclass(frozen=True, slots=True)
class Numbers:
    """Every number that is read, in order, and how its values become those of its tag. All arrays are (n,)."""

    number: NDArray[np.uint32]
    place: NDArray[np.uint32]
    """Position of the tag in the table `tags`."""
    scale: NDArray[np.float64]
    shift: NDArray[np.float64]
    same: NDArray[np.bool_]
    """The number has the tag's own type and unit."""
    holds: NDArray[np.bool_]
    """The tag holds its value until the next sample."""
    watch: NDArray[np.uint32]
    """Which system it comes from."""

    @classmethod
    def of(cls, table: pa.Table) -> Numbers:
        """Of the table that was given."""
        order = np.argsort(table["number"].to_numpy())
        names = ("number", "place", "scale", "shift", "same", "holds", "watch")
        return cls(*(_array(table[name])[order] for name in names))

    def of_places(self, places: Sequence[int] | NDArray[np.uint32]) -> NDArray[np.uint32]:
        """All numbers of these tags, in order."""
        return self.number[np.isin(self.place, np.asarray(places, np.uint32))]

    def row(self, place: int) -> int:
        """Where the newest number of a tag stands here."""
        return int(np.flatnonzero(self.place == place)[-1])

    def rows(self, numbers: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Where these numbers stand here."""
        return np.searchsorted(self.number, numbers)


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    array: NDArray[Any] = column.combine_chunks().to_numpy(zero_copy_only=False)
    return array


class Courses:
    """Samples by tag. In what is given `tag` is the tag's place, and `value` is in its unit."""

    def __init__(self, folder: Folder, samples: Samples, kept: Sequence[Kept], numbers: Numbers) -> None:
        self._folder, self._samples, self.numbers = folder, samples, numbers
        self._carried = {part.day: part for part in kept if part.kind is Kind.CARRIED}

    @property
    def samples(self) -> Samples:
        return self._samples

    def within(self, numbers: NDArray[np.uint32], start: int, end: int) -> Columns:
        """Samples with start <= time < end (ns)."""
        wanted = Wanted(start, end, numbers)
        days = [day for day in self._samples.days if wanted.has_times(day * DAY, (day + 1) * DAY - 1)]
        return self._named(join([self._samples.of_day(day, wanted) for day in days]))

    def before(self, numbers: NDArray[np.uint32], start: int) -> Columns:
        """The last sample of each tag before `start`."""
        found: list[Columns] = []
        for part in self._earlier(numbers, start):
            found.insert(0, part)
            numbers = self._left(numbers, part)
            if not len(numbers):
                break
        columns = ordered(join(found))
        return columns.pick(np.append(columns.tag[1:] != columns.tag[:-1], True)) if len(columns) else columns

    def _earlier(self, numbers: NDArray[np.uint32], start: int) -> Iterator[Columns]:
        """Samples before `start`, the latest days first; `numbers` are asked for until their tags are found."""
        days, left = [day for day in self._samples.days if day * DAY < start], numbers
        while days:
            day = days.pop()
            part = self._named(self._samples.of_day(day, Wanted(day * DAY, start, left)))
            yield part
            left = self._left(left, part)
            if day in self._carried and all(self._samples.is_at_rest(earlier) for earlier in days):
                yield self._named(self._kept(open_day(self._folder, self._carried[day]), left))
                return

    def after(self, numbers: NDArray[np.uint32], end: int) -> Columns:
        """The first sample of each tag at or after `end`."""
        found: list[Columns] = []
        for day in self._samples.days:
            if (day + 1) * DAY <= end or not len(numbers):
                continue
            part = self._named(self._samples.of_day(day, Wanted(max(end, day * DAY), (day + 1) * DAY, numbers)))
            found.append(part)
            numbers = self._left(numbers, part)
        columns = ordered(join(found))
        return columns.pick(np.append(True, columns.tag[1:] != columns.tag[:-1])) if len(columns) else columns

    def _left(self, numbers: NDArray[np.uint32], found: Columns) -> NDArray[np.uint32]:
        """The numbers of the tags of which nothing was found."""
        return numbers[~np.isin(self.numbers.place[self.numbers.rows(numbers)], found.tag)]

    def _kept(self, file: Opened[KeptFooter], numbers: NDArray[np.uint32]) -> Columns:
        wanted = Wanted(numbers=numbers)
        groups = (i for i, g in enumerate(file.footer.groups) if wanted.has_tags(g.first_tag, g.last_tag))
        parts = [from_table(file.read(group)) for group in groups]
        return join([part.pick(wanted.rows(part)) for part in parts])

    def _named(self, columns: Columns) -> Columns:
        """Under the places of the tags, in their units, ordered."""
        if not len(columns):
            return columns
        rows = self.numbers.rows(columns.tag)
        return ordered(
            replace(
                columns,
                tag=self.numbers.place[rows],
                value=columns.value * self.numbers.scale[rows] + self.numbers.shift[rows],
                whole=columns.whole & self.numbers.same[rows],
            )
        )


def usable(columns: Columns) -> NDArray[np.bool_]:
    """(n,) where samples are Good and have a number."""
    return is_good(columns.quality) & ~np.isnan(columns.value)


def day_range(start: int, end: int) -> range:
    """The UTC days that start <= time < end (ns) touches."""
    return range(day_of(start), day_of(end - 1) + 1)
