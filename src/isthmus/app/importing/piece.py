# SPDX-License-Identifier: Apache-2.0
"""A piece is some rows of a file as its columns, with the lines they stand on and where the next piece begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Column: TypeAlias = "pa.Array | list[Any]"
"""n values: an Arrow array, or Python values where a JSON file mixes types."""


class Spot(msgspec.Struct, frozen=True, array_like=True):
    """Where in a file reading goes on: nothing before it is read again."""

    offset: int = 0
    """Bytes of text (decompressed, UTF-8), or rows of a table file."""
    line: int = 1
    """Number of the line, or row, that begins there."""


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How files are to be read: what people say on the command line."""

    tag_column: str = ""
    time_column: str = ""
    value_column: str = ""
    quality_column: str = ""
    unit_column: str = ""
    time_format: str = ""
    """strptime, or `s`, `ms`, `us`, `ns` since 1970, `excel`, `filetime`; empty: ISO 8601."""
    time_zone: str = ""
    """Of times without an offset; empty: the plant's for texts, UTC for Parquet and Arrow."""
    fold: str = ""
    """`first` or `second`: which one a time means that the clock shows twice; empty: such rows are refused."""
    quality_as: str = ""
    """`opcua` or `opcda`: what numbers of a quality column are."""
    decimal: str = "."
    delimiter: str = ""
    encoding: str = "utf-8"
    skip: int = 0
    """Lines before the heading."""
    header: tuple[str, ...] = ()
    """Names of the columns of a file without a heading."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Rows of a piece that are not taken, for one reason."""

    reason: str
    lines: NDArray[np.int64]
    texts: Callable[[], Sequence[str]]
    """The rows as they are written, in the order of `lines`."""


@dataclass(frozen=True, slots=True)
class Piece:
    """n rows."""

    columns: dict[str, Column]
    """Heading → (n,) values."""
    lines: NDArray[np.int64]
    """(n,) line of each row, counting from 1; the row's number in a table file."""
    next: Spot
    """Where the next piece begins."""
    done: int
    """Bytes of the file on the disk that were read so far, about."""
    text: Callable[[int], str]
    """The i-th row as it is written, for people."""
    refused: Sequence[Refusal] = ()
    """What is no row at all."""

    def __len__(self) -> int:
        return len(self.lines)

    def refuse(self, reason: str, rows: NDArray[np.intp]) -> Refusal:
        """These rows are not taken."""
        return Refusal(reason, self.lines[rows], lambda: [self.text(row) for row in rows.tolist()])
