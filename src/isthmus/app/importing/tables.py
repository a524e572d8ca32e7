# SPDX-License-Identifier: Apache-2.0
"""Parquet and Arrow files: pieces of a file that knows its columns' types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from isthmus.app.importing.piece import Piece, Spot
from isthmus.app.sql.moments import values
from isthmus.core.errors import IsthmusError

ROWS: Final = 500_000
"""Rows of a piece at most."""


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """A Parquet file."""

    path: Path
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> ParquetTable:
        """Raises IsthmusError when it is none, or not all of it is there."""
        try:
            return cls(path, _distinct(path, pq.read_schema(path).names))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, "no Parquet file, or not all of it", error) from error

    def pieces(self, start: Spot) -> Iterator[Piece]:
        """From the row at `start` on."""
        done = 0
        with pq.ParquetFile(self.path) as file:
            size = self.path.stat().st_size
            for group in range(file.metadata.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if done + rows <= start.offset:
                    done += rows
                    continue
                for batch in self._batches(file, group):
                    part = batch.slice(max(start.offset - done, 0))
                    done += len(batch)
                    if len(part):
                        yield table_piece(part, done - len(part), round(size * done / file.metadata.num_rows))

    def _batches(self, file: pq.ParquetFile, group: int) -> Iterator[pa.RecordBatch]:
        try:
            yield from file.iter_batches(batch_size=ROWS, row_groups=[group], use_threads=True)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, f"row group {group} cannot be read", error) from error


@dataclass(frozen=True, slots=True)
class ArrowTable:
    """An Arrow IPC (Feather 2) file, or stream."""

    path: Path
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: Path) -> ArrowTable:
        """Raises IsthmusError when it is none, or not all of it is there."""
        try:
            with pa.memory_map(str(path)) as file:
                return cls(path, _distinct(path, _ipc(file).schema.names))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, "no Arrow file, or not all of it", error) from error

    def pieces(self, start: Spot) -> Iterator[Piece]:
        """From the row at `start` on."""
        done, size = 0, self.path.stat().st_size
        try:
            with pa.memory_map(str(self.path)) as file:
                for batch in _stream(_ipc(file)):
                    for first in range(0, len(batch), ROWS):
                        whole = batch.slice(first, ROWS)
                        part = whole.slice(max(start.offset - done, 0))
                        done += len(whole)
                        if len(part):
                            yield table_piece(part, done - len(part), min(file.tell(), size))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, f"cannot be read behind row {done}", error) from error


def _ipc(file: Any) -> Any:
    """A reader of a file, or of a stream where it is none."""
    try:
        return pa.ipc.open_file(file)
    except pa.ArrowInvalid:
        file.seek(0)
        return pa.ipc.open_stream(file)


def _stream(reader: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(reader, "get_batch"):
        yield from (reader.get_batch(i) for i in range(reader.num_record_batches))
    else:
        yield from reader


def table_piece(batch: pa.RecordBatch, first: int, done: int) -> Piece:
    """A batch whose first row is row `first` (counting from 0) of its file."""
    stop = first + len(batch)
    return Piece(
        columns=dict(zip(batch.schema.names, batch.columns, strict=True)),
        lines=np.arange(first + 1, stop + 1),
        next=Spot(stop, stop + 1),
        done=done,
        text=lambda row: ", ".join(_shown(column, row) for column in batch.columns),
    )


def _shown(column: pa.Array, row: int) -> str:
    """What stands in a row of a column, for a person."""
    try:
        return str(values(pa.chunked_array([column.slice(row, 1)]))[0])
    except IsthmusError:
        return "a time outside the years 1 to 9999"


def _distinct(path: Path, names: list[str]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise IsthmusError(f"two columns are called {name!r}", where=str(path), hint="rename one of them")
    return tuple(names)


def _unreadable(path: Path, what: str, error: Exception) -> IsthmusError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return IsthmusError(f"{what}: {reason}", where=str(path))
