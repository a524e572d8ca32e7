# SPDX-License-Identifier: Apache-2.0
"""A small history of a small plant with everything in it that can go wrong in SQL, and its samples row by row."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from isthmus.core.quality import Mark
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.core.time import SECOND, from_iso
from isthmus.plant.revision import AssetSetting, Former, Revision, TagSetting
from isthmus.store.history.columns import Columns, empty, join, ordered
from isthmus.store.history.compact import compact
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.kept import DAY
from isthmus.store.history.read import History, open_history
from isthmus.store.history.runs import write_run
from isthmus.store.history.sql.database import Database
from isthmus.store.history.sql.gather import gather
from isthmus.store.history.sql.given import Given, Limits
from isthmus.store.history.tend import tended

FIRST = from_iso("2026-11-18")
"""The first day, ns."""
DAYS = 5
NOW = FIRST + DAYS * DAY - 3600 * SECOND
NAMES = {0: "idle", 1: "heating", 2: "holding"}


def _tag(number: int, path: str, type_: DataType, *, stepped: bool = False, **more: Any) -> TagSetting:
    tag = Tag(number, f"p/l/{path}", more.pop("unit", ""), type_, stepped)
    return TagSetting(tag=tag, system="plc", address=path, **more)


TAGS = (
    _tag(1, "r-1/temperature", DataType.FLOAT, unit="Cel", range=(0.0, 200.0)),
    _tag(2, "r-1/state", DataType.ENUMERATION, labels=NAMES),
    _tag(3, "r-1/count", DataType.UNSIGNED),
    _tag(4, "r-1/open", DataType.BOOLEAN),
    _tag(5, "r-1/note", DataType.TEXT),
    _tag(6, "r-2/temperature", DataType.FLOAT, unit="Cel", formers=(Former(60, "[degF]", DataType.FLOAT, 0.5, -10.0),)),
    _tag(7, "r-2/count", DataType.INTEGER),
    _tag(9, "r-1/serial", DataType.UNSIGNED),
    _tag(8, "meter/power", DataType.FLOAT, unit="kW", stepped=True),
)
NUMBERS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 60)
REVISION = Revision(
    number=1,
    created=0,
    author="test",
    comment="",
    plant="p/l",
    time_zone="Europe/Paris",
    systems=(),
    assets=(
        AssetSetting(path="p/l/r-1", type="reactor@2"),
        AssetSetting(path="p/l/r-2", type="reactor@1"),
        AssetSetting(path="p/l/meter", type="power-meter"),
    ),
    tags=TAGS,
)


class Row(NamedTuple):
    """One sample as `samples` shows it."""

    tag: str
    time: int
    seen: int
    value: float | None
    integer: int | None
    text: str | None
    code: int
    mark: int


def random_columns(rng: np.random.Generator, rows: int, start: int, end: int) -> Columns:
    """Samples of all tags in no order, some of them at one time."""
    step = SECOND // 7 if rng.random() < 0.5 else 20 * SECOND + 1
    tag = rng.choice(np.array(NUMBERS, np.uint32), rows)
    time = rng.integers(start, end, rows) // step * step
    value = rng.choice(
        [0.0, 1.0, 2.0, 90.5, -3.25, np.nan, np.inf, -np.inf], rows, p=[0.2, 0.2, 0.2, 0.2, 0.17, *[0.01] * 3]
    )
    whole = np.isin(tag, (2, 3, 7, 9)) & ~np.isnan(value)
    integer = rng.choice(np.array([0, 1, 2, -1, 2**63 - 1, -(2**63)]), rows)
    words = ("started", 'it\'s "late"', "")
    text = np.where(tag == 5, rng.integers(0, 4, rows), 0).astype(np.int32)
    marks = [0, Mark.HISTORICAL, Mark.OUT_OF_RANGE | Mark.SUBSTITUTED, Mark.CORRECTED]
    return Columns(
        words=words,
        tag=tag,
        time=np.maximum(time, start),
        seen=time + rng.integers(0, SECOND, rows),
        value=np.where(tag == 5, np.nan, value),
        integer=np.where(whole, np.where(tag == 2, integer & 1, integer), 0),
        whole=whole,
        text=text,
        quality=rng.choice(
            np.array([0, 0x40920000, 0x80050000, 0x0096_0000, 0x81230400], np.uint32), rows, p=[0.8, *[0.05] * 4]
        ),
        mark=rng.choice(np.array(marks, np.uint8), rows, p=[0.9, 0.04, 0.04, 0.02]),
    )


def plain(parts: list[Columns]) -> list[Row]:
    """What SQL must say of these samples, slowly: each once, replaced ones left out, with names and in today's unit."""
    columns = ordered(join(parts))
    settings = {s.tag.number: (s, 1.0, 0.0, True) for s in TAGS}
    settings |= {f.number: (s, f.scale, f.offset, False) for s in TAGS for f in s.formers}
    at: dict[tuple[int, int], list[int]] = {}
    for i, key in enumerate(zip(columns.tag.tolist(), columns.time.tolist(), strict=True)):
        at.setdefault(key, []).append(i)
    rows = []
    for (number, time), places in at.items():
        setting, scale, shift, same = settings[number]
        corrections = [i for i in places if columns.mark[i] & Mark.CORRECTED]
        counting = [max(corrections, key=lambda i: (int(columns.seen[i]), i))] if corrections else places
        for i in counting:
            value, integer = float(columns.value[i]), int(columns.integer[i]) if columns.whole[i] and same else None
            if integer is not None and setting.tag.type is DataType.UNSIGNED:
                integer &= 2**64 - 1
            text = columns.words[columns.text[i] - 1] if columns.text[i] else None
            if integer is not None and text is None:
                text = setting.labels.get(integer)
            rows.append(
                Row(
                    setting.tag.path,
                    time,
                    int(columns.seen[i]),
                    None if value != value else value * scale + shift,
                    integer,
                    text,
                    int(columns.quality[i]),
                    int(columns.mark[i]),
                )
            )
    return sorted(rows, key=repr)


