# SPDX-License-Identifier: Apache-2.0
"""What a database has: its tables and views, and their columns, as addresses of a plant file."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from itertools import chain, count
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


TIMES: Final = ("time", "timestamp", "at", "ts", "zeit")
"""What columns with the time of a row are called, the likelier first; else it is the first that holds times."""


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
    taken = set(spec.tables)
    for schema in inspector.get_schema_names():
        if schema in _OTHERS or schema.startswith("pg_"):
            continue
        for name in sorted([*inspector.get_table_names(schema), *inspector.get_view_names(schema)]):
            said = name if schema == own else f"{schema}.{name}"
            entry = next(
                (entry for entry, table in spec.tables.items() if table.table in (said, f"{schema}.{name}")), ""
            )
            path, columns, needs, remark = f"{schema}/{name}", inspector.get_columns(name, schema), {}, ""
            if not entry:
                entry = _entry(said, taken)
                taken.add(entry)
                read = _read_as(said, columns, inspector.get_pk_constraint(name, schema)["constrained_columns"])
                needs, remark = {"tables": {entry: read}}, _lacking(entry, read)
            yield Found("", name, path, None, needs=needs, remark=remark)
            for column in columns:
                yield _column(entry, path, column)


def _entry(said: str, taken: Container[str]) -> str:
    """What a table is called under `tables`: as it is called, as far as that can stand there."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", said)
    plain = plain if plain[0].isalpha() or plain[0] == "_" else f"_{plain}"
    others = (f"{plain}-{number}" for number in count(2))
    return next(name for name in chain((plain,), others) if name not in taken)


def _read_as(said: str, columns: Sequence[Any], key: Sequence[str]) -> dict[str, Any]:
    """How a table may be read, as far as the database tells; what it does not tell is left to whoever knows it."""
    times = [str(column["name"]) for column in columns if isinstance(column["type"], sql.DateTime | sql.TIMESTAMP)]
    candidates = times or [str(column["name"]) for column in columns]
    named = [name for wanted in TIMES for name in candidates if name.lower() == wanted]
    time = next(iter([*named, *times]), None)
    return {
        "table": said,
        **({"time": time} if time is not None else {}),
        **({"key": key[0] if len(key) == 1 else list(key)} if key else {}),
    }


def _lacking(entry: str, read: Mapping[str, Any]) -> str:
    """What a person has to say of a table before it can be read."""
    wanted = [
        *([] if "time" in read else ["time:, the column with the time of a row"]),
        *(
            []
            if "key" in read
            else ["key:, the columns that tell rows apart, or order:, one that grows from row to row"]
        ),
    ]
    return f"under tables, {entry} has to say {'; and '.join(wanted)}" if wanted else ""


def _column(entry: str, path: str, column: Any) -> Found:
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
    )
