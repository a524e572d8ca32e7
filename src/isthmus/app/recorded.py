# SPDX-License-Identifier: Apache-2.0
"""Recorded samples of a few tags, with names and units instead of numbers, and the gaps among them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from isthmus.app.gaps import concerning
from isthmus.app.not_kept import NotKept, not_kept
from isthmus.app.run.access import history_of
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import Misasked, NotFound
from isthmus.core.event import Event
from isthmus.core.path import matcher
from isthmus.core.quality import marks, name
from isthmus.core.samples import Value, plain
from isthmus.core.single import shortened
from isthmus.core.tag import DataType
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.former import joined

ZONED: Final = pa.timestamp("ns", tz="UTC")
"""A time in a table for others."""


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded sample."""

    setting: TagSetting
    time: int
    seen: int
    value: Value
    quality: int
    mark: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded of some tags between two times (ns), per tag in order of time."""

    start: int
    end: int
    tables: Sequence[tuple[TagSetting, pa.Table]]
    gaps: Sequence[Event]
    """In which samples of these tags may be missing."""
    not_kept: Sequence[NotKept] = ()
    left_out: int = 0
    """Samples that were found too and are not in the tables, because only the newest were wanted."""

    def newest(self, most: int) -> Recorded:
        """At most so many samples of each tag, the newest; 0: all."""
        if not most:
            return self
        tables = [(setting, table[-most:]) for setting, table in self.tables]
        left_out = sum(len(table) for _, table in self.tables) - sum(len(table) for _, table in tables)
        return replace(self, tables=tables, left_out=self.left_out + left_out)

    def rows(self) -> Iterator[Row]:
        """One sample after the other, as Python values; floats as short as the device's precision allows."""
        for setting, table in self.tables:
            times = [table[one].cast("int64").to_pylist() for one in ("time", "seen")]
            others = [table[one].to_pylist() for one in ("integer", "text", "quality", "mark")]
            columns = [*times, _shown(setting, table["value"]), *others]
            for at, seen, value, integer, text, quality, mark in zip(*columns, strict=True):
                shown = plain(setting.tag.type, value, integer if integer is not None else _whole(value), text)
                yield Row(setting, at, seen, shown if shown is not None else text, quality, mark)

    def table(self) -> pa.Table:
        """All of it as one table with the names of CSV: what the Parquet format writes. Doubles are exact.

        A value is in `value`, the exact one of a whole-number tag in `integer`, a text in `text`.
        """
        parts = [named(setting, table) for setting, table in self.tables]
        return pa.concat_tables(parts)

    def write_parquet(self, path: Path) -> None:
        pq.write_table(self.table(), path, compression="zstd")


def _shown(setting: TagSetting, column: pa.ChunkedArray) -> list[float]:
    """The values, floats as short as the device's precision allows."""
    if setting.tag.type is not DataType.FLOAT:
        return list(column.to_pylist())
    shown: list[float] = shortened(column.to_numpy(), setting.scale, setting.offset).tolist()
    return shown


def _whole(value: float) -> int:
    """The integer of a value from before the tag had whole numbers."""
    return int(value) if math.isfinite(value) else 0


def named(setting: TagSetting, table: pa.Table) -> pa.Table:
    """A tag's samples with names instead of numbers, in the columns of an export."""

    def repeated(text: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array([0] * len(table), pa.int32()), pa.array([text]))

    columns = {
        "tag": repeated(setting.tag.path),
        "time": table["time"].cast(ZONED),
        "seen": table["seen"].cast(ZONED),
        **{column: table[column] for column in ("value", "integer", "text")},
        "unit": repeated(setting.tag.unit),
        "quality": _words(table["quality"], name),
        "code": table["quality"],
        "marks": _words(table["mark"], marks),
    }
    return pa.table(columns)


def _words(column: pa.ChunkedArray, said: Callable[[int], str]) -> pa.Array:
    """Names instead of numbers, each kept once."""
    numbers, places = np.unique(column.to_numpy(), return_inverse=True)
    words = pa.array([said(int(number)) for number in numbers], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), words)


def find(revision: Revision, patterns: Sequence[str]) -> list[TagSetting]:
    """The tags that match one of the patterns, in order of their paths; raises NotFound that offers near names."""
    found: dict[str, TagSetting] = {}
    for pattern in patterns:
        matches = matcher(pattern)
        here = {s.tag.path: s for s in revision.tags if s.tag.path == pattern or _ends(s.tag.path, pattern)}
        here = here or {s.tag.path: s for s in revision.tags if matches(s.tag.path)}
        if not here:
            raise NotFound(f"no tag matches {pattern!r}", hint=_near(revision, pattern))
        found |= here
    return [found[path] for path in sorted(found)]


def _ends(path: str, pattern: str) -> bool:
    return path.endswith(f"/{pattern}")


def _near(revision: Revision, pattern: str) -> str:
    """Which tags may be meant: those whose address has the pattern in it, as `TT201`, else those of near names."""
    from difflib import get_close_matches

    there = [one.tag.path for one in revision.tags if len(pattern) > 2 and pattern.lower() in one.address.lower()]
    if there:
        named = " or ".join(repr(path.split("/", 2)[-1]) for path in there[:3])
        return f"did you mean {named}, of whose address it is a part?"
    paths = {setting.tag.path.split("/", 2)[-1]: setting.tag.path for setting in revision.tags}
    near = get_close_matches(pattern, paths, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else "isthmus watch shows what there is"


def zone(revision: Revision) -> tzinfo:
    """The plant's time zone: times that people write without one are meant in it."""
    try:
        return ZoneInfo(revision.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise NotFound(f"no time zone {revision.time_zone!r} on this machine") from error


def span(start: str, end: str, now: int, local: tzinfo) -> tuple[int, int]:
    """From when to when, of times as people write them (ns); raises Misasked when that is nothing."""
    first, last = (time.moment(text, now, local) for text in (start, end))
    if first < last:
        return first, last
    what = "is empty" if first == last else "ends before it begins"
    shown = f"from {time.to_iso(first)} to {time.to_iso(last)}"
    raise Misasked(f"the range to read {what}: {shown}", hint="--from has to be before --to, which is now unless said")


async def recorded(place: Place, patterns: Sequence[str], start: str, end: str, *, replaced: bool = False) -> Recorded:
    """What was recorded of the tags between two times as people write them; `now` is when the reading begins.

    With `replaced` also the samples that corrections replaced, before these.
    """
    revision = revision_of(place)
    settings = find(revision, patterns)
    now = time.now()
    first, last = span(start, end, now, zone(revision))
    async with history_of(place, "history") as history:
        tables = [(setting, joined(history, setting, first, last, replaced=replaced)) for setting in settings]
        gaps = concerning(history.gaps(first, last), settings, revision)
        return Recorded(first, last, tables, gaps, not_kept(history, settings, first))
