# SPDX-License-Identifier: Apache-2.0
"""An output's book says how far it came and holds what the far end refused: both on disk, in one transaction.

`outputs/<name>/book.db` below the data directory. The process that delivers writes it; commands read it, and mark what
is parked as to be tried again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from isthmus.core.errors import Damaged, IsthmusError, NotFound
from isthmus.store.history.columns import Columns, empty
from isthmus.store.history.state import State

MOST_PARKED: Final = 100_000
MOST_PARKED_BYTES: Final = 256 << 20
"""Samples that one output parks, and bytes that its book has. When there are more it stands still until somebody tries
or drops them."""

VERSION: Final = 1
_TABLES: Final = """
CREATE TABLE place (id INTEGER PRIMARY KEY CHECK (id = 1), state BLOB NOT NULL, taken BLOB NOT NULL);
CREATE TABLE parked (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, reason TEXT NOT NULL,
  again INTEGER NOT NULL DEFAULT 0, tag INTEGER NOT NULL, time INTEGER NOT NULL, seen INTEGER NOT NULL, value REAL,
  integer INTEGER, text TEXT,
  quality INTEGER NOT NULL, mark INTEGER NOT NULL);
"""
_PAGES: Final = ("page_count", "freelist_count", "page_size")
_SAMPLE: Final = "tag, time, seen, value, integer, text, quality, mark"


@dataclass(frozen=True, slots=True)
class Place:
    """How far an output came."""

    state: State
    """Position in the log, and of each source what was delivered last."""
    taken: frozenset[str] = frozenset()
    """Files of the history that were delivered completely beyond that: it is going on from history."""


@dataclass(frozen=True, slots=True)
class Parked:
    """Samples that the far end refused, with when (ns) and why."""

    ids: Sequence[int]
    at: Sequence[int]
    reasons: Sequence[str]
    columns: Columns

    def __len__(self) -> int:
        return len(self.ids)


class Book:
    """An open book. Every writing method is one transaction that is on disk when it returns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def open(cls, folder: Path, *, create: bool = False) -> Book:
        """The book in an output's folder; raises NotFound when there is none, Damaged when it is none."""
        path = folder / "book.db"
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            raise NotFound("this output has not delivered anything yet", where=folder.name)
        try:
            return cls(_connected(path))
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise IsthmusError(f"the output's book cannot be opened: {error}", where=str(path)) from error
            hint = "move the folder away: the output then begins as a new one"
            raise Damaged(f"the output's book is not sound: {error}", where=str(path), hint=hint) from error

    def close(self) -> None:
        self._db.close()

    def place(self) -> Place | None:
        """Where the output goes on; None when it is new. Raises Damaged."""
        row = self._db.execute("SELECT state, taken FROM place").fetchone()
        if row is None:
            return None
        try:
            taken = msgspec.json.decode(row[1], type=frozenset[str])
            return Place(msgspec.json.decode(row[0], type=State), taken)
        except msgspec.DecodeError as error:
            raise Damaged(f"the output's position cannot be read: {error}") from error

    def commit(self, place: Place, refused: Columns, reasons: Sequence[str], at: int) -> None:
        """Goes on to `place` and parks what was refused on the way."""
        with self._transaction():
            encoded = (msgspec.json.encode(place.state), msgspec.json.encode(sorted(place.taken)))
            self._db.execute("INSERT OR REPLACE INTO place VALUES (1, ?, ?)", encoded)
            self._park(refused, reasons, at)

    def settle(self, gone: Sequence[int], refused: Mapping[int, str], at: int) -> None:
        """Of parked samples that were tried again those that are `gone` go; others stay: their ids and new reasons."""
        with self._transaction():
            self._db.executemany("DELETE FROM parked WHERE id = ?", [(number,) for number in gone])
            again = [(reason[:1000], at, number) for number, reason in refused.items()]
            self._db.executemany("UPDATE parked SET again = 0, reason = ?, at = ? WHERE id = ?", again)

    def parked(self, most: int, *, again: bool = False) -> Parked:
        """The oldest parked samples; with `again` only those that are to be tried again."""
        wanted = "WHERE again = 1" if again else ""
        rows = self._db.execute(
            f"SELECT id, at, reason, {_SAMPLE} FROM parked {wanted} ORDER BY id LIMIT ?",
            (most,),
        ).fetchall()
        return Parked([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], _columns([r[3:] for r in rows]))

    def count(self) -> int:
        """Samples that are parked."""
        number: int = self._db.execute("SELECT count(*) FROM parked").fetchone()[0]
        return number

    def is_full(self, more: int) -> bool:
        """Whether there is no room to park so many samples more."""
        used, free, size = (self._db.execute(f"PRAGMA {one}").fetchone()[0] for one in _PAGES)
        return self.count() + more > MOST_PARKED or (used - free) * size > MOST_PARKED_BYTES

    def retry(self) -> int:
        """Marks everything that is parked as to be tried again; how many samples that is."""
        with self._transaction():
            return self._db.execute("UPDATE parked SET again = 1").rowcount

    def drop(self) -> int:
        """Forgets everything that is parked; how many samples that was."""
        with self._transaction():
            return self._db.execute("DELETE FROM parked").rowcount

    def _park(self, columns: Columns, reasons: Sequence[str], at: int) -> None:
        rows = [(at, reason[:1000], *row) for reason, row in zip(reasons, _rows(columns), strict=True)]
        self._db.executemany(
            f"INSERT INTO parked (at, reason, {_SAMPLE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            hint = "use that version, or a later one"
            raise IsthmusError("the output's book was written by a newer Isthmus", where=str(path), hint=hint)
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    """Samples as rows for SQLite; NaN becomes NULL by itself."""
    texts = [columns.words[code - 1] if code else None for code in columns.text.tolist()]
    integers = [
        value if whole else None for value, whole in zip(columns.integer.tolist(), columns.whole.tolist(), strict=True)
    ]
    others = (columns.tag, columns.time, columns.seen, columns.value)
    last = (columns.quality, columns.mark)
    listed = (*(c.tolist() for c in others), integers, texts, *(c.tolist() for c in last))
    return zip(*listed, strict=True)


def _columns(rows: Sequence[tuple[Any, ...]]) -> Columns:
    """What `_rows` made rows of."""
    if not rows:
        return empty()
    tag, time, seen, value, integer, text, quality, mark = zip(*rows, strict=True)
    words = list(dict.fromkeys(one for one in text if one is not None))
    codes = {word: place for place, word in enumerate(words, start=1)}
    return Columns(
        words=words,
        tag=np.array(tag, np.uint32),
        time=np.array(time, np.int64),
        seen=np.array(seen, np.int64),
        value=np.array([np.nan if one is None else one for one in value], np.float64),
        integer=np.array([one or 0 for one in integer], np.int64),
        whole=np.array([one is not None for one in integer], np.bool_),
        text=np.array([codes.get(one, 0) for one in text], np.int32),
        quality=np.array(quality, np.uint32),
        mark=np.array(mark, np.uint8),
    )
