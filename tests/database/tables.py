# SPDX-License-Identifier: Apache-2.0
"""Databases with tables of a test's own, and a collector's loop over them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.contract.collected import Collected
from tests.peers.postgres import OWNER, PASSWORD, Postgres, asked, done


class Database(Protocol):
    """One that a test may write to."""

    name: str

    @property
    def config(self) -> dict[str, Any]: ...
    def do(self, *statements: str) -> None: ...
    def ask(self, question: str) -> list[tuple[Any, ...]]: ...


class Server:
    """PostgreSQL, with a schema of the test's own in front."""

    name = "postgres"

    def __init__(self, server: Postgres) -> None:
        self.server = server

    @property
    def config(self) -> dict[str, Any]:
        return {"url": self.server.url, "user": OWNER, "password": PASSWORD}

    def do(self, *statements: str) -> None:
        done(self.server, *statements)

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        return asked(self.server, question)


class File:
    """SQLite."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "it's 100%?.db"
        self.do("PRAGMA journal_mode = WAL")

    @property
    def config(self) -> dict[str, Any]:
        return {"url": f"sqlite:///{self.path}"}

    def do(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path)) as db:
            for statement in statements:
                db.execute(statement)
                db.commit()

    def ask(self, question: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(question).fetchall()


@contextmanager
def emptied(server: Postgres) -> Iterator[Server]:
    """The server without the tables of an earlier test."""
    database = Server(server)
    database.do("DROP SCHEMA public CASCADE", "DROP SCHEMA IF EXISTS plant CASCADE", "CREATE SCHEMA public")
    yield database


def collecting(
    database: Database, folder: Path, tables: dict[str, Any], addresses: Sequence[tuple[str, DataType]], **more: Any
) -> Collected:
    """A collector of these."""
    config = {**database.config, "every": "50ms", "timeout": "1m", "tables": tables, **more}
    return Collected(kinds()["sql"], config, folder, [Address(*address) for address in addresses])
