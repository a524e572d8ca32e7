# SPDX-License-Identifier: Apache-2.0
"""The manifest's tables, how an older manifest gets those it lacks, and rows of the latest samples as columns."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from isthmus.store.history.columns import Columns, empty

VERSION: Final = 2

_FIRST: Final = """
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE segments (ordinal INTEGER PRIMARY KEY, file TEXT NOT NULL UNIQUE, rows INTEGER NOT NULL,
  size INTEGER NOT NULL, first_tag INTEGER NOT NULL, last_tag INTEGER NOT NULL, first_time INTEGER NOT NULL,
  last_time INTEGER NOT NULL);
CREATE TABLE damaged (file TEXT PRIMARY KEY, ordinal INTEGER NOT NULL, why TEXT NOT NULL);
CREATE TABLE latest (tag INTEGER PRIMARY KEY, time INTEGER NOT NULL, seen INTEGER NOT NULL, value REAL,
  integer INTEGER, text TEXT, quality INTEGER NOT NULL, mark INTEGER NOT NULL);
CREATE TABLE events (id TEXT PRIMARY KEY, kind TEXT NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX events_by_time ON events (at);
CREATE INDEX events_by_kind ON events (kind, at);
CREATE TABLE quarantine (number INTEGER PRIMARY KEY, stream TEXT NOT NULL, sequence INTEGER NOT NULL,
  subject TEXT NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL)
"""
_SECOND: Final = """
CREATE {} TABLE kept (file TEXT PRIMARY KEY, kind TEXT NOT NULL, day INTEGER NOT NULL, number INTEGER NOT NULL,
  rows INTEGER NOT NULL, size INTEGER NOT NULL, first_tag INTEGER NOT NULL, last_tag INTEGER NOT NULL,
  first_time INTEGER NOT NULL, last_time INTEGER NOT NULL) WITHOUT ROWID;
CREATE {} TABLE leaving (file TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;
CREATE {} TABLE bookmarks (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID
"""


def make(database: sqlite3.Connection) -> None:
    """All tables, in an empty database."""
    _run(database, _FIRST)
    upgrade(database)


def upgrade(database: sqlite3.Connection) -> None:
    """What a database of version 1 lacks."""
    _run(database, _SECOND.replace("{}", ""))
    database.execute("CREATE INDEX kept_by_day ON kept (kind, day)")
    database.execute(f"PRAGMA user_version = {VERSION}")


def pretend(database: sqlite3.Connection) -> None:
    """What a database of version 1 lacks, for this connection only: a reader changes nothing."""
    _run(database, _SECOND.replace("{}", "TEMP"))


def _run(database: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";"):
        database.execute(statement)


def rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    """Rows of the table `latest`; SQLite keeps NaN as NULL."""
    integers = [n if whole else None for n, whole in zip(columns.integer.tolist(), columns.whole.tolist(), strict=True)]
    texts = [columns.words[code - 1] if code else None for code in columns.text.tolist()]
    arrays = (columns.tag, columns.time, columns.seen, columns.value)
    rest = (columns.quality, columns.mark)
    return zip(*(a.tolist() for a in arrays), integers, texts, *(a.tolist() for a in rest), strict=True)


def columns(rows: Sequence[tuple[Any, ...]]) -> Columns:
    """What `rows` made rows of."""
    if not rows:
        return empty()
    tag, time, seen, value, integer, text, quality, mark = zip(*rows, strict=True)
    words = {word: code for code, word in enumerate(sorted({word for word in text if word is not None}), start=1)}
    return Columns(
        words=tuple(words),
        tag=np.array(tag, np.uint32),
        time=np.array(time, np.int64),
        seen=np.array(seen, np.int64),
        value=np.array([np.nan if v is None else v for v in value], np.float64),
        integer=np.array([n or 0 for n in integer], np.int64),
        whole=np.array([n is not None for n in integer], np.bool_),
        text=np.array([words.get(word, 0) for word in text], np.int32),
        quality=np.array(quality, np.uint32),
        mark=np.array(mark, np.uint8),
    )
