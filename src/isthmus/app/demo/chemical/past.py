# SPDX-License-Identifier: Apache-2.0
"""A past for the plant: lived at full speed, day by day, into Parquet files that `isthmus import` takes.

Tags stand in them by the identifiers they have on their servers, with values as those servers give them: what the past
means is said by the plant file, as for live values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isthmus.app.demo.chemical.exceptions import Exceptions
from isthmus.app.demo.chemical.faces import FACES, nodes
from isthmus.app.demo.chemical.plant import Past, Plant, rows
from isthmus.app.demo.chemical.tag import Row
from isthmus.core import time
from isthmus.core.tag import DataType

STEP: Final = 30
"""s between two moments looked at."""
DAY: Final = 86_400 * time.SECOND

_FORMS: Final = {
    DataType.FLOAT: ("floats", pa.float64()),
    DataType.INTEGER: ("floats", pa.float64()),
    DataType.BOOLEAN: ("switches", pa.bool_()),
    DataType.UNSIGNED: ("numbers", pa.int64()),
    DataType.ENUMERATION: ("numbers", pa.int64()),
    DataType.TEXT: ("texts", pa.string()),
}
"""Data type → files that values of it stand in, what they are there. Integers are scaled: they become floats."""


@dataclass(frozen=True, slots=True)
class Lived:
    """A day of the past."""

    day: str
    files: tuple[Path, ...]
    samples: int


@dataclass(slots=True)
class Days:
    """The days of a past, written into a folder as they are lived."""

    folder: Path
    _rows: Sequence[Row] = field(default_factory=lambda: list(rows()))
    _exceptions: Exceptions = field(init=False)

    def __post_init__(self) -> None:
        self._exceptions = Exceptions(self._rows, STEP)

    def live(self, plant: Plant, end: int) -> Iterator[Lived]:
        """Lives from the plant's clock to `end`, ns; a day is given when it is over, the last one at the end."""
        while plant.now + STEP * time.SECOND <= end:
            midnight = (plant.now // DAY + 1) * DAY
            yield self._day(plant, min(midnight, end))

    def _day(self, plant: Plant, end: int) -> Lived:
        day = time.to_iso(plant.now)[:10]
        parts: dict[str, list[pa.Table]] = {}
        for block in plant.past(plant.now, end, STEP):
            for name, table in self._tables(block):
                parts.setdefault(name, []).append(table)
        files, samples = [], 0
        for name, tables in parts.items():
            file = self.folder / f"{day}-{name}.parquet"
            whole = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
            pq.write_table(whole, file, compression="zstd")
            files.append(file)
            samples += len(whole)
        return Lived(day, tuple(files), samples)

    def _tables(self, block: Past) -> Iterator[tuple[str, pa.Table]]:
        reports = self._exceptions.of(block)
        names = pa.array([row.tag.address for row in self._rows])
        for file, kind in dict.fromkeys(_FORMS.values()):
            of_kind = np.array([_FORMS[row.tag.type][0] == file for row in self._rows])
            chosen = of_kind[reports.position]
            at, position = reports.row[chosen], reports.position[chosen]
            columns: dict[str, Any] = {
                "tag": pa.DictionaryArray.from_arrays(pa.array(position, pa.int32()), names),
                "time": pa.array(block.at[at, position], pa.timestamp("ns", "UTC")),
                "value": _values(block, at, position, kind),
                "quality": pa.array(block.quality[at, position], pa.uint32()),
            }
            yield file, pa.table(columns)


def _values(block: Past, row: NDArray[np.intp], position: NDArray[np.intp], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array([block.text[p][r] for r, p in zip(row.tolist(), position.tolist(), strict=True)], kind)
    value = block.value[row, position]
    short = _single()[position]
    value[short] = value[short].astype(np.float32)
    return pa.array(value).cast(kind)


@cache
def _single() -> NDArray[np.bool_]:
    """Which tags their server gives in single precision."""
    offered = {node.id: node.type for face in FACES.values() for node in nodes(face, (row.tag for row in rows()))}
    return np.array([offered[row.tag.address] == "Float" for row in rows()])
