# SPDX-License-Identifier: Apache-2.0
"""A segment is one checked file of ordered samples as the recorder flushed them from the log.

Its footer tells where in the log the samples come from, and which events came with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import msgspec

from isthmus.core.event import Event
from isthmus.core.time import EARLIEST, LATEST
from isthmus.store.history.checked import CheckedWriter, Opened, open_checked
from isthmus.store.history.columns import SCHEMA, Columns, to_table
from isthmus.store.history.form import GROUP, fitted, sample
from isthmus.store.history.groups import Group
from isthmus.store.history.state import State
from isthmus.stream.log import Position


class Footer(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment says of itself."""

    after: Position | None
    """Where in the log its first sample comes after; None: from the log's first message."""
    state: State
    """How far the history went with it."""
    events: tuple[Event, ...] = ()
    """What happened between `after` and the state's position."""
    groups: tuple[Group, ...] = ()

    @property
    def rows(self) -> int:
        return sum(group.rows for group in self.groups)


class Segment(msgspec.Struct, frozen=True):
    """A segment as the manifest lists it."""

    ordinal: int
    file: str
    """Name in `segments/`."""
    rows: int
    size: int
    """Bytes."""
    first_tag: int
    last_tag: int
    first_time: int
    last_time: int

    @classmethod
    def of(cls, file: str, size: int, footer: Footer) -> Segment:
        return cls(footer.state.ordinal, file, footer.rows, size, *bounds(footer.groups))


def bounds(groups: Sequence[Group]) -> tuple[int, int, int, int]:
    """First and last tag, first and last time of all the row groups."""
    return (
        min((group.first_tag for group in groups), default=0),
        max((group.last_tag for group in groups), default=0),
        min((group.first_time for group in groups), default=LATEST),
        max((group.last_time for group in groups), default=EARLIEST),
    )


def encode(columns: Columns, footer: Footer) -> tuple[Segment, memoryview]:
    """The segment that holds these ordered columns, and its bytes; `footer.groups` is filled in here."""
    sink = BytesIO()
    writer = CheckedWriter(sink, SCHEMA, fitted(sample(columns)))
    for first in range(0, len(columns), GROUP):
        writer.add(to_table(columns.pick(slice(first, first + GROUP))))
    footer = msgspec.structs.replace(footer, groups=tuple(writer.groups))
    size, checksum, _ = writer.close(footer)
    return Segment.of(f"{footer.state.ordinal:012d}-{checksum:08x}.parquet", size, footer), sink.getbuffer()


def open_segment(path: Path) -> Opened[Footer]:
    """The segment at `path`; raises Damaged when its footer is not what was written."""
    return open_checked(path, Footer)
