# SPDX-License-Identifier: Apache-2.0
"""One message of the log is blocks of samples of several sources: a msgpack header, then raw little-endian columns.

Layout, all integers little-endian::

    0   4  b"ISM1"
    4   4  bytes of the header, n; the header is padded with zeros so that the columns begin at a multiple of 8
    8   n  msgpack: one array per block: source, epoch, number, tags, rows, seen, columns, bytes of text
           then for each block, each padded with zeros to a multiple of 8:
           at int64, value float64, [integer int64], index uint32, quality uint32, mark uint8, [text: msgpack array]

A scan of a device mostly has one time, good quality, no mark and tags in order: `columns` says which of them have one
element for all rows (of `index` the first, each next row one more). Every byte saved here is sent, synced and read.

Unpacked columns are read-only views of the message: they live as long as they are held, and keep it alive.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import Damaged
from isthmus.core.samples import Samples

MAGIC: Final = b"ISM1"
_INTEGER: Final = 1
_TEXT: Final = 2
_ONE_AT: Final = 4
_IN_ORDER: Final = 8
_ONE_QUALITY: Final = 16
_ONE_MARK: Final = 32
_PREFIX: Final = 8
_NOTHING: Final = b"\0" * 8

if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("Isthmus keeps samples as they are in memory, which is little-endian")

_Column: TypeAlias = NDArray[Any]
_Element = TypeVar("_Element", bound=np.generic)
_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]
_Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
_Time = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_Name = Annotated[str, msgspec.Meta(max_length=512)]


class _Block(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    source: _Name
    epoch: _Number
    number: _Number
    tags: _Name
    rows: _Count
    seen: _Time
    columns: Annotated[int, msgspec.Meta(ge=0, lt=64)]
    text: _Count

    def has(self, flag: int) -> bool:
        return bool(self.columns & flag)

    def held(self, flag: int) -> int:
        """Elements of a column that is kept as one for all rows when `flag` is set."""
        return min(1, self.rows) if self.columns & flag else self.rows

    def places(self) -> list[int]:
        """Where at, value, integer, index, quality, mark and text begin and the block ends, from its own beginning."""
        sizes = (
            8 * self.held(_ONE_AT),
            8 * self.rows,
            8 * self.rows if self.has(_INTEGER) else 0,
            4 * self.held(_IN_ORDER),
            4 * self.held(_ONE_QUALITY),
            self.held(_ONE_MARK),
            self.text,
        )
        return list(accumulate(map(_padded, sizes), initial=0))


_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Block]).decode
_decode_text = msgspec.msgpack.Decoder(list[str | None]).decode


def _padded(size: int) -> int:
    return (size + 7) & ~7


def pack(several: Sequence[Samples]) -> bytes:
    """The message of `several`; `unpack` reverses it."""
    blocks: list[_Block] = []
    pieces: list[bytes | memoryview] = [MAGIC, b"", b""]
    for samples in several:
        columns, flags = _shortened(samples)
        text = b"" if samples.text is None else _encode(list(samples.text))
        flags |= _TEXT if samples.text is not None else 0
        blocks.append(
            _Block(
                samples.source,
                samples.epoch,
                samples.number,
                samples.tags,
                len(samples),
                samples.seen,
                flags,
                len(text),
            )
        )
        for piece in (*columns, text):
            pieces += (piece, _NOTHING[: -len(piece) % 8])
    header = _encode(blocks)
    pieces[1] = len(header).to_bytes(4, "little")
    pieces[2] = header + _NOTHING[: -len(header) % 8]
    return b"".join(pieces)


def _shortened(samples: Samples) -> tuple[list[bytes], int]:
    """The columns in their order, those with one element for all rows as that, and the flags that say so."""
    flags = _INTEGER if samples.integer is not None else 0
    at, index = _raw(samples.at, np.int64), _raw(samples.index, np.uint32)
    quality, mark = _raw(samples.quality, np.uint32), _raw(samples.mark, np.uint8)
    flags |= _ONE_AT if _same(at, 8) else 0
    flags |= _ONE_QUALITY if _same(quality, 4) else 0
    flags |= _ONE_MARK if _same(mark, 1) else 0
    flags |= _IN_ORDER if _ascending(samples.index, index) else 0
    columns = [
        at[:8] if flags & _ONE_AT else at,
        _raw(samples.value, np.float64),
        b"" if samples.integer is None else _raw(samples.integer, np.int64),
        index[:4] if flags & _IN_ORDER else index,
        quality[:4] if flags & _ONE_QUALITY else quality,
        mark[:1] if flags & _ONE_MARK else mark,
    ]
    return columns, flags


def _same(raw: bytes, size: int) -> bool:
    """All rows, and more than one, have the same element of `size` bytes. (Comparing bytes is 10 times numpy's way.)"""
    return len(raw) > size and raw[size:] == raw[:-size]


def _ascending(index: NDArray[np.uint32], raw: bytes) -> bool:
    """Each row one more than the one before."""
    n = len(index)
    first, last = (int(index[0]), int(index[-1])) if n > 1 else (0, 0)
    return n > 1 and last - first == n - 1 and raw == np.arange(first, last + 1, dtype=np.uint32).tobytes()


def _raw(column: _Column, kind: type[np.generic]) -> bytes:
    return np.ascontiguousarray(column, kind).tobytes()


def unpack(message: bytes) -> list[Samples]:
    """What `pack` was given, as views of `message`.

    Raises Damaged for anything that is not wholly such a message, whatever the bytes.
    """
    blocks, offset = _header(message)
    stray = any(block.text and not block.has(_TEXT) for block in blocks)
    places = [block.places() for block in blocks]
    if stray or offset + sum(ends[-1] for ends in places) != len(message):
        raise Damaged(f"{len(message)} bytes are not what their header announces")
    several = []
    for block, own in zip(blocks, places, strict=True):
        several.append(_columns(message, block, [offset + place for place in own]))
        offset += own[-1]
    return several


def _header(message: bytes) -> tuple[list[_Block], int]:
    size = int.from_bytes(message[4:8], "little")
    end = _PREFIX + _padded(size)
    if message[:4] != MAGIC or end > len(message):
        raise Damaged(f"{len(message)} bytes are not a message of samples")
    try:
        return _decode(memoryview(message)[_PREFIX : _PREFIX + size]), end
    except _UNREADABLE as error:
        raise Damaged(f"the header of a message of samples cannot be read: {error}") from error


def _columns(message: bytes, block: _Block, places: Sequence[int]) -> Samples:
    at, value, integer, index, quality, mark, text, _ = places
    return Samples(
        source=block.source,
        epoch=block.epoch,
        number=block.number,
        tags=block.tags,
        index=_index(message, block, index),
        at=_view(message, np.int64, block, _ONE_AT, at),
        quality=_view(message, np.uint32, block, _ONE_QUALITY, quality),
        mark=_view(message, np.uint8, block, _ONE_MARK, mark),
        value=np.frombuffer(message, np.float64, block.rows, value),
        integer=np.frombuffer(message, np.int64, block.rows, integer) if block.has(_INTEGER) else None,
        text=_texts(message, block, text) if block.has(_TEXT) else None,
        seen=block.seen,
    )


def _view(message: bytes, kind: type[_Element], block: _Block, flag: int, offset: int) -> NDArray[_Element]:
    if block.has(flag) and block.rows:  # one element for every row: `np.broadcast_to` costs 8 µs more
        return np.ndarray((block.rows,), kind, message, offset, (0,))
    return np.frombuffer(message, kind, block.held(flag), offset)


def _index(message: bytes, block: _Block, offset: int) -> NDArray[np.uint32]:
    held = np.frombuffer(message, np.uint32, block.held(_IN_ORDER), offset)
    if not block.has(_IN_ORDER) or not block.rows:
        return held
    first = int(held[0])
    if first + block.rows > 1 << 32:
        raise Damaged(f"{block.source} points beyond any tag list")
    return np.arange(first, first + block.rows, dtype=np.uint32)


def _texts(message: bytes, block: _Block, offset: int) -> list[str | None]:
    try:
        texts = _decode_text(memoryview(message)[offset : offset + block.text])
    except _UNREADABLE as error:
        raise Damaged(f"the texts of {block.source} cannot be read: {error}") from error
    if len(texts) != block.rows:
        raise Damaged(f"{block.source} has {len(texts)} texts for {block.rows} samples")
    return texts
