# SPDX-License-Identifier: Apache-2.0
"""Blocks are whole rows of a text file: decompressed, as UTF-8, with the lines they stand on, from any place on."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.app.importing.piece import Spot
from isthmus.core.errors import IsthmusError

SIZE: Final = 8 << 20
"""Bytes of a block, about."""

LONGEST_ROW: Final = 64 << 20
"""Bytes that a row may have."""

PACKED: Final = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
"""How a file's name says that it is compressed, and what pyarrow calls that."""

_BOMS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
Places: TypeAlias = NDArray[np.int64]
"""Places in bytes."""

_NEWLINE: Final = 10
_QUOTE: Final = 34


@dataclass(frozen=True, slots=True)
class Block:
    """n rows."""

    data: bytes
    """UTF-8, unless the file is not what it is said to be."""
    ends: NDArray[np.int64]
    """(n,) where in `data` each row ends: behind its line end."""
    lines: NDArray[np.int64]
    """(n,) the line on which each row begins."""
    next: Spot
    done: int
    """Bytes of the file on the disk that were read so far."""

    def row(self, i: int) -> bytes:
        """The i-th row with its line end."""
        return self.data[int(self.ends[i - 1]) if i else 0 : int(self.ends[i])]

    def without(self, rows: NDArray[np.intp]) -> Block:
        """The block without some of its rows."""
        kept = np.setdiff1d(np.arange(len(self.ends)), rows)
        pieces = [self.row(int(i)) for i in kept]
        ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
        return Block(b"".join(pieces), ends, self.lines[kept], self.next, self.done)


class Text:
    """An open text file: gives its bytes as UTF-8."""

    def __init__(self, path: Path, encoding: str) -> None:
        self.path = path
        self._file: IO[bytes] = path.open("rb")
        packed = PACKED.get(path.suffix.lower())
        self._stream: Any = pa.CompressedInputStream(pa.PythonFile(self._file), packed) if packed else self._file
        start = self._raw(4)
        bom = next((mark for mark in _BOMS if start.startswith(mark)), b"")
        self._seekable = packed is None
        self._begin = len(bom)
        self._ready = start[len(bom) :]
        """UTF-8 to be given before the rest."""
        self._decoder: codecs.IncrementalDecoder | None = None
        encoding = _BOMS.get(bom, encoding)
        if codecs.lookup(encoding).name != "utf-8":
            self._encoding, self._seekable = encoding, False
            self._decoder = codecs.getincrementaldecoder(encoding)()
            self._ready = self._decoded(self._ready)

    def close(self) -> None:
        self._file.close()

    @property
    def done(self) -> int:
        """Bytes of the file that were read."""
        return self._file.tell()

    def read(self) -> bytes:
        """The next bytes, about `SIZE`; none at the end. Raises IsthmusError when they are not what the file says."""
        ready, self._ready = self._ready, b""
        while data := self._raw(SIZE):
            text = data if self._decoder is None else self._decoded(data)
            if ready or text:
                return ready + text
        return ready if self._decoder is None else ready + self._decoded(b"")

    def skip(self, offset: int) -> None:
        """Goes on behind so many bytes of UTF-8 from the beginning, where it stands."""
        if self._seekable:
            self._file.seek(self._begin + offset)
            self._ready = b""
            return
        while offset > 0 and (data := self.read()):
            self._ready, offset = data[offset:], offset - len(data)

    def _raw(self, size: int) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except (OSError, pa.ArrowException) as error:
            raise IsthmusError(f"cannot be read: {error}", where=str(self.path), hint="is it complete?") from error

    def _decoded(self, data: bytes) -> bytes:
        assert self._decoder is not None
        try:
            return self._decoder.decode(data, final=not data).encode()
        except UnicodeError as error:
            hint = "say how it is written with --encoding, such as windows-1252"
            raise IsthmusError(f"is not written in {self._encoding}", where=str(self.path), hint=hint) from error


def blocks(text: Text, start: Spot, *, quotes: bool) -> Iterator[Block]:
    """The rows from `start` on; a row ends with a line, but not inside quotes where there are `quotes`.

    Raises IsthmusError, with the line, for a row that does not end.
    """
    text.skip(start.offset)
    spot, rest, last = start, b"", False
    while not last:
        data = text.read()
        rest, last = rest + data, not data
        newlines, ends = _ends(rest, quotes=quotes)
        if last and rest and (not len(ends) or ends[-1] < len(rest)):
            ends = _closed(rest, ends, newlines, f"{text.path}", spot.line, quotes=quotes)
        if len(ends):
            block = _block(rest, newlines, ends, spot, text.done)
            spot, rest = block.next, rest[int(ends[-1]) :]
            yield block
        elif len(rest) > LONGEST_ROW:
            raise _endless(str(text.path), spot.line)


def _block(data: bytes, newlines: Places, ends: Places, spot: Spot, done: int) -> Block:
    stop, starts = int(ends[-1]), np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    lines = spot.line + np.searchsorted(newlines, starts, side="right")
    after = spot.line + int(np.searchsorted(newlines, stop, side="right"))
    return Block(data[:stop], ends, lines, Spot(spot.offset + stop, after), done)


def _closed(data: bytes, ends: Places, newlines: Places, file: str, line: int, *, quotes: bool) -> Places:
    """The ends with that of a last row that has no line end."""
    begin = int(ends[-1]) if len(ends) else 0
    if quotes and data.count(b'"', begin) % 2:
        raise _endless(file, line + int(np.searchsorted(newlines, begin, side="right")))
    return np.append(ends, len(data))


def _ends(data: bytes, *, quotes: bool) -> tuple[Places, Places]:
    """Where lines end (behind their newline), and where rows do."""
    letters = np.frombuffer(data, np.uint8)
    newlines = np.flatnonzero(letters == _NEWLINE)
    if not quotes or b'"' not in data:
        return newlines + 1, newlines + 1
    inside = np.searchsorted(np.flatnonzero(letters == _QUOTE), newlines) & 1
    return newlines + 1, newlines[inside == 0] + 1


def _endless(file: str, line: int) -> IsthmusError:
    hint = "is a quote not closed? A row has at most 64 MB"
    return IsthmusError("a row begins here that does not end", where=f"{file}:{line}", hint=hint)
