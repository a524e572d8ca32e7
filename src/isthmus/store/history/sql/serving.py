# SPDX-License-Identifier: Apache-2.0
"""The only files DuckDB can open: checked row groups of the history, and Parquet that is made when it is asked for.

DuckDB's own file systems are disabled; it takes this one through fsspec. A byte that it gets from a file of the history
has been compared with what was written.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path
from typing import Any, Final, Protocol
from zlib import crc32

from fsspec import AbstractFileSystem

from isthmus.core.errors import Damaged, NotFound
from isthmus.store.history.checked import Opened

PROTOCOL: Final = "kept"
REMEMBERED: Final = 64_000_000
"""Bytes of what was checked or made that are kept for the next read."""


class Source(Protocol):
    """Something with a size that can be read from any place."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, stop: int) -> bytes: ...


class Made:
    """Bytes that are there already."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def read(self, start: int, stop: int) -> bytes:
        return self._data[start:stop]


class Remembered:
    """The bytes used last, up to a limit."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most, self._size = most, 0
        self._parts: OrderedDict[object, bytes] = OrderedDict()

    def get(self, key: object, make: Callable[[], bytes]) -> bytes:
        """The bytes of this key, made when they are not known."""
        if key in self._parts:
            self._parts.move_to_end(key)
            return self._parts[key]
        data = self._parts[key] = make()
        self._size += len(data)
        while self._size > self._most and len(self._parts) > 1:
            self._size -= len(self._parts.popitem(last=False)[1])
        return data


class Checked:
    """A file of the history; raises Damaged for a row group that is not what was written."""

    def __init__(self, opened: Opened[Any], remembered: Remembered) -> None:
        self._path, self._groups = opened.path, opened.footer.groups
        self._remembered = remembered
        self._size = self._path.stat().st_size
        self._foot = self._size - 8 - int.from_bytes(_slice(self._path, self._size - 8, self._size - 4), "little")

    @property
    def size(self) -> int:
        return self._size

    def read(self, start: int, stop: int) -> bytes:
        """These bytes, as they were written; what is neither a row group nor the footer is all zeros."""
        stop = min(stop, self._size)
        found = bytearray(max(stop - start, 0))
        if start < 4:
            found[: 4 - start] = b"PAR1"[start:stop]
        for number, group in enumerate(self._groups):
            if group.start < stop and group.stop > start:
                data = self._remembered.get((self._path, number), lambda n=number: self._group(n))  # type: ignore[misc]  # the default binds it now
                low, high = max(start, group.start), min(stop, group.stop)
                found[low - start : high - start] = data[low - group.start : high - group.start]
        if stop > self._foot:
            low = max(start, self._foot)
            found[low - start :] = _slice(self._path, low, stop)
        return bytes(found)

    def _group(self, number: int) -> bytes:
        group = self._groups[number]
        data = _slice(self._path, group.start, group.stop)
        if crc32(data) != group.checksum:
            raise Damaged(f"row group {number} is not what was written", where=str(self._path))
        return data


def _slice(path: Path, start: int, stop: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(stop - start)


class _File(RawIOBase):
    """A source as DuckDB reads it."""

    def __init__(self, source: Source) -> None:
        self._source, self._place = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = {0: 0, 1: self._place, 2: self._source.size}[whence] + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        stop = self._source.size if size < 0 else self._place + size
        data = self._source.read(self._place, stop)
        self._place += len(data)
        return data


class Serving(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Sources by name. What went wrong in Python is kept in `failed`: DuckDB passes on only its text."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._sources: dict[str, Callable[[], Source]] = {}
        self.failed: Exception | None = None

    def serve(self, name: str, source: Callable[[], Source]) -> str:
        """Makes a source known; its address. `source` is called whenever the address is opened."""
        self._sources[name] = source
        return f"{PROTOCOL}://{name}"

    def _source(self, path: str) -> Source:
        name = path.removeprefix(f"{PROTOCOL}://")
        if name not in self._sources:
            raise FileNotFoundError(path)
        try:
            return self._sources[name]()
        except (Damaged, NotFound, OSError) as error:
            self.failed = error
            raise

    def open(self, path: str, mode: str = "rb", **_: Any) -> _File:
        if mode != "rb":
            raise PermissionError(path)
        return _File(_Told(self._source(path), self))

    def exists(self, path: str, **_: Any) -> bool:
        return path.removeprefix(f"{PROTOCOL}://") in self._sources

    def isfile(self, path: str) -> bool:
        return self.exists(path)

    def isdir(self, path: str) -> bool:
        return False

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self._source(path).size, "type": "file"}

    def glob(self, path: str, **_: Any) -> list[str]:
        return [path] if self.exists(path) else []

    def modified(self, path: str) -> Any:
        from datetime import UTC, datetime

        return datetime.fromtimestamp(0, UTC)


class _Told:
    """A source whose failures are kept."""

    def __init__(self, source: Source, serving: Serving) -> None:
        self._source, self._serving = source, serving

    @property
    def size(self) -> int:
        return self._source.size

    def read(self, start: int, stop: int) -> bytes:
        try:
            return self._source.read(start, stop)
        except (Damaged, OSError) as error:
            self._serving.failed = error
            raise
