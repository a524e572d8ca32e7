# SPDX-License-Identifier: Apache-2.0
"""Databases for the contract suite: a PostgreSQL behind a network that can be cut, and a SQLite file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any, Self

from isthmus.core import time
from isthmus.core.quality import name as named
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.contract.adapters import _BehindNetwork
from tests.peers.network import Network
from tests.peers.postgres import HERE, OWNER, PASSWORD, WHAT, done, postgres

BAD: Sequence[Mapping[str, Any]] = (
    {},
    {"url": "postgresql://127.0.0.1/plant"},
    {"url": "mysql://127.0.0.1/plant", "tables": {"t": {"table": "t", "key": "id"}}},
    {"url": "postgresql://me:word@127.0.0.1/plant", "tables": {"t": {"table": "t", "key": "id"}}},
    {"url": "sqlite:///relative.db", "tables": {"t": {"table": "t", "key": "id"}}},
    {"url": "sqlite:////a/b.db", "user": "me", "tables": {"t": {"table": "t", "key": "id"}}},
    {"url": "sqlite:////a/b.db", "tables": {"t": {"table": "t"}}},
    {"url": "sqlite:////a/b.db", "tables": {"t": {"table": "t", "query": "SELECT 1", "key": "id"}}},
    {"url": "sqlite:////a/b.db", "tables": {"t": {"table": "t", "kye": "id"}}},
    {"url": "sqlite:////a/b.db", "tables": {"t": {"table": "t", "key": "id", "event": "{0.real}"}}},
    {"url": "sqlite:////a/b.db", "tables": {"bad name": {"table": "t", "key": "id"}}},
    {"url": "sqlite:////a/b.db", "time_zone": "Mars", "tables": {"t": {"table": "t", "key": "id"}}},
)
NAMES = ("one", "two", "three")
TABLE = {"table": "results", "time": "at", "order": "id", "quality": "quality"}


class _Rows:
    """A table with a column for each address, and a row for each change."""

    keeps, timed, tells, pace = True, True, True, 0.0
    again = "isthmus.systems.sql.source:AGAIN"
    hasty: Mapping[str, Any] = {"timeout": "1s"}
    bad_address = "results.nobody"
    bad_configs = BAD

    def __init__(self) -> None:
        self.kind = kinds()["sql"]

    @property
    def addresses(self) -> list[Address]:
        return [Address(f"results.{name}", DataType.FLOAT) for name in NAMES]

    def _do(self, statement: str) -> None:
        raise NotImplementedError

    async def change(self, position: int, value: float, *, quality: int = 0, at: int | None = None) -> None:
        when = time.to_iso(time.now() if at is None else at)
        row = f"INSERT INTO results (at, quality, {NAMES[position]}) VALUES ('{when}', '{named(quality)}', {value!r})"
        await asyncio.to_thread(self._do, row)

    async def lose(self) -> None:
        await asyncio.to_thread(self._do, "ALTER TABLE results RENAME COLUMN two TO second")

    async def find(self) -> None:
        await asyncio.to_thread(self._do, "ALTER TABLE results RENAME COLUMN second TO two")

    async def _begin(self) -> None:
        for position in range(3):
            await self.change(position, 0.0)


class PostgresPeer(_BehindNetwork, _Rows):
    """A PostgreSQL server; its rows are written by psycopg past the network."""

    def __init__(self) -> None:
        super().__init__()
        self._open = AsyncExitStack()

    @property
    def config(self) -> dict[str, Any]:
        url = f"postgresql://127.0.0.1:{self._network.port}/postgres"
        quick = {"every": "50ms", "timeout": "1m"}
        return {"url": url, "user": OWNER, "password": PASSWORD, "tables": {"results": TABLE}, **quick}

    def _do(self, statement: str) -> None:
        done(self._server, statement)

    async def kill(self) -> None:
        await asyncio.to_thread(self._server.kill)

    async def restart(self) -> None:
        await asyncio.to_thread(self._server.start)

    async def __aenter__(self) -> Self:
        from tests.conftest import needed

        needed(HERE, WHAT)
        self._server = self._open.enter_context(postgres(fsync="on"))
        columns = "id bigserial PRIMARY KEY, at timestamptz, quality text, one float8, two float8, three float8"
        self._do(f"CREATE TABLE results ({columns})")
        self._network = await self._open.enter_async_context(Network(self._server.port))
        await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()


class SqlitePeer(_Rows):
    """A SQLite file in WAL mode; cut, it is somewhere else."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder, self._file, self._away = folder, folder / "mes.db", folder / "away.db"

    @property
    def config(self) -> dict[str, Any]:
        return {"url": f"sqlite:///{self._file}", "tables": {"results": TABLE}, "every": "50ms", "timeout": "1m"}

    def _do(self, statement: str) -> None:
        there = self._away if self._away.exists() else self._file
        with closing(sqlite3.connect(there)) as db, db:
            db.execute(statement)

    async def cut(self) -> None:
        self._file.rename(self._away)

    async def mend(self) -> None:
        if self._away.exists():
            self._away.rename(self._file)

    kill, freeze, restart = cut, cut, mend

    async def unacknowledged(self) -> int | None:
        return None

    async def __aenter__(self) -> Self:
        self._do("CREATE TABLE results (id INTEGER PRIMARY KEY, at TEXT, quality TEXT, one REAL, two REAL, three REAL)")
        await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None: ...
