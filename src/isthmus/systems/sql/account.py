# SPDX-License-Identifier: Apache-2.0
"""What the log has of each table: kept beside the data, for a database cannot be told what we took of it.

A crash between the log's word and ours reads some rows twice. They are the same samples (tag, time, value, quality),
and events of the same id: history keeps both once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS place (name TEXT PRIMARY KEY, meant TEXT NOT NULL, mark BLOB NOT NULL, floor BLOB NOT NULL,
  beyond INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS taken (name TEXT NOT NULL, row BLOB NOT NULL, place BLOB NOT NULL, seen INTEGER NOT NULL,
  standing INTEGER NOT NULL, PRIMARY KEY (name, row));
"""

say = structlog.get_logger("collect")


@dataclass(frozen=True, slots=True)
class Taken:
    """One row that was taken and may be met again."""

    row: bytes
    """What identifies it: the digest of its columns in `order` and `key`."""
    place: bytes
    """Its columns in `order`, packed."""
    seen: int
    """When we met it first, ns by our clock."""
    standing: int
    """Of `Standing`."""


class Standing:
    """How a row lies to the watermark; small integers for the file."""

    AHEAD: Final = 0
    """It moved the watermark on."""
    LATE: Final = 1
    """It became visible behind it."""
    EARLY: Final = 2
    """It lies in the future, where the watermark does not follow."""


@dataclass(frozen=True, slots=True)
class Known:
    """How far a table was read."""

    mark: bytes
    """Columns in `order` and `key` of the last row, packed; empty for none."""
    floor: bytes
    """Columns in `order` from which on rows are remembered, packed; empty: from the first."""
    beyond: bool
    """Those beyond it are; not those that lie at it."""
    taken: tuple[Taken, ...]
    """In the order in which they were met."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What changes in the account once the log has a page of rows."""

    mark: bytes
    floor: bytes
    beyond: bool
    taken: tuple[Taken, ...]
    forgotten: tuple[bytes, ...]


class Account:
    """The account of one system. Everything here blocks; use it in one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, name: str, meant: str) -> Known | None:
        """How far a table was read; None where it is new, or meant another thing. Raises OSError, sqlite3.Error."""
        with closing(self._opened()) as db:
            row = db.execute("SELECT meant, mark, floor, beyond FROM place WHERE name = ?", (name,)).fetchone()
            if row is None or row[0] != meant:
                return None
            taken = db.execute("SELECT row, place, seen, standing FROM taken WHERE name = ? ORDER BY rowid", (name,))
            return Known(row[1], row[2], bool(row[3]), tuple(Taken(*one) for one in taken))

    def note(self, name: str, meant: str, entries: Iterable[Entry]) -> None:
        """The log has these pages of a table. Raises OSError, sqlite3.Error."""
        with closing(self._opened()) as db, db:
            before = db.execute("SELECT meant FROM place WHERE name = ?", (name,)).fetchone()
            if before is not None and before[0] != meant:
                db.execute("DELETE FROM taken WHERE name = ?", (name,))
            for entry in entries:
                rows = [(name, one.row, one.place, one.seen, one.standing) for one in entry.taken]
                db.executemany("INSERT OR REPLACE INTO taken VALUES (?, ?, ?, ?, ?)", rows)
                gone = [(name, row) for row in entry.forgotten]
                db.executemany("DELETE FROM taken WHERE name = ? AND row = ?", gone)
                place = (name, meant, entry.mark, entry.floor, entry.beyond)
                db.execute("INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?)", place)

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _opened(self._path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            say.warning("what was read is not known any more", account=str(self._path), problem=str(error))
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            return _opened(self._path)


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_TABLES)
    except BaseException:
        connection.close()
        raise
    return connection
