# SPDX-License-Identifier: Apache-2.0
"""JSON lines, and JSON documents that are a list of objects: pieces whose columns are the objects' keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from isthmus.app.importing.blocks import Block, Text, blocks
from isthmus.app.importing.piece import Piece, Reading, Refusal, Spot
from isthmus.core.errors import IsthmusError

_ROW: Final = msgspec.json.Decoder(dict[str, Any])
_DOCUMENT: Final = 1 << 30
"""Bytes that a JSON document may have; lines have no such limit."""

_PIECE: Final = 200_000
"""Rows of a piece of a document."""


@dataclass(frozen=True, slots=True)
class JsonLines:
    """A file with one object a line."""

    path: Path
    reading: Reading
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: Path, reading: Reading) -> JsonLines:
        """Reads the first rows. Raises IsthmusError when there is no object in them."""
        text = Text(path, reading.encoding)
        try:
            block = next(blocks(text, Spot(), quotes=False), None)
        finally:
            text.close()
        if block is None:
            raise IsthmusError("is empty", where=str(path))
        rows, _, why = _decoded(block, np.arange(min(len(block.ends), 1000)))
        if not rows:
            raise IsthmusError(f"is not one JSON object a line: {why}", where=f"{path}:{int(block.lines[0])}")
        return cls(path, reading, tuple({name: None for row in rows for name in row}))

    def pieces(self, start: Spot) -> Iterator[Piece]:
        """From `start` on."""
        text = Text(self.path, self.reading.encoding)
        try:
            for block in blocks(text, start, quotes=False):
                yield _piece(block)
        finally:
            text.close()


def _piece(block: Block) -> Piece:
    try:
        rows: list[dict[str, Any]] = _ROW.decode_lines(block.data)
        kept = np.arange(len(rows))
        if len(rows) != len(block.ends):
            raise msgspec.DecodeError("blank lines")
        wrong: NDArray[np.intp] = np.zeros(0, np.intp)
    except (msgspec.DecodeError, UnicodeDecodeError):
        rows, (kept, wrong), _ = _decoded(block, np.arange(len(block.ends)))
    shown = Refusal("not one JSON object", block.lines[wrong], lambda: [_shown(block.row(int(i))) for i in wrong])
    return Piece(
        columns=columns_of(rows),
        lines=block.lines[kept],
        next=block.next,
        done=block.done,
        text=lambda row: _shown(block.row(int(kept[row]))),
        refused=[shown] if len(wrong) else [],
    )


def _decoded(
    block: Block, places: NDArray[np.intp]
) -> tuple[list[dict[str, Any]], tuple[NDArray[np.intp], NDArray[np.intp]], str]:
    """The objects of some rows, which rows they are and which are none, and why the first is none."""
    rows, kept, wrong, why = [], [], [], ""
    for place in places.tolist():
        line = block.row(place).strip()
        if not line:
            continue
        try:
            rows.append(_ROW.decode(line))
            kept.append(place)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            why = why or str(error)
            wrong.append(place)
    return rows, (np.array(kept, np.intp), np.array(wrong, np.intp)), why


def columns_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Key → a value per row, None where it has none."""
    names = {name: None for row in rows for name in row}
    return {name: [row.get(name) for row in rows] for name in names}


def _shown(row: bytes) -> str:
    return row[:1000].decode(errors="replace").rstrip("\r\n")


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A file that is one list of objects, or has one under `samples`, as `isthmus history --format json` writes."""

    path: Path
    rows: Sequence[dict[str, Any]]
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: Path, reading: Reading) -> JsonDocument:
        """Reads it all. Raises IsthmusError when it is no such document, or a large one."""
        text = Text(path, reading.encoding)
        try:
            data = b""
            while more := text.read():
                data += more
                if len(data) > _DOCUMENT:
                    raise IsthmusError("is a large JSON document", where=str(path), hint="write JSON lines instead")
        finally:
            text.close()
        try:
            found = msgspec.json.decode(data)
            rows = found.get("samples") if isinstance(found, dict) else found
            rows = msgspec.convert(rows, list[dict[str, Any]])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise IsthmusError(f"is not a list of JSON objects: {error}", where=str(path)) from error
        return cls(path, rows, tuple({name: None for row in rows[:1000] for name in row}))

    def pieces(self, start: Spot) -> Iterator[Piece]:
        """From the row at `start` on."""
        size = self.path.stat().st_size
        for first in range(start.offset, len(self.rows), _PIECE):
            some = self.rows[first : first + _PIECE]
            stop = first + len(some)
            yield Piece(
                columns=columns_of(some),
                lines=np.arange(first + 1, stop + 1),
                next=Spot(stop, stop + 1),
                done=round(size * stop / len(self.rows)),
                text=lambda row, some=some: msgspec.json.encode(some[row]).decode(),  # type: ignore[misc]  # the default binds it now
            )
