# SPDX-License-Identifier: Apache-2.0
"""Several tags on one time base: a row for each interval or time, a column for each tag and what is asked of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from isthmus.app.not_kept import NotKept
from isthmus.app.recorded import ZONED
from isthmus.app.summed import Answer, Row, Summed
from isthmus.core.event import Event
from isthmus.plant.revision import TagSetting


@dataclass(frozen=True, slots=True)
class Column:
    """One tag, and one thing that is asked of it."""

    setting: TagSetting
    name: str
    """The aggregate; empty where only one is asked for."""
    place: int
    """Of the tag in each row."""
    answer: int
    """Place of its answer among those of the tag."""

    def heading(self, path: str, unit: str) -> str:
        """`storage/tank-1/level Average (m)`."""
        words = f"{path} {self.name}" if self.name else path
        return f"{words} ({unit})" if unit else words


@dataclass(frozen=True, slots=True)
class Aligned:
    """Answers to one question about some tags, side by side."""

    start: int
    end: int
    columns: Sequence[Column]
    rows: Sequence[tuple[Row, ...]]
    """One for each interval or time: the rows of all tags."""
    gaps: Sequence[Event]
    not_kept: Sequence[NotKept] = ()
    left_out: int = 0

    def answers(self, row: tuple[Row, ...]) -> Iterator[tuple[Column, Answer]]:
        for column in self.columns:
            yield column, row[column.place].answers[column.answer]

    def records(self, *, exact: bool = False) -> Iterator[dict[str, Any]]:
        """Flat rows: the time (ns), where the interval ends, what plant time calls it, and two columns for each tag."""
        for row in self.rows:
            first = row[0]
            flat: dict[str, Any] = {"time": first.time, "end": first.end, "period": first.period}
            for column, answer in self.answers(row):
                path = column.setting.tag.path
                value = answer.value if exact else answer.shown(column.setting)
                flat[column.heading(path, answer.unit)] = value
                flat[f"{column.heading(path, '')} quality"] = answer.code
            yield flat

    def write_parquet(self, path: Path) -> None:
        """The same as a Parquet file; times have nanoseconds, doubles are exact."""
        records = list(self.records(exact=True))
        names = list(records[0]) if records else ["time", "end", "period"]
        columns = {name: [record[name] for record in records] for name in names}
        times = {name: pa.array(columns[name], pa.int64()).cast(ZONED) for name in ("time", "end")}
        others = {name: pa.array(values) for name, values in columns.items() if name not in times}
        pq.write_table(pa.table(times | others), path, compression="zstd")


def aligned(found: Summed) -> Aligned:
    """The same answers side by side: all tags were asked for the same times."""
    tags: dict[str, list[Row]] = {}
    for row in found.rows:
        tags.setdefault(row.setting.tag.path, []).append(row)
    one = len(found.names) == 1
    columns = [
        Column(rows[0].setting, "" if one else name, place, answer)
        for place, rows in enumerate(tags.values())
        for answer, name in enumerate(found.names)
    ]
    left_out = found.left_out // len(tags) if tags else 0
    rows = list(zip(*tags.values(), strict=True))
    return Aligned(found.start, found.end, columns, rows, found.gaps, found.not_kept, left_out)
