# SPDX-License-Identifier: Apache-2.0
"""Moments are the times of an answer as text: ISO 8601, one without a zone (UTC in our views) without one."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from isthmus.core.time import to_iso

_SCALES: Final = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}


def iso(column: pa.ChunkedArray) -> list[str | None]:
    """A column of timestamps, to the nanosecond where they have any: Python's own datetimes end at microseconds."""
    scale, end = _SCALES[column.type.unit], None if column.type.tz else -1
    return [None if ticks is None else to_iso(ticks * scale)[:end] for ticks in column.cast(pa.int64()).to_pylist()]
