# SPDX-License-Identifier: Apache-2.0
"""What was delivered and is in no file of the share yet: on the disk when `add` returns, in memory to work with.

A file of frames: length, checksum, an Arrow stream with the samples of one delivery, its tags' names among them. What
a sudden end left half written at its end is cut off: it was never said to be delivered.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from struct import Struct
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from isthmus.core import time
from isthmus.core.errors import Damaged
from isthmus.store.history.columns import Columns, from_table, join, to_table
from isthmus.store.history.folder import settle

HOUR: Final = 3600 * time.SECOND
_HEAD: Final = Struct("<II")
_NAMES: Final = b"names"
_STAGED: Final = b"staged"

Names = Mapping[int, tuple[str, str]]
"""Tag number → (path, unit)."""


class Stage:
    """The open stage of one output; what it holds is kept by hour, so that an hour can go into a file by itself."""

    def __init__(self, path: Path) -> None:
        """Reads what is there; raises Damaged."""
        self._path = path
        self._hours: dict[int, list[Columns]] = {}
        self.since: dict[int, int] = {}
        """Hour (since 1970) → when (ns) the first of its samples was staged."""
        self.names: dict[int, tuple[str, str]] = {}
        """Of every tag that is staged, as it was called last."""
        self.rows = 0
        self.bytes = path.stat().st_size if path.exists() else 0
        """Of the file."""
        for columns, names, when in _read(path):
            self.names |= names
            self._hold(columns, when)

    def add(self, columns: Columns, names: Names, when: int) -> None:
        """Keeps samples (at least one): on the disk when it returns."""
        frame = _framed(columns, names, when)
        _append(self._path, frame)
        self.bytes += len(frame)
        self.names |= {number: names[number] for number in np.unique(columns.tag).tolist()}
        self._hold(columns, when)

    def _hold(self, columns: Columns, when: int) -> None:
        hours = columns.time // HOUR
        for hour in np.unique(hours).tolist():
            self._hours.setdefault(hour, []).append(columns.pick(hours == hour))
            self.since.setdefault(hour, when)
        self.rows += len(columns)

    def of(self, hour: int) -> Columns:
        """What is staged of an hour, in the order of delivery."""
        return join(self._hours[hour])

    def drop(self, hours: Sequence[int]) -> None:
        """Forgets hours that are in files for good."""
        for hour in hours:
            self.rows -= sum(map(len, self._hours.pop(hour)))
            del self.since[hour]
        left = [_framed(self.of(hour), self.names, self.since[hour]) for hour in self._hours]
        _replace(self._path, left)
        self.bytes = sum(map(len, left))


def _read(path: Path) -> Iterator[tuple[Columns, dict[int, tuple[str, str]], int]]:
    """(samples, names, when staged) of each frame; cuts off what is not whole. Raises Damaged."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = 0
    for body, end in _frames(data, path):
        try:
            table = pa.ipc.open_stream(body).read_all()
            said = table.schema.metadata or {}
            names = {int(number): one for number, one in msgspec.json.decode(said[_NAMES], type=_Named).items()}
            columns, when = from_table(table), int(said[_STAGED])
        except (pa.ArrowException, msgspec.MsgspecError, KeyError, ValueError) as error:
            raise _damaged(path) from error
        whole = end
        yield columns, names, when
    if whole < len(data):
        os.truncate(path, whole)


def _damaged(path: Path) -> Damaged:
    hint = "move the file away: the samples in it are then missing in the share"
    return Damaged("what waits for the share is not what was written", where=str(path), hint=hint)


_Named = dict[str, tuple[str, str]]


def _frames(data: bytes, path: Path) -> Iterator[tuple[bytes, int]]:
    """(body, where the next begins) of every frame that is whole; raises Damaged where one before the last is not.

    Each was on the disk before the next was begun: only the last can be torn.
    """
    at = 0
    while at + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, at)
        body, end = data[at + _HEAD.size : at + _HEAD.size + length], at + _HEAD.size + length
        if not length or end > len(data) or zlib.crc32(body) != checksum:
            if end < len(data) and any(data[end:]):
                raise _damaged(path)
            return
        at = end
        yield body, at


def _framed(columns: Columns, names: Names, when: int) -> bytes:
    """Samples as a frame, with the names of their tags and when they were staged."""
    said = {str(number): names[number] for number in np.unique(columns.tag).tolist()}
    table = to_table(columns)
    table = table.replace_schema_metadata({_NAMES: msgspec.json.encode(said), _STAGED: str(when).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body: bytes = sink.getvalue().to_pybytes()
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def _append(path: Path, frame: bytes) -> None:
    """Puts a frame at the end, for good."""
    new = not path.exists()
    with path.open("ab") as file:
        file.write(frame)
        file.flush()
        os.fsync(file.fileno())
    if new:
        settle(path.parent)


def _replace(path: Path, frames: Sequence[bytes]) -> None:
    """Puts these frames in place of all, for good."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.writelines(frames)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    settle(path.parent)
