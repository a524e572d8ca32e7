# SPDX-License-Identifier: Apache-2.0
"""Samples of one hour become a Parquet file with names, without those that a file of the hour has already.

Times are written to the microsecond as instants in UTC, which every reader knows: Spark refuses nanoseconds, and DuckDB
1.5 cuts them where they have a zone. The exact ones are whole numbers in `nanoseconds`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isthmus.core import time
from isthmus.core.quality import marks, name
from isthmus.outputs.parquet.stage import HOUR, Names
from isthmus.store.history.columns import Columns
from isthmus.store.history.folder import settle

ROWS: Final = 122_880
"""Rows of a row group."""
_INSTANT: Final = pa.timestamp("us", tz="UTC")
_KEY: Final = ("tag", "nanoseconds", "value", "integer", "text", "code")
"""What makes a sample the same when it comes again."""


def table_of(columns: Columns, names: Names) -> pa.Table:
    """Samples (n) as the share has them; `names` says how each tag is called."""
    tag = _words(columns.tag, lambda number: names[number][0])
    unit = _words(columns.tag, lambda number: names[number][1])
    text = pa.DictionaryArray.from_arrays(
        pa.array(columns.text - 1, pa.int32(), mask=columns.text == 0), pa.array(columns.words, pa.string())
    )
    return pa.table(
        {
            "tag": tag,
            "time": pa.array(columns.time // 1000).cast(_INSTANT),
            "value": pa.array(columns.value, from_pandas=False),
            "integer": pa.array(columns.integer, mask=~columns.whole),
            "text": text,
            "unit": unit,
            "quality": _words(columns.quality, name),
            "code": columns.quality.astype(np.int64),
            "marks": _words(columns.mark, marks),
            "seen": pa.array(columns.seen // 1000).cast(_INSTANT),
            "nanoseconds": columns.time,
        }
    )


def _words(numbers: NDArray[Any], said: Callable[[int], str]) -> pa.DictionaryArray:
    different, places = np.unique(numbers, return_inverse=True)
    words = pa.array([said(int(number)) for number in different], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), words)


def write(folder: Path, hour: int, table: pa.Table) -> Path:
    """Puts samples of an hour into a file of their own below the share's folder; it is there whole or not at all."""
    day, begin = time.to_iso(hour * HOUR)[:10], time.to_iso(hour * HOUR)[11:13]
    place = folder / f"day={day}"
    if not place.is_dir():
        place.mkdir()
        settle(folder)
    path = place / f"{begin}-{uuid.uuid4().hex[:12]}.parquet"
    part = path.with_name(f".{path.name}.part")
    try:
        pq.write_table(
            table,
            part,
            row_group_size=ROWS,
            compression="zstd",
            compression_level=1,
            use_dictionary=["tag", "text", "unit", "quality", "marks", "value", "code"],
            column_encoding={"nanoseconds": "DELTA_BINARY_PACKED", "integer": "DELTA_BINARY_PACKED"},
        )
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    settle(place)
    return path


def without(table: pa.Table, files: Iterable[Path]) -> pa.Table:
    """The samples that none of the files of their hour has."""
    keep = np.ones(len(table), np.bool_)
    at = table["nanoseconds"].to_numpy()
    for path in files:
        there = pq.read_table(path, columns=list(_KEY), partitioning=None)
        again = np.flatnonzero(keep & np.isin(at, there["nanoseconds"].to_numpy()))
        if not len(again):
            continue
        near = there.filter(pa.array(np.isin(there["nanoseconds"].to_numpy(), at[again])))
        known = set(_keys(near))
        keep[again] = [key not in known for key in _keys(table.take(again))]
    return table if keep.all() else table.filter(pa.array(keep))


def _keys(table: pa.Table) -> Iterable[tuple[Any, ...]]:
    columns = [table[one].to_pylist() for one in _KEY if one != "value"]
    return zip(*columns, table["value"].to_numpy().view(np.int64).tolist(), strict=True)
