# SPDX-License-Identifier: Apache-2.0
"""An output into a database: its tables are looked after when it opens, every delivery is one transaction.

A delivery that comes again finds its samples there. What the database refuses is found by halves, so that one row
harms no other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from isthmus.core.errors import Disconnected, Refused
from isthmus.outputs.contract import Delivery, Refusal, Surroundings
from isthmus.outputs.sql.narrow import Narrow
from isthmus.outputs.sql.spec import SqlOutputSpec
from isthmus.outputs.sql.tables import Shape, ensure, missing
from isthmus.outputs.sql.wide import Wide
from isthmus.store.history.columns import Columns
from isthmus.systems.sql.database import Failed, Link, connected

NEVER: Final = ("22", "23", "44", "54", "P0")
"""Classes of SQLSTATE that speak of what a row holds: data, constraints, a view's, limits, a trigger's own."""


class Writer(Protocol):
    """How samples become rows."""

    shapes: Sequence[Shape]

    def prepare(self, connection: Connection) -> None: ...
    def unfit(self, columns: Columns) -> dict[int, str]: ...
    def store(self, connection: Connection, columns: Columns) -> None: ...


class SqlOutput:
    """One output; remembers nothing."""

    def __init__(self, spec: SqlOutputSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings
        self._postgres = not spec.file

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_Sink]:
        """Connects, and makes or checks the tables."""
        writer: Writer = (Narrow if self._spec.shape == "narrow" else Wide)(self._spec, self._house, self._postgres)
        async with connected(self._spec, f"isthmus {self._house.output}", writing=True) as link:
            await self._arrange(link, writer)
            yield _Sink(link, writer)

    async def _arrange(self, link: Link, writer: Writer) -> None:
        def arrange(connection: Connection) -> None:
            for shape in writer.shapes:
                ensure(connection, shape, postgres=self._postgres, create=self._spec.create, place=link.place)
            writer.prepare(connection)

        try:
            await link.ask(arrange, writing=True)
        except Failed as error:
            if error.passing:
                raise Disconnected(error.what, where=link.place) from error
            raise self._refused(error, writer) from error
        except Refused as error:
            raise (error if error.hint else self._refused(error, writer)) from error

    def _refused(self, error: Failed | Refused, writer: Writer) -> Refused:
        """What has to be done, and the statements that do it in a file."""
        path = self._house.folder / "tables.sql"
        path.write_text(missing(writer.shapes, self._postgres), encoding="utf-8")
        hint = f"somebody who may has to make what is missing; the tables as they should be are in {path}"
        return Refused(error.what, where=error.where, hint=hint)


class _Sink:
    """An open connection."""

    def __init__(self, link: Link, writer: Writer) -> None:
        self._link, self._writer = link, writer

    async def write(self, delivery: Delivery) -> Sequence[Refusal]:
        if not len(delivery):
            await self._ask(None)
            return ()
        columns = delivery.columns
        refused = {**self._writer.unfit(columns), **_unwritable(columns)}
        rows = np.array([row for row in range(len(columns)) if row not in refused], np.intp)
        await self._store(columns, rows, refused)
        return [Refusal(row, reason) for row, reason in sorted(refused.items())]

    async def _store(self, columns: Columns, rows: NDArray[np.intp], refused: dict[int, str]) -> None:
        """Stores these rows; those that the database never takes are added to `refused`."""
        if not len(rows):
            return
        why = await self._ask(columns.pick(rows))
        if not why:
            return
        if len(rows) == 1:
            refused[int(rows[0])] = why
            return
        half = len(rows) // 2
        await self._store(columns, rows[:half], refused)
        await self._store(columns, rows[half:], refused)

    async def _ask(self, columns: Columns | None) -> str:
        """Stores all of them, or says why one of them can never be stored; with None makes sure that there is somebody.

        Raises Disconnected for all that may pass, or has to be put right at the far end: nothing is lost by waiting.
        """

        def store(connection: Connection) -> None:
            if columns is None:
                connection.exec_driver_sql("SELECT 1")
            else:
                self._writer.store(connection, columns)

        try:
            await self._link.ask(store, writing=True)
        except Failed as error:
            if error.code[:2] in NEVER:
                return error.what
            raise Disconnected(error.what, where=self._link.place) from error
        return ""


def _unwritable(columns: Columns) -> dict[int, str]:
    """Texts that no database takes."""
    bad = [code for code, word in enumerate(columns.words, start=1) if "\0" in word or not _encodes(word)]
    if not bad:
        return {}
    rows = np.flatnonzero(np.isin(columns.text, bad)).tolist()
    return dict.fromkeys(rows, "a text with a NUL in it, or half a character")


def _encodes(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True
