# SPDX-License-Identifier: Apache-2.0
"""An answer is a table that becomes Arrow, pandas or polars; one of history is wide or long, and knows its gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa

from isthmus.app.not_kept import NotKept
from isthmus.app.recorded import Recorded
from isthmus.client import columns, frames
from isthmus.core.errors import Misasked
from isthmus.core.event import Event

if TYPE_CHECKING:
    import pandas
    import polars

    from isthmus.app.summed import Summed


@dataclass(frozen=True, slots=True)
class Answer:
    """A table that was asked for."""

    table: pa.Table
    more: bool = False
    """There were more rows than one answer may have."""

    def arrow(self) -> pa.Table:
        return self.table

    def pandas(self) -> pandas.DataFrame:
        """Raises IsthmusError when pandas is not installed."""
        return frames.to_pandas(self.table)

    def polars(self) -> polars.DataFrame:
        """Raises IsthmusError when polars is not installed."""
        return frames.to_polars(self.table)


@dataclass(frozen=True, slots=True)
class History:
    """What was recorded of some tags, or what it comes to.

    Wide, which it is unless asked otherwise, it has one row per time and one column per tag, in the tag's own type:
    floats, 64-bit integers, booleans, texts, enumerations by their names. A value of Bad quality is missing there.
    `quality=True` adds a column `TAG quality` beside each. `long=True` gives one row per tag and sample (or interval)
    with everything that is known of it: unit, quality, StatusCode, marks, when it was seen.

    Times are UTC, or in the time zone `zone` names: `plant` is the plant's own, anything else an IANA name.
    """

    found: Recorded | Summed
    zone: str
    """The plant's time zone."""

    @property
    def start(self) -> int:
        """ns since 1970-01-01 UTC; included."""
        return self.found.start

    @property
    def end(self) -> int:
        """ns; not included."""
        return self.found.end

    @property
    def gaps(self) -> tuple[Event, ...]:
        """In which samples of these tags may be missing."""
        return tuple(self.found.gaps)

    @property
    def not_kept(self) -> tuple[NotKept, ...]:
        """What of these tags was let go by now, because its class is not kept that long: not the same as a gap."""
        return tuple(self.found.not_kept)

    def __len__(self) -> int:
        """Rows of the wide table."""
        return len(self.arrow())

    def arrow(self, *, long: bool = False, quality: bool = False, zone: str = "UTC") -> pa.Table:
        """An Arrow table; its times have nanoseconds."""
        return _zoned(self._table(long=long, quality=quality), self.zone if zone == "plant" else zone)

    def pandas(self, *, long: bool = False, quality: bool = False, zone: str = "UTC") -> pandas.DataFrame:
        """A pandas frame, indexed by time when it is wide. Raises IsthmusError when pandas is not installed."""
        table = self.arrow(long=long, quality=quality, zone=zone)
        return frames.to_pandas(table, "" if long else columns.TIME)

    def polars(self, *, long: bool = False, quality: bool = False, zone: str = "UTC") -> polars.DataFrame:
        """A polars frame. Raises IsthmusError when polars is not installed."""
        return frames.to_polars(self.arrow(long=long, quality=quality, zone=zone))

    def _table(self, *, long: bool, quality: bool) -> pa.Table:
        if isinstance(self.found, Recorded):
            return columns.long(self.found) if long else columns.wide(self.found, qualities=quality)
        return self.found.table() if long else columns.sums(self.found, qualities=quality)


def _zoned(table: pa.Table, zone: str) -> pa.Table:
    """The same moments, with clocks that show another time."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Misasked(f"there is no time zone {zone!r}", hint="say 'plant', 'UTC' or an IANA name") from error
    schema = pa.schema(
        [
            pa.field(column.name, pa.timestamp("ns", tz=zone)) if pa.types.is_timestamp(column.type) else column
            for column in table.schema
        ]
    )
    return table.cast(schema)
