# SPDX-License-Identifier: Apache-2.0
"""One message of the log is blocks of samples of several sources: a msgpack header, then raw little-endian columns.

Layout, all integers little-endian::

    0   4  b"ISM1"
    4   4  bytes of the header, n; the header is padded with zeros so that the columns begin at a multiple of 8
    8   n  msgpack: one array per block: source, epoch, number, tags, rows, seen, columns, bytes of text
           then for each block, padded with zeros to a multiple of 8 each:
           at int64, value float64, [integer int64], index uint32, quality uint32, mark uint8, [text: msgpack array]

Unpacked columns are read-only views of the message: they live as long as they are held, and keep it alive.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import numpy as np

from isthmus.core.errors import Damaged
from isthmus.core.samples import Samples

MAGIC: Final = b"ISM1"
_INTEGER: Final = 1
_TEXT: Final = 2
_FIXED: Final = 8 + 8 + 4 + 4 + 1
_PREFIX: Final = 8
_NOTHING: Final = b"\0" * 8

if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("Isthmus keeps samples as they are in memory, which is little-endian")

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
    columns: Annotated[int, msgspec.Meta(ge=0, le=_INTEGER | _TEXT)]
    text: _Count

    def size(self) -> int:
        """Bytes of the columns, padding included."""
        return _padded(self.rows * (_FIXED + 8 * (self.columns & _INTEGER)) + self.text)


_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that are not what they should be."""

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
        text = b"" if samples.text is None else _encode(list(samples.text))
        columns = (_INTEGER if samples.integer is not None else 0) | (_TEXT if samples.text is not None else 0)
        rows = len(samples.index)
        block = _Block(
            samples.source, samples.epoch, samples.number, samples.tags, rows, samples.seen, columns, len(text)
        )
        blocks.append(block)
        pieces.append(_raw(samples.at, np.int64))
        pieces.append(_raw(samples.value, np.float64))
        if samples.integer is not None:
            pieces.append(_raw(samples.integer, np.int64))
        pieces.append(_raw(samples.index, np.uint32))
        pieces.append(_raw(samples.quality, np.uint32))
        pieces.append(_raw(samples.mark, np.uint8))
        pieces.append(text)
        pieces.append(_NOTHING[: -(rows * _FIXED + rows * 8 * (columns & _INTEGER) + len(text)) % 8])
    header = _encode(blocks)
    pieces[1] = len(header).to_bytes(4, "little")
    pieces[2] = header + _NOTHING[: -len(header) % 8]
    return b"".join(pieces)


def _raw(column: np.ndarray[tuple[int, ...], np.dtype[np.generic]], kind: type[np.generic]) -> bytes:
    return np.ascontiguousarray(column, kind).tobytes()


def unpack(message: bytes) -> list[Samples]:
    """What `pack` was given, as views of `message`.

    Raises Damaged for anything that is not wholly such a message, whatever the bytes.
    """
    blocks, offset = _header(message)
    stray = any(block.text and not block.columns & _TEXT for block in blocks)
    if stray or offset + sum(map(_Block.size, blocks)) != len(message):
        raise Damaged(f"{len(message)} bytes are not what their header announces")
    several = []
    for block in blocks:
        several.append(_columns(message, block, offset))
        offset += block.size()
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


def _columns(message: bytes, block: _Block, offset: int) -> Samples:
    rows, whole = block.rows, block.columns & _INTEGER
    value = offset + 8 * rows
    integer = value + 8 * rows
    index = integer + 8 * rows * whole
    mark = index + 8 * rows
    return Samples(
        source=block.source,
        epoch=block.epoch,
        number=block.number,
        tags=block.tags,
        index=np.frombuffer(message, np.uint32, rows, index),
        at=np.frombuffer(message, np.int64, rows, offset),
        quality=np.frombuffer(message, np.uint32, rows, index + 4 * rows),
        mark=np.frombuffer(message, np.uint8, rows, mark),
        value=np.frombuffer(message, np.float64, rows, value),
        integer=np.frombuffer(message, np.int64, rows, integer) if whole else None,
        text=_texts(message, block, mark + rows) if block.columns & _TEXT else None,
        seen=block.seen,
    )


def _texts(message: bytes, block: _Block, offset: int) -> list[str | None]:
    try:
        texts = _decode_text(memoryview(message)[offset : offset + block.text])
    except _UNREADABLE as error:
        raise Damaged(f"the texts of {block.source} cannot be read: {error}") from error
    if len(texts) != block.rows:
        raise Damaged(f"{block.source} has {len(texts)} texts for {block.rows} samples")
    return texts
