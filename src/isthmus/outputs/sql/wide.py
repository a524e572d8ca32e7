# SPDX-License-Identifier: Apache-2.0
"""A table for each asset type: a row for each asset and time, a column for each tag and one for its quality.

What an asset's tags are at one time stands in one row, whenever and in whatever deliveries it comes. A second value of
a tag at one time is as real as the first and gets a row of its own, whose `sample` is not 0.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection

from isthmus.core.tag import DataType
from isthmus.outputs.contract import Surroundings
from isthmus.outputs.sql.narrow import integers, numbers_or_none, texts_of, times
from isthmus.outputs.sql.same import numbers
from isthmus.outputs.sql.spec import SqlOutputSpec
from isthmus.outputs.sql.staging import Staging
from isthmus.outputs.sql.tables import Column, Holds, Shape, quoted, run
from isthmus.plant.revision import TagSetting
from isthmus.store.history.columns import Columns

FIRST: Final = (
    Column("time", Holds.TIME, must=True),
    Column("asset", Holds.TEXT, must=True),
    Column("time_ns", Holds.WHOLE, must=True),
    Column("sample", Holds.WHOLE, must=True, default="0"),
)
KEY: Final = ("asset", "time_ns", "sample")
UNTYPED: Final = "untyped"
"""The table of what hangs on assets without a type."""
LONGEST: Final = 63
"""Bytes of a name in PostgreSQL."""
QUALITY: Final = "_quality"
"""What the name of a column ends with that has the quality of another."""
_OURS: Final = frozenset(one.name for one in FIRST)
_HOLDS: Final = {
    DataType.FLOAT: Holds.NUMBER,
    DataType.BOOLEAN: Holds.TRUTH,
    DataType.INTEGER: Holds.WHOLE,
    DataType.ENUMERATION: Holds.WHOLE,
    DataType.UNSIGNED: Holds.LONG,
    DataType.TEXT: Holds.TEXT,
}
_OTHER = re.compile(r"\W+")

Cell = tuple[Any, int]
"""Value and quality."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where the samples of a tag go."""

    table: str
    asset: str
    column: str
    holds: Holds


@dataclass(slots=True)
class _Table:
    """One table, as it grows out of the plant's tags."""

    columns: dict[str, Column] = field(default_factory=dict)
    taken: dict[tuple[str, str], int] = field(default_factory=dict)
    """(asset, column) → the tag that has it."""

    def place(self, asset: str, name: str, holds: Holds, number: int) -> str:
        """Makes room for a tag; why there is none, empty where there is."""
        if len(f"{name}{QUALITY}".encode()) > LONGEST:
            return f"its column would have a name of more than {LONGEST - len(QUALITY)} bytes"
        known = self.columns.get(name)
        if known is not None and known.holds is not holds:
            return f"column {name!r} is {known.holds.value[0]} for other assets of the type, not {holds.value[0]}"
        beside = (f"{name}{QUALITY}", name.removesuffix(QUALITY)) if name.endswith(QUALITY) else (f"{name}{QUALITY}",)
        if name in _OURS or any(one in self.columns for one in beside):
            return f"the table has another column {name!r}"
        if self.taken.setdefault((asset, name), number) != number:
            return f"column {name!r} has the values of another tag of the asset"
        self.columns[name] = Column(name, holds)
        return ""


