# SPDX-License-Identifier: Apache-2.0
"""Moments are the times of an answer as text: ISO 8601, one without a zone (UTC in our views) without one."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from isthmus.core.errors import IsthmusError
from isthmus.core.time import to_iso

_SCALES: Final = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}


def values(column: pa.ChunkedArray) -> list[Any]:
    """A column as Python values, its timestamps as text wherever they stand: in lists, structures and maps, too.

    To the nanosecond where they have any: Python's own datetimes end at microseconds. Raises IsthmusError for a time
    outside the years 1 to 9999.
    """
    try:
        if pa.types.is_timestamp(column.type):
            ticks = column.cast(pa.int64()).to_pylist()
            return [None if one is None else _iso(one, column.type) for one in ticks]
        if pa.types.is_nested(column.type):
            return list(map(_inner, column))
        found: list[Any] = column.to_pylist()
    except (OverflowError, IsthmusError) as error:
        hint = "make a text of it with ::VARCHAR"
        raise IsthmusError("the answer has a time outside the years 1 to 9999", hint=hint) from error
    return found


def _inner(scalar: pa.Scalar) -> Any:
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.TimestampScalar):
        return _iso(scalar.value, scalar.type)
    if isinstance(scalar, pa.StructScalar):
        return {field.name: _inner(scalar[place]) for place, field in enumerate(scalar.type)}
    if isinstance(scalar, pa.MapScalar):
        return [(_inner(entry[0]), _inner(entry[1])) for entry in scalar.values]
    if isinstance(scalar, pa.ListScalar):
        return list(map(_inner, scalar.values))
    return _inner(scalar.value) if isinstance(scalar, pa.UnionScalar) else scalar.as_py()


def _iso(ticks: int, type_: pa.TimestampType) -> str:
    return to_iso(ticks * _SCALES[type_.unit])[: None if type_.tz else -1]
