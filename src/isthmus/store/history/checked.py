# SPDX-License-Identifier: Apache-2.0
"""A checked file is Parquet of which every byte that is decoded has been compared with what was written.

The footer's key `isthmus` holds what the file says of itself, with a checksum of every row group; the file's name ends
with the checksum of the footer. (Parquet's own page checksums are written too, for outside readers, but they leave the
page headers open: 1 in 1,000 flipped bits went unnoticed.)
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Sequence
from errno import EIO
from io import RawIOBase, UnsupportedOperation
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar
from zlib import crc32

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from isthmus.core.errors import Damaged
from isthmus.store.history.columns import SCHEMA, Columns, from_table
from isthmus.store.history.folder import SPARE
from isthmus.store.history.groups import Group, Places, alike_in

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_KEY: Final = b"isthmus"
_MAGIC: Final = b"PAR1"
_NAME = re.compile(r"[a-z0-9-]+-([0-9a-f]{8})\.parquet")


class Footer(Protocol):
    """What every checked file says of itself."""

    @property
    def groups(self) -> tuple[Group, ...]: ...


F = TypeVar("F", bound=Footer)


class Sink(RawIOBase):
    """Passes bytes on, counts them, and keeps their checksum and those since the last row group's end."""

    def __init__(self, to: Any) -> None:
        self._to = to
        self.place = self.start = self.checksum = 0
        self.tail: list[bytes] = []

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def write(self, data: ReadableBuffer) -> int:
        part = bytes(data)
        self._to.write(part)
        self.checksum = crc32(part, self.checksum)
        self.place += len(part)
        self.tail.append(part)
        return len(part)

    def cut(self) -> tuple[int, int, int]:
        """Start, stop and checksum of what was written since the last cut."""
        found = (self.start, self.place, self.checksum)
        self.start, self.checksum, self.tail = self.place, 0, []
        return found


class CheckedWriter:
    """Writes row groups of tables that have `tag` and `time`, ordered by tag, to `to`."""

    def __init__(self, to: Any, schema: pa.Schema, form: dict[str, Any]) -> None:
        self._sink = Sink(to)
        self._writer = pq.ParquetWriter(self._sink, schema, **form)
        self.groups: list[Group] = []

    def add(self, table: pa.Table) -> None:
        """One row group; the table has rows."""
        self._writer.write_table(table, row_group_size=len(table))
        start, stop, checksum = self._sink.cut()
        self.groups.append(Group.of(start, stop, checksum, table))

    def close(self, footer: msgspec.Struct) -> tuple[int, int, bytes]:
        """Ends the file with what it says of itself; its size, the checksum of its end, for the name, and that end."""
        self._writer.add_key_value_metadata({_KEY: msgspec.json.encode(footer)})
        self._writer.close()
        tail = b"".join(self._sink.tail)
        end = tail[-8 - _length(tail[-8:]) :]
        return self._sink.place, crc32(end), end

    def abandon(self) -> None:
        """Gives up: what was written is of no use."""
        self._writer.close()


def _length(end: bytes) -> int:
    """Length of the footer, from the last eight bytes of a file."""
    return int.from_bytes(end[:4], "little")


