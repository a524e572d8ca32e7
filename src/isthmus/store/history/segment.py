# SPDX-License-Identifier: Apache-2.0
"""A segment is one Parquet file of ordered samples that tells by itself what it holds and whether it is intact.

The footer's key `isthmus` holds a `Footer`: where in the log the samples come from, which events came with them, and
a checksum of every row group; the file's name carries the checksum of the footer. So every byte that is decoded has
been compared with what was written. (Parquet's own page checksums are written too, for outside readers, but they leave
the page headers open: 1 in 1,000 flipped bits went unnoticed.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from errno import EIO
from functools import lru_cache
from io import BytesIO, RawIOBase, UnsupportedOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from isthmus.core.errors import Damaged
from isthmus.core.event import Event
from isthmus.core.time import EARLIEST, LATEST
from isthmus.store.history.columns import SCHEMA, Columns, from_table, to_table
from isthmus.store.history.state import State
from isthmus.stream.log import Position

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GROUP: Final = 30_720
"""Rows of a row group. A quarter of what day files have: a segment is read for few tags at a time until it is compacted
(one tag over 20 segments 32 ms instead of 83, for 1.5 % more bytes)."""

_KEY: Final = b"isthmus"
_MAGIC: Final = b"PAR1"
_NAME = re.compile(r"(\d{12})-([0-9a-f]{8})\.parquet")
_FORM: Final[dict[str, Any]] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": ["tag", "seen", "value", "integer", "text", "quality", "mark"],
    "column_encoding": {"time": "DELTA_BINARY_PACKED"},
    "write_page_index": True,
    "write_page_checksum": True,
}


class Group(msgspec.Struct, frozen=True, array_like=True):
    """One row group: its bytes in the file, their checksum, and what can be found in it."""

    start: int
    stop: int
    checksum: int
    rows: int
    first_tag: int
    last_tag: int
    first_time: int
    last_time: int


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
        groups = footer.groups
        return cls(
            ordinal=footer.state.ordinal,
            file=file,
            rows=footer.rows,
            size=size,
            first_tag=min((group.first_tag for group in groups), default=0),
            last_tag=max((group.last_tag for group in groups), default=0),
            first_time=min((group.first_time for group in groups), default=LATEST),
            last_time=max((group.last_time for group in groups), default=EARLIEST),
        )


def encode(columns: Columns, footer: Footer) -> tuple[Segment, memoryview]:
    """The segment that holds these ordered columns, and its bytes; `footer.groups` is filled in here."""
    sink = BytesIO()
    groups: list[Group] = []
    with pq.ParquetWriter(sink, SCHEMA, **_FORM) as writer:
        for first in range(0, len(columns), GROUP):
            start, part = sink.tell(), columns.pick(slice(first, first + GROUP))
            writer.write_table(to_table(part), row_group_size=GROUP)
            groups.append(_group(part, start, sink))
        footer = msgspec.structs.replace(footer, groups=tuple(groups))
        writer.add_key_value_metadata({_KEY: msgspec.json.encode(footer)})
    data = sink.getbuffer()
    checksum = crc32(data[-8 - _length(data[-8:]) :])
    return Segment.of(f"{footer.state.ordinal:012d}-{checksum:08x}.parquet", len(data), footer), data


def _group(part: Columns, start: int, sink: BytesIO) -> Group:
    return Group(
        start=start,
        stop=sink.tell(),
        checksum=crc32(sink.getbuffer()[start:]),
        rows=len(part),
        first_tag=int(part.tag[0]),
        last_tag=int(part.tag[-1]),
        first_time=int(part.time.min()),
        last_time=int(part.time.max()),
    )


def _length(end: bytes | memoryview) -> int:
    """Length of the footer, from the last eight bytes of a file."""
    return int.from_bytes(end[:4], "little")


class Opened:
    """A segment whose footer was found intact; row groups are compared when they are read."""

    def __init__(self, path: Path, metadata: pq.FileMetaData, footer: Footer) -> None:
        self.path, self.footer = path, footer
        self._metadata = metadata

    def read(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """One row group, or some of its columns; raises Damaged when it is not what was written."""
        place = self.footer.groups[group]
        data = _bytes(self.path, place.start, place.stop - place.start)
        if crc32(data) != place.checksum:
            raise Damaged(f"row group {group} is not what was written", where=str(self.path))
        file = pq.ParquetFile(_Window(data, place.start), metadata=self._metadata, pre_buffer=False)
        return file.read_row_group(group, columns=columns, use_threads=False)

    def columns(self, group: int) -> Columns:
        """One row group as columns."""
        return from_table(self.read(group))


@lru_cache(maxsize=512)
def open_segment(path: Path) -> Opened:
    """The segment at `path`; raises Damaged when its footer is not what was written. A segment never changes."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise Damaged("is not called like a segment", where=str(path))
    size = path.stat().st_size
    length = _length(_bytes(path, max(size - 8, 0), 8))
    tail = _bytes(path, max(size - 8 - length, 0), 8 + length)
    if f"{crc32(tail):08x}" != name[2]:
        raise Damaged("the footer is not what was written", where=str(path))
    metadata = pq.read_metadata(pa.BufferReader(_MAGIC + tail))
    return Opened(path, metadata, msgspec.json.decode(metadata.metadata[_KEY], type=Footer))


def _bytes(path: Path, start: int, length: int) -> bytes:
    """These bytes of a file, fewer at its end; raises Damaged when the disk cannot read them."""
    try:
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), length, start)
    except OSError as error:
        if error.errno != EIO:
            raise
        raise Damaged("the disk cannot read it", where=str(path)) from error


class _Window(RawIOBase):
    """The part of a file that was compared, at the place it has in the file: all that pyarrow gets to decode."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data, self._start, self._place = data, start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        ends = {0: 0, 1: self._place, 2: self._start + len(self._data)}
        self._place = ends[whence] + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        first = self._place - self._start
        if first < 0:
            raise UnsupportedOperation("outside the row group that was compared")
        part = self._data[first : None if size < 0 else first + size]
        self._place += len(part)
        return part

    def readinto(self, buffer: WriteableBuffer) -> int:
        part = self.read(memoryview(buffer).nbytes)
        memoryview(buffer).cast("B")[: len(part)] = part
        return len(part)
