# SPDX-License-Identifier: Apache-2.0
"""What a question in SQL is answered from: one snapshot of the history and the tables that name what is in it.

All of it is given by the process that asks, so the one that answers needs no plant, no log and no manifest; of tags
that are not given it knows nothing. It travels as one block of bytes: a length, a header, Arrow tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import pyarrow as pa

from isthmus.store.history.kept import Kept
from isthmus.store.history.segment import Segment

MEGABYTE: Final = 1_000_000

_HEAD: Final = 8
"""Bytes of the header's length."""
_PLACE: Final = 64
"""Tables begin at multiples of so many bytes."""


class Limits(msgspec.Struct, frozen=True):
    """What one answer may cost."""

    rows: int = 10_000
    """Of the answer; what is beyond is left out, which the answer says."""
    seconds: float = 30.0
    memory: int = 512 * MEGABYTE
    """Bytes for DuckDB; the process as a whole may take about twice as much."""
    size: int = 256 * MEGABYTE
    """Bytes of the answer."""


class Column(msgspec.Struct, frozen=True, array_like=True):
    """A column of the view of an asset type."""

    name: str
    type: str
    """`DataType` of the tags; `float` where they differ."""
    tags: tuple[tuple[int, int], ...]
    """(which asset, which tag): positions in the view's assets, and in the table `tags`."""


class AssetView(msgspec.Struct, frozen=True, array_like=True):
    """The view of an asset type: which assets, which columns."""

    name: str
    assets: tuple[str, ...]
    """Paths."""
    columns: tuple[Column, ...]


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot, without the tables."""

    folder: str
    """Where the history lies."""
    segments: tuple[Segment, ...]
    kept: tuple[Kept, ...]
    assets: tuple[AssetView, ...]
    now: int
    """ns: what the question takes for now."""
    zone: str
    """The plant's time zone."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the answering process is told."""

    sql: str
    limits: Limits
    given: Given
    tables: dict[str, tuple[int, int]] = {}
    """Name → where its bytes begin after the header, and how many they are."""


def pack(question: Question, tables: Mapping[str, pa.Table]) -> bytes:
    """The question and its tables as one block."""
    bodies, places, end = [], {}, 0
    for name, table in tables.items():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        body = sink.getvalue().to_pybytes()
        places[name] = (end, len(body))
        bodies.append(body.ljust(-(-len(body) // _PLACE) * _PLACE, b"\0"))
        end += len(bodies[-1])
    head = msgspec.msgpack.encode(msgspec.structs.replace(question, tables=places))
    padded = head.ljust(-(-(len(head) + _HEAD) // _PLACE) * _PLACE - _HEAD, b"\0")
    return b"".join((len(head).to_bytes(4, "little"), len(padded).to_bytes(4, "little"), padded, *bodies))


def unpack(block: memoryview) -> tuple[Question, dict[str, pa.Table]]:
    """What was packed; the tables lie in the block."""
    length, padded = int.from_bytes(block[:4], "little"), int.from_bytes(block[4:8], "little")
    question = msgspec.msgpack.decode(block[_HEAD : _HEAD + length], type=Question)
    start = _HEAD + padded
    return question, {
        name: pa.ipc.open_stream(pa.py_buffer(block[start + place : start + place + size])).read_all()
        for name, (place, size) in question.tables.items()
    }
