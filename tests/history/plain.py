# SPDX-License-Identifier: Apache-2.0
"""The row-wise version of what is kept: a list of plain rows, slow and obvious, that the columns are compared with."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from isthmus.core.quality import Mark
from isthmus.core.samples import Samples
from isthmus.core.tag import TagList


class Row(NamedTuple):
    tag: int
    time: int
    seen: int
    bits: bytes
    integer: int | None
    text: str | None
    quality: int
    mark: int

    @property
    def corrected(self) -> int | None:
        """When it was corrected; None: it is no correction."""
        return self.seen if self.mark & Mark.CORRECTED else None

    @property
    def live(self) -> bool:
        return not self.mark & Mark.HISTORICAL

    @property
    def same(self) -> tuple[object, ...]:
        return self.tag, self.time, self.bits, self.integer, self.text, self.quality


def rows(samples: Samples, tags: TagList) -> list[Row]:
    """What recording should keep of one block, in its order."""
    kept = []
    for i in range(len(samples)):
        tag, mark, at = tags.tags[int(samples.index[i])], int(samples.mark[i]), int(samples.at[i])
        value = float(samples.value[i])
        counts = samples.integer is not None and tag.whole and value == value and not mark & Mark.WRONG_TYPE
        kept.append(
            Row(
                tag=tag.number,
                time=samples.seen if mark & Mark.FUTURE or at == 0 else at,
                seen=samples.seen,
                bits=struct.pack("<d", value),
                integer=int(samples.integer[i]) if samples.integer is not None and counts else None,
                text=None if samples.text is None else samples.text[i],
                quality=int(samples.quality[i]),
                mark=mark,
            )
        )
    return kept


def once(kept: Iterable[Row]) -> list[Row]:
    """Ordered by tag, time and log order; of identical ones the last live one, else the last; corrections behind."""
    chosen: dict[tuple[object, ...], tuple[int, Row]] = {}
    for number, row in enumerate(kept):
        same = (*row.same, row.corrected)
        before = chosen.get(same)
        if before is None or row.live or not before[1].live:
            chosen[same] = (number, row)
    ordered = sorted(chosen.values(), key=lambda pair: (pair[1].tag, pair[1].time, pair[1].corrected or 0, pair[0]))
    return [row for _, row in ordered]


def last(kept: Iterable[Row]) -> list[Row]:
    """The latest live row of each tag."""
    found: dict[int, Row] = {}
    for row in kept:
        if row.live and (row.tag not in found or row.time >= found[row.tag].time):
            found[row.tag] = row
    return [found[tag] for tag in sorted(found)]


def table_rows(table: pa.Table) -> list[Row]:
    """A table that history gave, as rows."""
    values = table["value"].to_numpy()
    times, seens = (table[name].cast(pa.int64()).to_pylist() for name in ("time", "seen"))
    rest = [table[name].to_pylist() for name in ("integer", "text", "quality", "mark")]
    tags = table["tag"].to_pylist()
    bits = [struct.pack("<d", value) for value in values]
    return [Row(*row) for row in zip(tags, times, seens, bits, *rest, strict=True)]


def block(
    tags: TagList,
    index: Sequence[int],
    at: Sequence[int],
    value: Sequence[float],
    *,
    number: int = 1,
    epoch: int = 1,
    source: str = "dcs",
    quality: Sequence[int] | None = None,
    mark: Sequence[int] | None = None,
    integer: Sequence[int] | None = None,
    text: Sequence[str | None] | None = None,
    seen: int = 10**18,
) -> Samples:
    """Samples as tests write them."""
    n = len(index)
    return Samples(
        source=source,
        epoch=epoch,
        number=number,
        tags=tags.digest,
        index=np.array(index, np.uint32),
        at=np.array(at, np.int64),
        quality=np.array(quality if quality is not None else [0] * n, np.uint32),
        mark=np.array(mark if mark is not None else [0] * n, np.uint8),
        value=np.array(value, np.float64),
        integer=None if integer is None else np.array(integer, np.int64),
        text=text,
        seen=seen,
    )
