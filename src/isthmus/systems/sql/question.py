# SPDX-License-Identifier: Apache-2.0
"""What a table is asked: its columns, the rows beyond the watermark, those behind it. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    Connection,
    FromClause,
    Select,
    bindparam,
    column,
    func,
    literal_column,
    select,
    table,
    text,
    tuple_,
)
from sqlalchemy.sql.elements import ColumnClause, ColumnElement, quoted_name
from sqlalchemy.types import NullType

from isthmus.systems.sql.spec import Table
from isthmus.systems.sql.window import Place

_UNTYPED: Final = NullType()
"""The database says itself what it compares its columns with."""


def _named(name: str) -> Any:
    return quoted_name(name, True)


def source(spec: Table, columns: Sequence[str]) -> FromClause:
    """What stands behind FROM, as `t`; columns are named with it: SQLite takes one that is not there for text."""
    wanted: list[ColumnClause[Any]] = [column(_named(name)) for name in columns]
    if spec.query is not None:
        plain = spec.query.strip().rstrip(";").replace(":", r"\:")
        return text(f"{plain}\n").columns(*wanted).subquery("t")
    schema, _, name = (spec.table or "").rpartition(".")
    return table(_named(name), *wanted, schema=_named(schema) if schema else None).alias("t")


def column_names(connection: Connection, spec: Table) -> list[str]:
    """The columns there are."""
    from_ = source(spec, ())
    if spec.query is not None:
        plain = spec.query.strip().rstrip(";").replace(":", r"\:")
        return list(connection.execute(text(f"SELECT * FROM ({plain}\n) AS t LIMIT 0")).keys())
    return list(connection.execute(select(literal_column("*")).select_from(from_).limit(0)).keys())


def needed(spec: Table) -> tuple[str, ...]:
    """The columns that every row is read with; those of `order` and `key` come first."""
    quality = (spec.quality,) if spec.quality else ()
    return tuple(dict.fromkeys((*spec.ordered_by, *spec.keyed_by, spec.time, *quality, *spec.told)))


class Question:
    """The SELECTs of one table."""

    def __init__(self, spec: Table, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._from = source(spec, columns)
        self._order = [self._from.c[name] for name in spec.ordered_by]
        self._key = [self._from.c[name] for name in spec.keyed_by]
        self._where: list[ColumnElement[Any]] = [literal_column(f"({spec.where}\n)")] if spec.where else []

    def ahead(self, mark: Place | None, most: int) -> Select[Any]:
        """The first rows beyond the watermark, in order; without one from the first row on."""
        by = [*self._order, *self._key]
        beyond = [_compared(by, mark) > _bound(mark)] if mark is not None else []
        return self._select(beyond).order_by(*by).limit(most)

    def behind(self, floor: Place | None, mark: Place, beyond: bool, most: int) -> Select[Any]:
        """Rows from the floor to the watermark, in order."""
        return self._select(self._within(floor, mark, beyond)).order_by(*self._order, *self._key).limit(most)

    def count(self, floor: Place | None, mark: Place, beyond: bool) -> Select[Any]:
        """How many rows there are from the floor to the watermark."""
        return self._select(self._within(floor, mark, beyond)).with_only_columns(
            func.count(), maintain_column_froms=True
        )

    def _within(self, floor: Place | None, mark: Place, beyond: bool) -> list[Any]:
        within: list[Any] = [_compared([*self._order, *self._key], mark) <= _bound(mark)]
        if floor is not None:
            low = _compared(self._order, floor)
            within.append(low > _bound(floor) if beyond else low >= _bound(floor))
        return within

    def last(self, most: int) -> Select[Any]:
        """The last rows there are, the very last one first."""
        return self._select(()).order_by(*(one.desc() for one in (*self._order, *self._key))).limit(most)

    def _select(self, conditions: Iterable[Any]) -> Select[Any]:
        wanted = [self._from.c[name] for name in self.columns]
        there = [one.is_not(None) for one in self._order]
        return select(*wanted).where(*self._where, *there, *conditions)


def _compared(columns: Sequence[ColumnElement[Any]], place: Place | None) -> Any:
    return columns[0] if len(columns) == 1 else tuple_(*columns)


def _bound(place: Place) -> Any:
    bound = [bindparam(None, value, type_=_UNTYPED, unique=True) for value in place]
    return bound[0] if len(bound) == 1 else tuple_(*bound)