def of(number: int, points: list[tuple[int, float]], *, quality: int = 0) -> Columns:
    """Samples of one float tag: (time, value)."""
    n = len(points)
    times = np.array([time for time, _ in points], np.int64)
    return replace(
        empty(n),
        tag=np.full(n, number, np.uint32),
        time=times,
        seen=times + 1,
        value=np.array([value for _, value in points], np.float64),
        quality=np.full(n, quality, np.uint32),
    )


@dataclass
class Prepared:
    """A history folder that is being filled, and all that went into it."""

    folder: Path
    parts: list[Columns]
    tail: Columns

    @classmethod
    def at(cls, folder: Path) -> Prepared:
        place = Folder(folder)
        place.make()
        tags = TagList(tuple(setting.tag for setting in TAGS))
        keep(place.lists / tags.digest, tags.packed)
        return cls(folder, [], ordered(join(())))

    def add(self, *several: Columns) -> None:
        """Adds runs."""
        with tended(self.folder) as manifest:
            for columns in several:
                write_run(self.folder, manifest, columns)
                self.parts.append(columns)

    def compact(self, *, today: bool = False) -> None:
        compact(self.folder, now=NOW, wait=False, today=today)

    def hold(self, columns: Columns) -> None:
        """Samples that are in the log only."""
        self.tail = ordered(columns)
        self.parts.append(columns)

    def given(self, revision: Revision = REVISION) -> tuple[Given, Mapping[str, pa.Table]]:
        async def read() -> tuple[Given, Mapping[str, pa.Table]]:
            async with open_history(self.folder) as history:
                return gather(self._with_tail(history), revision, NOW)

        return asyncio.run(read())

    def _with_tail(self, history: History) -> History:
        history.tail = self.tail
        return history

    def database(self, revision: Revision = REVISION) -> Database:
        return Database(*self.given(revision), Limits())

    def table(self, sql: str) -> pa.Table:
        """The answer, in this process."""
        batches = list(self.database().answer(sql))
        return pa.Table.from_batches(batches)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The answer as Python values; times are ns."""
        return list(values(self.table(sql)))


def values(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    if not len(table):
        return
    columns = [
        (column.cast(pa.timestamp("ns")).cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in table.columns
    ]
    yield from zip(*columns, strict=True)


def everything(folder: Path, seed: int) -> Prepared:
    """Days at rest, days with late samples, corrections, today, and samples that are in the log only."""
    rng = np.random.default_rng(seed)
    prepared = Prepared.at(folder)
    end = FIRST + DAYS * DAY
    prepared.add(*(random_columns(rng, 400, FIRST + i * DAY, FIRST + (i + 2) * DAY) for i in range(DAYS - 1)))
    prepared.compact()
    late = FIRST + int(rng.integers(0, 3)) * DAY
    prepared.add(random_columns(rng, 100, late, late + DAY), prepared.parts[0].pick(slice(0, 50)))
    prepared.add(random_columns(rng, 300, end - DAY, end - 7200 * SECOND))
    prepared.hold(random_columns(rng, 60, end - 7200 * SECOND, end - 3600 * SECOND))
    return prepared
