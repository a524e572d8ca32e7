# SPDX-License-Identifier: Apache-2.0
"""The tables that samples are written to: what they must look like, made where they are not there, checked where
they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, inspect
from sqlalchemy import types as sql

from isthmus.core.errors import Refused


class Holds(Enum):
    """What a column holds: (type in PostgreSQL, type in SQLite)."""

    TIME = ("timestamp with time zone", "TEXT")
    NUMBER = ("double precision", "REAL")
    WHOLE = ("bigint", "INTEGER")
    LONG = ("numeric(20)", "INTEGER")
    """Whole numbers of 64 bits, signed or not."""
    TRUTH = ("boolean", "INTEGER")
    TEXT = ("text", "TEXT")

    def written(self, postgres: bool) -> str:
        """As CREATE TABLE has it."""
        return self.value[0 if postgres else 1]


_FITS: Final[dict[Holds, tuple[type[Any], ...]]] = {
    Holds.TIME: (sql.DateTime,),
    Holds.NUMBER: (sql.Float, sql.Numeric),
    Holds.WHOLE: (sql.BigInteger, sql.Numeric),
    Holds.LONG: (sql.Numeric, sql.BigInteger),
    Holds.TRUTH: (sql.Boolean,),
    Holds.TEXT: (sql.String,),
}
"""Types of PostgreSQL that will do."""
_LOOSE: Final = {"REAL": "REAL", "DOUBLE": "REAL", "FLOAT": "REAL", "INT": "INTEGER", "BOOL": "INTEGER", "CHAR": "TEXT"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column."""

    name: str
    holds: Holds
    must: bool = False
    """NOT NULL."""
    default: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table as it must be."""

    name: str
    """With its schema, where one is said: `plant.samples`."""
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def schema(self) -> str | None:
        return self.name.rpartition(".")[0] or None

    @property
    def said(self) -> str:
        """Its name in SQL."""
        return ".".join(quoted(part) for part in self.name.split("."))

    @property
    def same(self) -> str:
        """Its key in SQL: who agrees in it is there already. Of no other constraint of a table that can be said."""
        return ", ".join(map(quoted, self.key))

    def made(self, postgres: bool) -> str:
        """The statement that makes it."""
        columns = ",\n".join(f"  {_column(one, postgres)}" for one in self.columns)
        return f"CREATE TABLE {self.said} (\n{columns},\n  PRIMARY KEY ({self.same})\n)"

    def widened(self, column: Column, postgres: bool) -> str:
        """The statement that gives it one more column."""
        return f"ALTER TABLE {self.said} ADD COLUMN {_column(column, postgres)}"


def quoted(name: str) -> str:
    """A name as SQL has it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def run(connection: Connection, statement: str) -> Any:
    """Does a statement as it is written: nothing in it is a parameter."""
    return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def _column(column: Column, postgres: bool) -> str:
    more = (" NOT NULL" if column.must else "") + (f" DEFAULT {column.default}" if column.default else "")
    return f"{quoted(column.name)} {column.holds.written(postgres)}{more}"


def ensure(connection: Connection, shape: Shape, *, postgres: bool, create: bool, place: str) -> None:
    """Makes the table, or the columns it does not have. Raises Refused where it is not what it must be."""
    inspector, schema, name = inspect(connection), shape.schema, shape.name.rpartition(".")[2]
    if not inspector.has_table(name, schema):
        _may(create, f"there is no table {shape.name}", place)
        if schema is not None and postgres and schema not in inspector.get_schema_names():
            run(connection, f"CREATE SCHEMA {quoted(schema)}")
        run(connection, shape.made(postgres))
        return
    there = {str(one["name"]): one["type"] for one in inspector.get_columns(name, schema)}
    for column in shape.columns:
        if column.name not in there:
            _may(create and not column.must, f"table {shape.name} has no column {column.name!r}", place)
            run(connection, shape.widened(column, postgres))
        elif not _fits(column.holds, there[column.name], postgres):
            raise Refused(
                f"column {column.name!r} of table {shape.name} is {there[column.name]}, not "
                f"{column.holds.written(postgres)}",
                where=place,
                hint="change its type, or name another table",
            )
    unique = [inspector.get_pk_constraint(name, schema)["constrained_columns"]]
    unique += [one["column_names"] for one in inspector.get_unique_constraints(name, schema)]
    if not any(set(columns) == set(shape.key) for columns in unique):
        key = ", ".join(shape.key)
        raise Refused(
            f"table {shape.name} has no primary key ({key})", where=place, hint="give it one, or name another"
        )


def _may(create: bool, problem: str, place: str) -> None:
    if not create:
        raise Refused(problem, where=place)


def _fits(holds: Holds, type_: Any, postgres: bool) -> bool:
    if postgres:
        zoned = holds is not Holds.TIME or bool(getattr(type_, "timezone", False))
        return zoned and isinstance(type_, _FITS[holds])
    written = str(type_).upper()
    affinity = next((affinity for word, affinity in _LOOSE.items() if word in written), written)
    return affinity in (holds.value[1], "NUMERIC" if holds.value[1] != "TEXT" else "TEXT")


def missing(shapes: Sequence[Shape], postgres: bool) -> str:
    """All statements that make the tables, for somebody who may."""
    return "".join(f"{shape.made(postgres)};\n" for shape in shapes)