class Opened(Generic[F]):
    """A file whose footer was found intact; row groups are compared when they are read."""

    def __init__(self, path: Path, metadata: pq.FileMetaData, footer: F, places: Places) -> None:
        self.path, self.footer, self.places = path, footer, places
        self._metadata = metadata
        self._readers: list[_Reader] = []
        """Those that nobody uses: making one takes as long as decoding a column."""

    @property
    def names(self) -> Sequence[str]:
        """Of its columns."""
        names: Sequence[str] = self._metadata.schema.names
        return names

    def read(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """One row group, or some of its columns; raises Damaged when it is not what was written."""
        return self._read((group,), columns)

    def _read(self, groups: Sequence[int], columns: Sequence[str] | None) -> pa.Table:
        """Row groups that follow one another."""
        start, stop = self.footer.groups[groups[0]].start, self.footer.groups[groups[-1]].stop
        data = _bytes(self.path, start, stop - start)
        for group in groups:
            place = self.footer.groups[group]
            if crc32(memoryview(data)[place.start - start : place.stop - start]) != place.checksum:
                raise Damaged(f"row group {group} is not what was written", where=str(self.path))
        try:
            reader = self._readers.pop()
        except IndexError:
            reader = _Reader(self._metadata, max(group.stop for group in self.footer.groups))
        table = reader.read(groups, columns, data, start)
        self._readers.append(reader)
        return table

    def columns(self, group: int) -> Columns:
        """One row group of samples as columns."""
        return self.neighbours((group,))

    def neighbours(
        self, groups: Sequence[int], wanted: NDArray[np.uint32] | None = None, unread: Sequence[str] = ()
    ) -> Columns:
        """Row groups of samples that follow one another as columns; with `wanted` (ascending) at least these tags.

        Columns that are `unread` (`seen`, `integer` or `text`) hold nothing.
        """
        alike = alike_in([self.footer.groups[group] for group in groups]) | dict.fromkeys(unread)
        table = self._read(groups, [name for name in SCHEMA.names if name not in alike])
        if wanted is not None and "tag" not in alike:
            tag = table["tag"].to_numpy()
            first, last = np.searchsorted(tag, wanted[0], "left"), np.searchsorted(tag, wanted[-1], "right")
            table = table.slice(int(first), int(last - first))
        return from_table(table, alike)


class _Recent:
    """Files opened last, of so many row groups together: each takes 7 kB."""

    def __init__(self, groups: int) -> None:
        self._most, self._groups = groups, 0
        self._files: OrderedDict[tuple[Path, type], Opened[Any]] = OrderedDict()
        self._lock = Lock()

    def find(self, path: Path, footer: type[F]) -> Opened[F] | None:
        with self._lock:
            found = self._files.get((path, footer))
            if found is not None:
                self._files.move_to_end((path, footer))
            return found

    def add(self, footer: type[F], file: Opened[F]) -> None:
        with self._lock:
            former = self._files.pop((file.path, footer), None)
            self._files[file.path, footer] = file
            self._groups += len(file.footer.groups) + 1 - (len(former.footer.groups) + 1 if former is not None else 0)
            while self._groups > self._most and len(self._files) > 1:
                self._groups -= len(self._files.popitem(last=False)[1].footer.groups) + 1

    def clear(self) -> None:
        with self._lock:
            self._files.clear()
            self._groups = 0


_recent: Final = _Recent(8_000)


def open_checked(path: Path, footer: type[F]) -> Opened[F]:
    """The file at `path`; raises Damaged when its footer is not what was written. Such a file never changes."""
    found = _recent.find(path, footer)
    if found is None:
        size = path.stat().st_size
        length = _length(_bytes(path, max(size - 8, 0), 8))
        found = _opened(path, _bytes(path, max(size - 8 - length, 0), 8 + length), footer)
        _recent.add(footer, found)
    return found


def forget_opened() -> None:
    """Files are opened anew from now on."""
    _recent.clear()


def open_by_spare(path: Path, footer: type[F]) -> Opened[F]:
    """The file at `path` by the second copy of its footer; raises Damaged when there is none, or not an intact one."""
    try:
        return _opened(path, path.with_name(path.name + SPARE).read_bytes(), footer)
    except OSError as error:
        raise Damaged("there is no second footer", where=str(path)) from error


def _opened(path: Path, end: bytes, footer: type[F]) -> Opened[F]:
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise Damaged("is not called like a file of the history", where=str(path))
    if f"{crc32(end):08x}" != name[1]:
        raise Damaged("the footer is not what was written", where=str(path))
    try:
        metadata = pq.read_metadata(pa.BufferReader(_MAGIC + end))
        said = msgspec.json.decode(metadata.metadata[_KEY], type=footer)
        rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        if not all(group.is_plausible(n) for group, n in zip(said.groups, rows, strict=True)):
            raise ValueError("its row groups cannot be such")
        return Opened(path, metadata, said, Places.of(said.groups))
    except (pa.ArrowException, msgspec.MsgspecError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise Damaged(f"the footer is none of a file of the history: {error}", where=str(path)) from error


def _bytes(path: Path, start: int, length: int) -> bytes:
    """These bytes of a file, fewer at its end; raises Damaged when the disk cannot read them."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.fstat(file).st_size - start
            return os.pread(file, max(min(length, there), 0), start)
        finally:
            os.close(file)
    except OSError as error:
        if error.errno != EIO:
            raise
        raise Damaged("the disk cannot read it", where=str(path)) from error


class _Reader:
    """Decodes row groups of one file, one after the other; all of them lie before `end`."""

    def __init__(self, metadata: pq.FileMetaData, end: int) -> None:
        self._window = _Window(end)
        self._file = pq.ParquetFile(self._window, metadata=metadata, pre_buffer=False)

    def read(self, groups: Sequence[int], columns: Sequence[str] | None, data: bytes, start: int) -> pa.Table:
        """The row groups that `data` is, which begins in the file at `start`."""
        self._window.show(data, start)
        table = self._file.read_row_groups(groups, columns=columns, use_threads=False)
        self._window.show(b"", 0)
        return table


class _Window(RawIOBase):
    """The part of a file that was compared, at the place it has in the file: all that pyarrow gets to decode."""

    def __init__(self, end: int) -> None:
        self._end = end
        self.show(b"", 0)

    def show(self, data: bytes, start: int) -> None:
        """From now on it is this part, which begins at `start`."""
        self._data, self._start, self._place = data, start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        ends = {0: 0, 1: self._place, 2: self._end}
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