class Wide:
    """Writes samples into a table for each asset type."""

    def __init__(self, spec: SqlOutputSpec, house: Surroundings, postgres: bool) -> None:
        self._postgres = postgres
        types = {asset.path: asset.type.partition("@")[0] for asset in house.revision.assets}
        self._spots: dict[int, Spot] = {}
        self._nowhere: dict[int, str] = {}
        self._unsigned = {number for number, one in house.tags.items() if one.tag.type is DataType.UNSIGNED}
        tables: dict[str, _Table] = {}
        for number, one in sorted(house.tags.items()):
            self._arrange(number, one, types, spec.prefix, tables)
        self.shapes: Sequence[Shape] = tuple(Shape(name, _columns(tables[name]), KEY) for name in sorted(tables))
        self._stagings = {
            shape.name: Staging(f"incoming_{place}", shape.columns, postgres) for place, shape in enumerate(self.shapes)
        }

    def _arrange(
        self, number: int, setting: TagSetting, types: dict[str, str], prefix: str, tables: dict[str, _Table]
    ) -> None:
        asset, _, name = setting.tag.path.rpartition("/")
        table = f"{prefix}{_plain(types.get(asset) or UNTYPED)}"
        holds, column = _HOLDS[setting.tag.type], _plain(name)
        problem = tables.setdefault(table, _Table()).place(asset, column, holds, number)
        if problem:
            self._nowhere[number] = problem
        else:
            self._spots[number] = Spot(table, asset, column, holds)

    def prepare(self, connection: Connection) -> None:
        """What the connection needs before it stores."""
        for staging in self._stagings.values():
            staging.prepare(connection)

    def unfit(self, columns: Columns) -> dict[int, str]:
        """Rows that no such table takes, with why; the database is not asked."""
        tags = columns.tag.tolist()
        found = {row: self._nowhere[tag] for row, tag in enumerate(tags) if tag in self._nowhere}
        if not self._postgres:
            for row, number in enumerate(integers(columns, self._unsigned)):
                if number is not None and number >= 2**63:
                    found[row] = "SQLite has no whole numbers from 2^63 on"
        return found

    def store(self, connection: Connection, columns: Columns) -> None:
        """Stores samples, those that are there already once."""
        merging: dict[str, _Merging] = {}
        for cell in self._cells(columns):
            merging.setdefault(cell[0].table, _Merging()).add(*cell)
        for shape in self.shapes:
            if shape.name in merging:
                _Merge(connection, shape, self._stagings[shape.name], self._postgres).all(merging[shape.name])

    def _cells(self, columns: Columns) -> Iterator[tuple[Spot, int, str, Cell, int]]:
        """(where it goes, time in ns, as text, value and quality, what tells it apart) of each sample."""
        values, whole = numbers_or_none(columns), integers(columns, self._unsigned)
        texts, quality, same = texts_of(columns), columns.quality.tolist(), numbers(columns, marks=False).tolist()
        rows = zip(columns.tag.tolist(), columns.time.tolist(), times(columns), strict=True)
        for row, (tag, at, iso) in enumerate(rows):
            spot = self._spots[tag]
            match spot.holds:
                case Holds.NUMBER:
                    value: Any = values[row]
                case Holds.TRUTH:
                    value = None if (said := values[row]) is None else said != 0
                case Holds.TEXT:
                    value = texts[row]
                case _:
                    value = whole[row]
            yield spot, at, iso, (value, quality[row]), same[row]


@dataclass(slots=True)
class _Merging:
    """What goes into one table."""

    rows: dict[tuple[str, int], dict[str, Cell]] = field(default_factory=dict)
    """(asset, time in ns) → column → value and quality."""
    times: dict[int, str] = field(default_factory=dict)
    columns: dict[str, None] = field(default_factory=dict)
    same: dict[tuple[str, int, str], int] = field(default_factory=dict)
    """(asset, time in ns, column) → what tells the sample apart."""
    more: list[tuple[str, int, str, Cell, int]] = field(default_factory=list)
    """Second values: asset, time, column, value and quality, what tells it apart."""

    def add(self, spot: Spot, at: int, iso: str, cell: Cell, same: int) -> None:
        row = self.rows.setdefault((spot.asset, at), {})
        self.times[at], self.columns[spot.column] = iso, None
        if spot.column not in row:
            row[spot.column] = cell
            self.same[spot.asset, at, spot.column] = same
        elif row[spot.column] != cell:
            self.more.append((spot.asset, at, spot.column, cell, same))


