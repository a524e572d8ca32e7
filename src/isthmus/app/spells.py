# SPDX-License-Identifier: Apache-2.0
"""Spells of some tags: when each was above or below a limit for longer than a given time, with names and units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from isthmus.app.not_kept import NotKept
from isthmus.app.recorded import ZONED
from isthmus.app.summed import Retrieval, asking
from isthmus.core import time
from isthmus.core.errors import IsthmusError, Misasked
from isthmus.core.single import shortened, shortest
from isthmus.store.history.aggregates.spells import spells

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.app.run.place import Place
    from isthmus.core.event import Event
    from isthmus.plant.revision import TagSetting
    from isthmus.store.history.aggregates.series import Series


@dataclass(frozen=True, slots=True)
class Limit:
    """What a tag has to pass, and for how long."""

    value: float
    """In the tag's unit."""
    below: bool = False
    more_than: int = 0
    """ns."""

    @classmethod
    def of(cls, above: float | None, below: float | None, lasting: str | None) -> Limit:
        """Raises Misasked unless it is one of the two."""
        value = above if above is not None else below
        if value is None or (above is not None and below is not None) or math.isnan(value):
            raise Misasked("a spell is above a number, or below one", hint="say above 90, or below 10, not both")
        return cls(value, below is not None, 0 if lasting is None else time.duration(lasting))


@dataclass(frozen=True, slots=True)
class Spell:
    """One time, ns, in which a tag was above (or below) the limit."""

    setting: TagSetting
    start: int
    end: int
    begins: bool
    """It is known not to have been so just before."""
    ends: bool
    """It is known not to be so from `end` on; else it may go on: the range ends, or nothing more is known."""
    extreme: float
    """The greatest value, or the least of those below; as short as the device's precision allows."""


@dataclass(frozen=True, slots=True)
class Spells:
    """All of them between two times."""

    start: int
    end: int
    limit: Limit
    rows: Sequence[Spell]
    """In order of time."""
    gaps: Sequence[Event]
    not_kept: Sequence[NotKept] = ()
    left_out: int = 0
    """Rows that are not here, because only the last ones were wanted."""

    def newest(self, most: int) -> Spells:
        """At most so many, the last ones; 0: all."""
        rows = self.rows[-most:]
        return replace(self, rows=rows, left_out=self.left_out + len(self.rows) - len(rows))

    def records(self) -> Iterator[dict[str, Any]]:
        """Flat rows; times are ns."""
        for row in self.rows:
            yield {
                "tag": row.setting.tag.path,
                "since": row.start,
                "until": row.end,
                "seconds": (row.end - row.start) / time.SECOND,
                self.called: row.extreme,
                "unit": row.setting.tag.unit,
                "begins": row.begins,
                "ends": row.ends,
            }

    @property
    def called(self) -> str:
        """What the extreme is called."""
        return "lowest" if self.limit.below else "highest"

    def table(self) -> pa.Table:
        """A column for each of the names of `records`; times with nanoseconds, in UTC."""
        types = (pa.string(), ZONED, ZONED, pa.float64(), pa.float64(), pa.string(), pa.bool_(), pa.bool_())
        names = ("tag", "since", "until", "seconds", self.called, "unit", "begins", "ends")
        records = list(self.records())
        return pa.table(
            {
                name: pa.array([record[name] for record in records], type_)
                for name, type_ in zip(names, types, strict=True)
            }
        )

    def write_parquet(self, path: Path) -> None:
        pq.write_table(self.table(), path, compression="zstd")


async def spells_of(
    place: Place, patterns: Sequence[str], start: str, end: str, limit: Limit, retrieval: Retrieval | None = None
) -> Spells:
    """When the tags were past the limit for longer than it says, between two times as people write them.

    Raises IsthmusError for a tag that is text.
    """
    async with asking(place, patterns, retrieval) as question:
        first, last = question.span(start, end)
        rows: list[Spell] = []
        for found in question.excerpts(question.watches(), first, last):
            tag, settings = found.setting, question.retrieval.settings
            try:
                series = _as_shown(found.series, tag, limit.value)
                some = spells(series, first, last, limit.value, settings, below=limit.below)
            except IsthmusError as error:
                raise IsthmusError(error.what, where=tag.tag.path, hint=error.hint) from error
            some = some.lasting(limit.more_than)
            columns = (some.start, some.end, some.begins, some.ends, some.extreme)
            rows += [
                Spell(tag, since, until, begins, ends, shortest(extreme, tag.scale, tag.offset))
                for since, until, begins, ends, extreme in zip(*(c.tolist() for c in columns), strict=True)
            ]
        rows.sort(key=lambda row: (row.start, row.setting.tag.path))
        return Spells(first, last, limit, rows, *question.missing(first, last))


def _as_shown(series: Series, setting: TagSetting, limit: float) -> Series:
    """With the values next to the limit as people see them: what is shown as 92.1 is not above 92.1."""
    near = np.flatnonzero(np.abs(series.value - limit) <= _NEAR * abs(limit))
    if not len(near):
        return series
    value = series.value.copy()
    value[near] = shortened(value[near], setting.scale, setting.offset)
    return replace(series, value=value)


_NEAR: Final = 1e-6
"""Of the limit: single precision is finer."""
