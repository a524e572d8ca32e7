# SPDX-License-Identifier: Apache-2.0
"""Recorded samples of a few tags, with names and units instead of numbers, and the gaps among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.parquet as pq

from isthmus.app.run.access import history_of
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import NotFound
from isthmus.core.event import Event
from isthmus.core.path import matcher
from isthmus.core.samples import Value, plain
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.former import joined


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
        """One sample after the other, as Python values."""
        for setting, table in self.tables:
            names = ("time", "seen", "value", "integer", "text", "quality", "mark")
            columns = [
                (table[name].cast("int64") if name in ("time", "seen") else table[name]).to_pylist() for name in names
            ]
            for at, seen, value, integer, text, quality, mark in zip(*columns, strict=True):
                shown = plain(setting.tag.type, value, integer if integer is not None else _whole(value), text)
                yield Row(setting, at, seen, shown if shown is not None else text, quality, mark)

    def table(self) -> pa.Table:
        """All of it as one table with names: what the Parquet format writes. Times are naive UTC."""
        parts = [_named(setting, table) for setting, table in self.tables]
        return pa.concat_tables(parts)

    def write_parquet(self, path: Path) -> None:
        pq.write_table(self.table(), path, compression="zstd")


def _whole(value: float) -> int:
    """The integer of a value from before the tag had whole numbers."""
    return int(value) if value == value else 0


def _named(setting: TagSetting, table: pa.Table) -> pa.Table:
    def repeated(text: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array([0] * len(table), pa.int32()), pa.array([text]))

    names = [name for name in table.column_names if name != "tag"]
    columns = [repeated(setting.tag.path), *(table[name] for name in names), repeated(setting.tag.unit)]
    return pa.table(columns, names=["tag", *names, "unit"])


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
    from difflib import get_close_matches

    paths = {setting.tag.path.split("/", 2)[-1]: setting.tag.path for setting in revision.tags}
    near = get_close_matches(pattern, paths, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else "isthmus watch shows what there is"


def zone(revision: Revision) -> tzinfo:
    """The plant's time zone: times that people write without one are meant in it."""
    try:
        return ZoneInfo(revision.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise NotFound(f"no time zone {revision.time_zone!r} on this machine") from error


async def recorded(place: Place, patterns: Sequence[str], start: str, end: str) -> Recorded:
    """What was recorded of the tags between two times as people write them; `now` is when the reading begins."""
    revision = revision_of(place)
    settings = find(revision, patterns)
    now = time.now()
    first, last = (time.moment(text, now, zone(revision)) for text in (start, end))
    sources = {setting.system for setting in settings}
    async with history_of(place, "history") as history:
        tables = [(setting, joined(history, setting, first, last)) for setting in settings]
        gaps = [gap for gap in history.gaps(first, last) if gap.source in sources or "/" not in gap.source]
    return Recorded(first, last, tables, gaps)
