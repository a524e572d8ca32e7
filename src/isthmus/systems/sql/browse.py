# SPDX-License-Identifier: Apache-2.0
"""What a database has: its tables and views, and their columns, as addresses of a plant file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Inspector, inspect
from sqlalchemy import types as sql

from isthmus.core.errors import IsthmusError, NotFound
from isthmus.core.tag import DataType
from isthmus.systems.contract import Found
from isthmus.systems.sql.address import check_address
from isthmus.systems.sql.spec import SqlSpec

_TYPES: Final[tuple[tuple[type[Any], DataType], ...]] = (
    (sql.Boolean, DataType.BOOLEAN),
    (sql.Integer, DataType.INTEGER),
    (sql.Numeric, DataType.FLOAT),
    (sql.Float, DataType.FLOAT),
    (sql.String, DataType.TEXT),
    (sql.Enum, DataType.TEXT),
    (sql.Uuid, DataType.TEXT),
    (sql.DateTime, DataType.TEXT),
    (sql.Date, DataType.TEXT),
    (sql.Time, DataType.TEXT),
    (sql.JSON, DataType.TEXT),
    (sql.NullType, DataType.TEXT),  # SQLite's columns without a type, and what else is read as text
)
_OTHERS: Final = ("information_schema",)


def found(connection: Connection, spec: SqlSpec, start: str | None) -> Sequence[Found]:
    """Every table with its columns below it; raises NotFound when nothing is called `start`."""
    inspector: Inspector = inspect(connection)
    everything = list(_tables(inspector, spec))
    if start is None:
        return everything
    below = [one for one in everything if one.path == start or one.path.startswith(f"{start}/")]
    if not below:
        raise NotFound(f"there is no {start!r} in it", hint="isthmus browse without a start lists all")
    return below


def _tables(inspector: Inspector, spec: SqlSpec) -> Iterator[Found]:
    own = inspector.default_schema_name
    for schema in inspector.get_schema_names():
        if schema in _OTHERS or schema.startswith("pg_"):
            continue
        for name in sorted([*inspector.get_table_names(schema), *inspector.get_view_names(schema)]):
            said = name if schema == own else f"{schema}.{name}"
            entry = next(
                (entry for entry, table in spec.tables.items() if table.table in (said, f"{schema}.{name}")), ""
            )
            path = f"{schema}/{name}"
            remark = "" if entry else "not under `tables` yet: what stands before the dot is a name given there"
            yield Found("", name, path, None)
            for column in inspector.get_columns(name, schema):
                yield _column(entry or "name", path, column, remark)


def _column(entry: str, path: str, column: Any, remark: str) -> Found:
    name = str(column["name"])
    type_ = next((type_ for class_, type_ in _TYPES if isinstance(column["type"], class_)), None)
    left_out, address = "", ""
    try:
        address = check_address(f"{entry}.{name}")
    except IsthmusError as error:
        type_, left_out = None, f"{error.what}: give it another name in a query"
    if type_ is None and not left_out:
        left_out = f"not a single value ({column['type']})"
    return Found(
        address,
        name,
        f"{path}/{name}",
        type_,
        description=column.get("comment") or "",
        left_out=left_out,
        remark=remark,
    )
