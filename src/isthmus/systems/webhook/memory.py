# SPDX-License-Identifier: Apache-2.0
"""Which messages came before: their ids, kept beside the data, so that a repeated one is not taken twice.

An id is noted with the time of its message before its rows go to the log, and as taken once the log has them. Where we
die between the two, the sender tries again and its rows get the time that was noted first: they are the same samples,
and history keeps those once. Not synced to the disk at each message: a power cut may cost the last second of it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from isthmus.core.errors import Disconnected

T = TypeVar("T")

MOST: Final = 1_000_000
"""Ids that are known; of more the oldest are forgotten."""
_SWEEP: Final = 1_000
"""Notes between two looks at what can be forgotten."""
_NOTE: Final = "INSERT INTO message (id, digest, at, seen) VALUES (?, ?, ?, ?)"
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS message (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest BLOB NOT NULL,
  at INTEGER NOT NULL, seen INTEGER NOT NULL, taken INTEGER NOT NULL DEFAULT 0);
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an id."""

    digest: bytes
    """Of its body."""
    at: int
    """The signed time of the message when it came first, ns."""
    taken: bool
    """The log has it."""


class Memory:
    """The ids of one webhook, in a thread of its own."""

    def __init__(self, path: Path, remember: int) -> None:
        # remember: ns
        self._path, self._remember, self._notes = path, remember, 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="webhook")
        self._db: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Opens what was kept. Raises Disconnected when the disk does not let us."""
        await self._do(self._open)

    async def close(self) -> None:
        """What comes after is not noted: a message that is repeated then gives the same samples."""
        await self._do(self._close)
        self._thread.shutdown()

    async def note(self, id_: str, digest: bytes, at: int, now: int) -> Known:
        """What is known of `id_`; a new one is noted. Raises Disconnected when the disk does not take it."""
        return await self._do(self._note, id_, digest, at, now)

    async def taken(self, id_: str) -> None:
        """The log has it. Raises Disconnected when that cannot be kept."""
        await self._do(self._taken, id_)

    async def _do(self, step: Callable[..., T], *given: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, step, *given)
        except (OSError, sqlite3.Error, RuntimeError) as error:
            raise Disconnected(f"the ids of messages cannot be kept: {error}", where=str(self._path)) from error

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = _connected(self._path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # what is no memory any more is put aside: it only keeps from repeating
            self._path.replace(self._path.with_suffix(".damaged"))
            self._db = _connected(self._path)

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()

    def _note(self, id_: str, digest: bytes, at: int, now: int) -> Known:
        assert self._db is not None
        row = self._db.execute("SELECT digest, at, taken FROM message WHERE id = ?", (id_,)).fetchone()
        if row is not None:
            return Known(row[0], row[1], bool(row[2]))
        self._db.execute(_NOTE, (id_, digest, at, now))
        self._forget(self._db, now)
        return Known(digest, at, False)

    def _taken(self, id_: str) -> None:
        assert self._db is not None
        self._db.execute("UPDATE message SET taken = 1 WHERE id = ?", (id_,))

    def _forget(self, db: sqlite3.Connection, now: int) -> None:
        self._notes += 1
        if self._notes % _SWEEP == 1:
            db.execute("DELETE FROM message WHERE seen < ?", (now - self._remember,))
            db.execute("DELETE FROM message WHERE number <= (SELECT max(number) FROM message) - ?", (MOST,))


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_TABLE)
    except BaseException:
        connection.close()
        raise
    return connection
