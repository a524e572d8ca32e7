# SPDX-License-Identifier: Apache-2.0
"""Borders say from which UTC day on a tag's samples, and its roll-ups, are kept; what lies before was let go.

"Not kept" is not "not observed": a reader is told so. They are noted in the manifest before anything goes, and
whoever compacts respects them: samples of before a tag's border do not come back, what is left of that time (roll-ups,
carried values) stays as it is. With a lost manifest they are lost too, until retention runs again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from isthmus.store.history.columns import Columns
from isthmus.store.history.kept import DAY, Bookmark
from isthmus.store.history.merge import Source, harmless
from isthmus.store.history.rollup.rows import Remark

NAME: Final = "borders of retention"
NEVER: Final = -(2**31)
"""A border before all days: nothing was let go."""


class Noting(Protocol):
    """A manifest, or a snapshot of the history."""

    def bookmark(self, name: str) -> bytes | None: ...


class Border(msgspec.Struct, frozen=True, array_like=True):
    """Of one tag, in UTC days since 1970-01-01."""

    raw: int = NEVER
    """Before it samples are not kept on days of which roll-ups say all (`told`); others stay as long as these would."""
    rollups: int = NEVER
    """Before it nothing is kept."""


@dataclass(frozen=True)
class Borders:
    """Of all tags that have one."""

    of: Mapping[int, Border]
    """Tag number → its border."""

    @classmethod
    def noted(cls, notes: Noting) -> Borders:
        body = notes.bookmark(NAME)
        return cls(msgspec.msgpack.decode(body, type=dict[int, Border]) if body is not None else {})

    @property
    def bookmark(self) -> Bookmark:
        return Bookmark(NAME, msgspec.msgpack.encode(self.of))

    @cached_property
    def latest(self) -> int:
        """The latest day before which samples of any tag are not kept."""
        return max((border.raw for border in self.of.values()), default=NEVER)

    def passed(self, columns: Columns, rolled: Mapping[int, NDArray[np.uint32]]) -> NDArray[np.bool_]:
        """(n,) which samples are not to be kept any more; `rolled` has the tags with roll-ups of each day."""
        days = columns.time // DAY
        found = np.zeros(len(columns), np.bool_)
        if not len(columns) or int(days.min()) >= self.latest:
            return found
        for day in np.unique(days[days < self.latest]).tolist():
            here = days == day
            found[here] = self.over(columns.tag[here], day, rolled.get(day, np.zeros(0, np.uint32)))
        return found

    def over(self, tags: NDArray[np.uint32], day: int, rolled: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """(n,) of which of these tags the samples of a day are not kept; `rolled` are those with roll-ups of it."""
        days = np.full(len(tags), day)
        return self.gone(tags, days, rollups=True) | (self.gone(tags, days) & np.isin(tags, rolled))

    def held(self, columns: Columns) -> NDArray[np.bool_]:
        """(n,) which samples may have been let go since they were carried on."""
        return self.gone(columns.tag, columns.time // DAY)

    def gone(self, tags: NDArray[np.uint32], days: NDArray[np.int64], *, rollups: bool = False) -> NDArray[np.bool_]:
        """(n,) which of these (tag, day) are before the tag's border."""
        numbers, limits = self._rollups if rollups else self._raw
        if not len(numbers):
            return np.zeros(len(tags), np.bool_)
        place = np.searchsorted(numbers, tags).clip(max=len(numbers) - 1)
        found: NDArray[np.bool_] = (numbers[place] == tags) & (days < limits[place])
        return found

    @cached_property
    def _raw(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        return self._table("raw")

    @cached_property
    def _rollups(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        return self._table("rollups")

    def _table(self, name: str) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        numbers = sorted(self.of)
        limits = [getattr(self.of[number], name) for number in numbers]
        return np.array(numbers, np.uint32), np.array(limits, np.int64)


def told(source: Source) -> NDArray[np.uint32]:
    """The tags of which a file of roll-ups says all there is to say, ascending: without their samples nothing is lost.

    Not those with a row for which samples have to be read (Bad values, for instance). Raises Harmed when the file is
    not what was written.
    """
    with harmless(source.part):
        tables = [source.file.read(group, ["tag", "remark"]) for group in range(len(source.file.footer.groups))]
    if not tables:
        return np.zeros(0, np.uint32)
    tags = np.concatenate([table["tag"].to_numpy() for table in tables])
    rough = np.concatenate([table["remark"].to_numpy() for table in tables]) & int(Remark.ROUGH) != 0
    found: NDArray[np.uint32] = np.setdiff1d(tags, tags[rough])
    return found
