# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL servers for tests: a cluster made once in a process, a server of it per test, and `psql`'s answers."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from isthmus.app.demo.postgres import OWNER, WHAT, Postgres, programs

HERE = programs() is not None
PASSWORD = "owner's word"

__all__ = ["HERE", "OWNER", "PASSWORD", "WHAT", "Postgres", "asked", "done", "postgres"]


@contextmanager
def postgres(**settings: str) -> Iterator[Postgres]:
    """A running server in a folder of its own, which the user that PostgreSQL runs as may pass."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-postgres-"))
    os.chmod(folder, 0o755)
    try:
        with Postgres(folder / "server", PASSWORD, settings={"fsync": "off", **settings}) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def done(server: Postgres, *statements: str) -> None:
    """Does these as the owner, each for itself."""
    with psycopg.connect(server.url, user=OWNER, password=PASSWORD, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def asked(server: Postgres, question: str) -> list[tuple[Any, ...]]:
    """What the owner is told."""
    with psycopg.connect(server.url, user=OWNER, password=PASSWORD) as connection:
        return connection.execute(question.encode()).fetchall()
