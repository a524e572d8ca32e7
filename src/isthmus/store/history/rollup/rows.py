# SPDX-License-Identifier: Apache-2.0
"""Rows of a roll-up as arrays, and as the Arrow table that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntFlag
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.time import SECOND
from isthmus.store.history.columns import Positions

MINUTE: Final = 60 * SECOND
QUARTER: Final = 15 * MINUTE
"""ns; how wide the rows of the two tables are."""

_TIME: Final = pa.timestamp("ns")

SCHEMA: Final = pa.schema(
    [
        pa.field("tag", pa.uint32(), nullable=False),
        pa.field("time", _TIME, nullable=False),
        pa.field("count", pa.uint32(), nullable=False),
        pa.field("good", pa.uint32(), nullable=False),
        pa.field("quality", pa.uint32(), nullable=False),
        pa.field("remark", pa.uint8(), nullable=False),
        pa.field("first_time", _TIME, nullable=False),
        pa.field("first", pa.float64()),
        pa.field("last_time", _TIME, nullable=False),
        pa.field("last", pa.float64()),
        pa.field("min_time", _TIME, nullable=False),
        pa.field("min_again", _TIME),
        pa.field("min", pa.float64()),
        pa.field("max_time", _TIME, nullable=False),
        pa.field("max_again", _TIME),
        pa.field("max", pa.float64()),
        pa.field("sum", pa.float64(), nullable=False),
        pa.field("squares", pa.float64(), nullable=False),
        pa.field("line", pa.float64(), nullable=False),
        pa.field("held", pa.float64()),
        pa.field("good_time", pa.int64()),
        pa.field("zero_time", pa.int64(), nullable=False),
        pa.field("changes", pa.uint32(), nullable=False),
    ]
)
"""What both tables look like; the fields are those of `Rows`. Times are naive UTC. A missing value is null.

Also null, for a fifth fewer bytes, is what most rows have alike (`_usual`): an extreme that is there once, and time
that is Good from the first to the last sample.
"""

FORM: Final[dict[str, Any]] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": ["tag", "count", "good", "quality", "remark", "first", "last", "min", "max", "held", "changes"],
    "column_encoding": {field.name: "DELTA_BINARY_PACKED" for field in SCHEMA if field.type in (_TIME, pa.int64())},
    "write_page_index": True,
    "write_page_checksum": True,
}
"""How the tables are written to Parquet."""

GROUP: Final = 7_680
"""Rows of a row group: five tags' minutes of a day, or 80 tags' quarters. One tag is what is asked for most."""


class Remark(IntFlag):
    """What has to be known of a row before it is used."""

    NONE = 0
    ROUGH = 1
    """Its samples must be read: some are not Good, not numbers, differ in quality, share a time or are corrections."""
    DELAYED = 2
    """A live sample was seen more than a minute from its own time, as after an outage."""
    HISTORICAL = 4
    """Some samples are back-filled."""
    OPENS_BADLY = 8
    CLOSES_BADLY = 16
    """The first, or the last sample is not Good."""


@dataclass(frozen=True, slots=True)
class Rows:
    """m rows, ordered by tag and time: one for each minute (or quarter) in which the tag has a sample."""

    tag: NDArray[np.uint32]
    time: NDArray[np.int64]
    """(m,) ns, when the minute begins: a multiple of its width."""
    count: NDArray[np.int64]
    """(m,) samples."""
    good: NDArray[np.int64]
    """(m,) Good samples with a number: what all of the following but first and last are of."""
    quality: NDArray[np.uint32]
    """(m,) the first of the worst StatusCodes."""
    remark: NDArray[np.uint8]
    """(m,) `Remark`."""
    first_time: NDArray[np.int64]
    first: NDArray[np.float64]
    last_time: NDArray[np.int64]
    last: NDArray[np.float64]
    """(m,) NaN where it has no number."""
    min_time: NDArray[np.int64]
    min_again: NDArray[np.int64]
    """(m,) when the least value was first there, and when at last; of no Good sample the first sample's time."""
    min: NDArray[np.float64]
    """(m,) NaN where none is Good."""
    max_time: NDArray[np.int64]
    max_again: NDArray[np.int64]
    max: NDArray[np.float64]
    sum: NDArray[np.float64]
    squares: NDArray[np.float64]
    """(m,) of the distances from the row's own mean."""
    line: NDArray[np.float64]
    """(m,) integral, value times seconds, from the first to the last sample along lines between Good ones."""
    held: NDArray[np.float64]
    """(m,) the same with every value held until the next sample; NaN of a tag that is not stepped."""
    good_time: NDArray[np.int64]
    """(m,) ns from first to last sample that begin with a Good one."""
    zero_time: NDArray[np.int64]
    """(m,) ns of these that begin with zero."""
    changes: NDArray[np.int64]
    """(m,) samples that differ from the one before them in the row."""

    def __len__(self) -> int:
        return len(self.tag)

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All of them, in the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def pick(self, places: Positions | NDArray[np.bool_] | slice) -> Rows:
        """Only these rows, in this order."""
        return Rows(*(array[places] for array in self.arrays()))

    def marked(self, remark: Remark) -> NDArray[np.bool_]:
        """(m,) where any of the remarks is made."""
        found: NDArray[np.bool_] = (self.remark & np.uint8(remark)) != 0
        return found


def joined(parts: Sequence[Rows]) -> Rows:
    """All rows, one part after the other."""
    if not parts:
        return from_table(SCHEMA.empty_table())
    return Rows(*(np.concatenate(pieces) for pieces in zip(*(part.arrays() for part in parts), strict=True)))


def to_table(rows: Rows) -> pa.Table:
    """The rows as a table of `SCHEMA`."""
    usual = _usual(rows)
    arrays = [
        _column(array, field.type, usual.get(field.name, np.nan if field.nullable else None))
        for field, array in zip(SCHEMA, rows.arrays(), strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _usual(rows: Rows) -> dict[str, NDArray[np.int64]]:
    return {
        "min_again": rows.min_time,
        "max_again": rows.max_time,
        "good_time": rows.last_time - rows.first_time,
    }


def _column(array: NDArray[Any], type_: pa.DataType, usual: NDArray[np.int64] | float | None) -> pa.Array:
    """Null where it is as usual; of floats where there is none."""
    mask = None if usual is None else np.isnan(array) if isinstance(usual, float) else array == usual
    return pa.array(array, mask=mask).cast(type_)


def from_table(table: pa.Table) -> Rows:
    """What `to_table` made a table of."""
    rows = Rows(*(_array(table[field.name], field) for field in SCHEMA))
    lacking = {name: table[name].is_null().to_numpy() for name in _usual(rows)}
    return replace(
        rows, **{name: np.where(lacking[name], usual, getattr(rows, name)) for name, usual in _usual(rows).items()}
    )


def _array(column: pa.ChunkedArray, field: pa.Field) -> NDArray[Any]:
    if field.type in (_TIME, pa.int64()):
        column = column.cast(pa.int64()).fill_null(0)
    array: NDArray[Any] = column.to_numpy()
    return array.astype(np.int64) if field.name in ("count", "good", "changes") else array
