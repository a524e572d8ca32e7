# SPDX-License-Identifier: Apache-2.0
"""One table with a row for each sample: tag, time, value, quality, mark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from isthmus.core.tag import DataType
from isthmus.outputs.contract import Surroundings
from isthmus.outputs.sql.same import numbers
from isthmus.outputs.sql.spec import SqlOutputSpec
from isthmus.outputs.sql.staging import Staging
from isthmus.outputs.sql.tables import Column, Holds, Shape, quoted, run
from isthmus.outputs.words import Times
from isthmus.store.history.columns import Columns

COLUMNS: Final = (
    Column("tag", Holds.TEXT, must=True),
    Column("time", Holds.TIME, must=True),
    Column("value", Holds.NUMBER),
    Column("integer", Holds.LONG),
    Column("text", Holds.TEXT),
    Column("quality", Holds.WHOLE, must=True),
    Column("mark", Holds.WHOLE, must=True),
    Column("time_ns", Holds.WHOLE, must=True),
    Column("sample", Holds.WHOLE, must=True),
)
KEY: Final = ("tag", "time_ns", "sample")


class Narrow:
    """Writes samples into one table."""

    def __init__(self, spec: SqlOutputSpec, house: Surroundings, postgres: bool) -> None:
        self._postgres = postgres
        self._paths = {number: one.tag.path for number, one in house.tags.items()}
        self._unsigned = {number for number, one in house.tags.items() if one.tag.type is DataType.UNSIGNED}
        self._staging = Staging("incoming", COLUMNS, postgres)
        self.shapes: Sequence[Shape] = (Shape(spec.table, COLUMNS, KEY),)

    def prepare(self, connection: Connection) -> None:
        """What the connection needs before it stores."""
        self._staging.prepare(connection)

    def unfit(self, columns: Columns) -> dict[int, str]:
        """Rows that no such table takes, with why; the database is not asked."""
        return {}

    def store(self, connection: Connection, columns: Columns) -> None:
        """Stores samples, those that are there already once."""
        names = ", ".join(quoted(one.name) for one in COLUMNS)
        self._staging.fill(connection, COLUMNS, self._rows(columns))
        from_ = f"SELECT {names} FROM {self._staging.said} WHERE true"
        shape = self.shapes[0]
        run(connection, f"INSERT INTO {shape.said} ({names}) {from_} ON CONFLICT ({shape.same}) DO NOTHING")

    def _rows(self, columns: Columns) -> Iterator[tuple[Any, ...]]:
        tags = columns.tag.tolist()
        texts = texts_of(columns)
        whole = integers(columns, self._unsigned)
        if not self._postgres:
            whole, texts = _within_sqlite(whole, texts)
        return zip(
            map(self._paths.__getitem__, tags),
            times(columns),
            numbers_or_none(columns),
            whole,
            texts,
            columns.quality.tolist(),
            columns.mark.tolist(),
            columns.time.tolist(),
            numbers(columns).tolist(),
            strict=True,
        )


def times(columns: Columns) -> list[str]:
    """Times as ISO 8601 in microseconds: what PostgreSQL has, cut off and not rounded."""
    iso = Times().iso
    return [iso(at) for at in (columns.time // 1000 * 1000).tolist()]


def texts_of(columns: Columns) -> list[str | None]:
    """The text of each sample."""
    words = (None, *columns.words)
    return [words[code] for code in columns.text.tolist()]


def numbers_or_none(columns: Columns) -> list[float | None]:
    """The value of each sample, None where there is none."""
    listed: list[float | None] = columns.value.tolist()
    for row in np.flatnonzero(np.isnan(columns.value)).tolist():
        listed[row] = None
    return listed


def integers(columns: Columns, unsigned: set[int]) -> list[int | None]:
    """The exact whole number of each sample, None where there is none."""
    rows = zip(columns.integer.tolist(), columns.whole.tolist(), columns.tag.tolist(), strict=True)
    return [
        (number & 0xFFFF_FFFF_FFFF_FFFF if tag in unsigned else number) if whole else None
        for number, whole, tag in rows
    ]


def _within_sqlite(whole: list[int | None], texts: list[str | None]) -> tuple[list[int | None], list[str | None]]:
    """Whole numbers from 2^63 on, which SQLite does not have, as their digits."""
    for row, number in enumerate(whole):
        if number is not None and number >= 2**63:
            whole[row], texts[row] = None, str(number)
    return whole, texts