class _Merge:
    """Brings cells into one table, in the transaction that is open."""

    def __init__(self, connection: Connection, shape: Shape, staging: Staging, postgres: bool) -> None:
        self._connection, self._shape, self._staging, self._postgres = connection, shape, staging, postgres

    def all(self, merging: _Merging) -> None:
        """First values into the rows of their assets and times; what finds another value there into rows of its own."""
        columns = list(merging.columns)
        rows = [
            (merging.times[at], asset, at, 0, *_flat(cells, columns)) for (asset, at), cells in merging.rows.items()
        ]
        self._upsert(rows, columns)
        self._apart([*merging.more, *self._beaten(merging, columns)], merging.times)

    def _upsert(self, rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> None:
        self._staging.fill(self._connection, self._named(columns), rows)
        table = self._shape.said
        taken = ", ".join(
            f"{c} = CASE WHEN {table}.{q} IS NULL THEN EXCLUDED.{c} ELSE {table}.{c} END, "
            f"{q} = COALESCE({table}.{q}, EXCLUDED.{q})"
            for c, q in _pairs(columns)
        )
        self._insert(columns, f"DO UPDATE SET {taken}")

    def _insert(self, columns: Sequence[str], conflict: str) -> None:
        names = ", ".join(quoted(one.name) for one in self._named(columns))
        self._do(
            f"INSERT INTO {self._shape.said} ({names}) SELECT {names} FROM {self._staging.said} WHERE true "
            f"ON CONFLICT ({self._shape.same}) {conflict}"
        )

    def _beaten(self, merging: _Merging, columns: Sequence[str]) -> Iterator[tuple[str, int, str, Cell, int]]:
        """Cells whose place holds another value."""
        other = "IS DISTINCT FROM" if self._postgres else "IS NOT"
        differs = " OR ".join(
            f"(i.{q} IS NOT NULL AND (i.{c} {other} t.{c} OR i.{q} {other} t.{q}))" for c, q in _pairs(columns)
        )
        shown = ", ".join(f"i.{c} {other} t.{c} OR i.{q} {other} t.{q}" for c, q in _pairs(columns))
        found = self._do(
            f"SELECT i.asset, i.time_ns, {shown} FROM {self._staging.said} AS i JOIN {self._shape.said} AS t "
            f"ON t.asset = i.asset AND t.time_ns = i.time_ns AND t.sample = 0 WHERE {differs}"
        )
        for asset, at, *beaten in found.fetchall():
            cells = merging.rows[asset, at]
            for column, lost in zip(columns, beaten, strict=True):
                if lost and column in cells:
                    yield asset, at, column, cells[column], merging.same[asset, at, column]

    def _apart(self, more: Iterable[tuple[str, int, str, Cell, int]], times_: dict[int, str]) -> None:
        by_column: dict[str, list[tuple[Any, ...]]] = {}
        for asset, at, column, cell, same in more:
            row = (times_[at], asset, at, _apart(column, same), *cell)
            by_column.setdefault(column, []).append(row)
        for column, rows in by_column.items():
            self._staging.fill(self._connection, self._named([column]), rows)
            self._insert([column], "DO NOTHING")

    def _named(self, columns: Sequence[str]) -> list[Column]:
        by_name = {one.name: one for one in self._shape.columns}
        return [*FIRST, *(by_name[name] for column in columns for name in (column, f"{column}{QUALITY}"))]

    def _do(self, statement: str) -> Any:
        return run(self._connection, statement)


def _pairs(columns: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((quoted(column), quoted(f"{column}{QUALITY}")) for column in columns)


def _flat(cells: dict[str, Cell], columns: Iterable[str]) -> Iterator[Any]:
    for column in columns:
        yield from cells.get(column, (None, None))


def _apart(column: str, same: int) -> int:
    """The number in `sample` of a second value; never 0, which is the first's."""
    digest = hashlib.blake2b(f"{column} {same}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def _plain(name: str) -> str:
    """A name that needs no quotes in SQL, but for words of its own: `heat-jacket` → `heat_jacket`."""
    return _OTHER.sub("_", name).lower()


def _columns(table: _Table) -> tuple[Column, ...]:
    pairs = ((one, Column(f"{one.name}{QUALITY}", Holds.WHOLE)) for one in table.columns.values())
    return (*FIRST, *(column for pair in pairs for column in pair))
