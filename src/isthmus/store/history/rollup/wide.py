# SPDX-License-Identifier: Apache-2.0
"""Wide tables are how roll-ups were kept before sheaves: a column for each field of a row. They are read, not written.

A compaction of their day replaces them; where the samples of the day were let go they stay until it writes them again.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.store.history.rollup.rows import Rows

_COUNTS: Final = ("count", "good", "changes")


def from_table(table: pa.Table) -> Rows:
    """The rows of a wide table.

    Null is what most rows have alike: an extreme that is there once, and time that is Good from the first to the last
    sample; of floats what is missing.
    """
    rows = Rows(*(_array(table[field.name], field.name) for field in fields(Rows)))
    usual = {
        "min_again": rows.min_time,
        "max_again": rows.max_time,
        "good_time": rows.last_time - rows.first_time,
    }
    lacking = {name: table[name].is_null().to_numpy() for name in usual}
    return replace(rows, **{name: np.where(lacking[name], usual[name], getattr(rows, name)) for name in usual})


def _array(column: pa.ChunkedArray, name: str) -> NDArray[Any]:
    if pa.types.is_timestamp(column.type) or pa.types.is_int64(column.type):
        column = column.cast(pa.int64()).fill_null(0)
    array: NDArray[Any] = column.to_numpy()
    return array.astype(np.int64) if name in _COUNTS else array
