# SPDX-License-Identifier: Apache-2.0
"""CSV and its kin: pieces of a file of rows with a delimiter between their fields, every field as text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

from isthmus.app.importing.blocks import Block, Text, blocks
from isthmus.app.importing.piece import Piece, Reading, Refusal, Spot
from isthmus.core.errors import IsthmusError

_DELIMITERS: Final = ",;\t|"
_LONGEST_HEADING: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Delimited:
    """A file of rows: how it is written and where its rows begin."""

    path: Path
    reading: Reading
    header: tuple[str, ...]
    delimiter: str
    start: Spot

    @classmethod
    def open(cls, path: Path, reading: Reading) -> Delimited:
        """Reads the heading. Raises IsthmusError when there is none, or it names two columns alike."""
        head, start = _head(path, reading)
        delimiter = reading.delimiter or max(_DELIMITERS, key=lambda one: _outside(head, one))
        if reading.header:
            return cls(path, reading, reading.header, delimiter, start)
        names = next(csv.reader([head], delimiter=delimiter, skipinitialspace=True), [])
        header = tuple(name.strip() for name in names)
        line = f"{path}:{reading.skip + 1}"
        for name in header:
            if name and header.count(name) > 1:
                raise IsthmusError(f"two columns are called {name!r}", where=line, hint="rename one of them")
        if not any(header):
            raise IsthmusError("there is no heading with the columns' names", where=line, hint="or say --header")
        return cls(path, reading, header, delimiter, start)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that have a name."""
        return tuple(name for name in self.header if name)

    def pieces(self, start: Spot) -> Iterator[Piece]:
        """From `start` (the beginning: what `Spot()` is) on."""
        text = Text(self.path, self.reading.encoding)
        try:
            for block in blocks(text, max(start, self.start, key=lambda spot: spot.offset), quotes=True):
                yield self._piece(block)
        finally:
            text.close()

    def _piece(self, block: Block) -> Piece:
        block, wrong = self._legible(block)
        odd: list[int] = []

        def keep_out(row: Any) -> str:
            odd.append(row.number - 1)
            return "skip"

        table = self._parsed(block, keep_out)
        places = np.array(odd, np.intp)
        ragged = np.array([place for place in odd if block.row(place).strip()], np.intp)
        kept = np.setdiff1d(np.arange(len(block.ends)), places)
        blank = _blank(table)
        if blank is not None:
            table, kept = table.filter(pa.array(~blank)), kept[~blank]
        columns = {name: table.column(i).combine_chunks() for i, name in enumerate(self.header) if name}
        reason = f"not {len(self.header)} fields"
        refused = [*wrong, *([_refusal(block, reason, ragged)] if len(ragged) else [])]
        return Piece(
            columns=columns,
            lines=block.lines[kept],
            next=block.next,
            done=block.done,
            text=lambda row: _shown(block.row(int(kept[row]))),
            refused=refused,
        )

    def _legible(self, block: Block) -> tuple[Block, list[Refusal]]:
        """The block without rows that are not UTF-8."""
        try:
            block.data.decode()
        except UnicodeDecodeError:
            rows = np.array([i for i in range(len(block.ends)) if not _is_text(block.row(i))], np.intp)
            reason = "not UTF-8; --encoding says how a file is written, such as windows-1252"
            return block.without(rows), [_refusal(block, reason, rows)]
        return block, []

    def _parsed(self, block: Block, keep_out: Any) -> pa.Table:
        names = [str(i) for i in range(len(self.header))]
        if not block.data:
            return pa.table({name: pa.array([], pa.string()) for name in names})
        return read_csv(
            pa.BufferReader(block.data),
            read_options=ReadOptions(column_names=names, use_threads=False, block_size=len(block.data) + 1),
            parse_options=ParseOptions(
                delimiter=self.delimiter,
                newlines_in_values=b'"' in block.data,
                ignore_empty_lines=False,
                invalid_row_handler=keep_out,
            ),
            convert_options=ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def _head(path: Path, reading: Reading) -> tuple[str, Spot]:
    """The heading's row, and where the first row of values begins."""
    text = Text(path, reading.encoding)
    try:
        data = text.read()
        if not data.strip(b"\r\n\t \x00"):
            raise IsthmusError("is empty", where=str(path))
    finally:
        text.close()
    lines = data[:_LONGEST_HEADING].splitlines(keepends=True)[: reading.skip + 1]
    if len(lines) <= reading.skip:
        raise IsthmusError(f"has no more than {len(lines)} lines", where=str(path), hint="--skip is too large")
    try:
        head = lines[-1].decode()
    except UnicodeDecodeError as error:
        hint = "say how the file is written with --encoding, such as windows-1252"
        raise IsthmusError("the heading is not UTF-8", where=f"{path}:{reading.skip + 1}", hint=hint) from error
    before = b"".join(lines[: reading.skip])
    if reading.header:
        return head, Spot(len(before), reading.skip + 1)
    return head.strip("\r\n"), Spot(len(before) + len(lines[-1]), reading.skip + 2)


def _outside(line: str, delimiter: str) -> int:
    """How often a delimiter stands outside quotes."""
    return sum(part.count(delimiter) for part in line.split('"')[::2])


def _blank(table: pa.Table) -> NDArray[np.bool_] | None:
    """Which rows have nothing in any field; None when none has."""
    import pyarrow.compute as pc

    empty = np.ones(len(table), np.bool_)
    for column in table.columns:
        empty &= pc.is_null(column).to_numpy()
        if not empty.any():
            return None
    return empty


def _is_text(row: bytes) -> bool:
    try:
        row.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refusal(block: Block, reason: str, rows: NDArray[np.intp]) -> Refusal:
    return Refusal(reason, block.lines[rows], lambda: [_shown(block.row(int(row))) for row in rows])


def _shown(row: bytes) -> str:
    return row[:1000].decode(errors="replace").rstrip("\r\n")
