# SPDX-License-Identifier: Apache-2.0
"""A temporary table that rows are copied into, quickly, before they are merged with what is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from isthmus.outputs.sql.tables import Column, quoted, run


class Staging:
    """One temporary table of a connection."""

    def __init__(self, name: str, columns: Sequence[Column], postgres: bool) -> None:
        self.said = quoted(name)
        self._columns, self._postgres = columns, postgres

    def prepare(self, connection: Connection) -> None:
        """Makes it."""
        columns = ", ".join(f"{quoted(one.name)} {one.holds.written(self._postgres)}" for one in self._columns)
        kept = " ON COMMIT DELETE ROWS" if self._postgres else ""
        run(connection, f"CREATE TEMPORARY TABLE {self.said} ({columns}){kept}")

    def fill(self, connection: Connection, columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
        """Puts rows into these of its columns, in place of those that are in it."""
        names = ", ".join(quoted(one.name) for one in columns)
        run(connection, f"DELETE FROM {self.said}")
        driver: Any = connection.connection.driver_connection
        if self._postgres:
            text = "".join("\t".join(map(_field, row)) + "\n" for row in rows)
            with driver.cursor() as cursor, cursor.copy(f"COPY {self.said} ({names}) FROM STDIN") as copy:
                copy.write(text)
        else:
            places = ", ".join("?" * len(columns))
            driver.executemany(f"INSERT INTO {self.said} ({names}) VALUES ({places})", rows)


_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _field(value: Any) -> str:
    """A value as COPY reads it (PostgreSQL, COPY, Text Format)."""
    if value is None:
        return r"\N"
    return value.translate(_ESCAPED) if type(value) is str else str(value)
