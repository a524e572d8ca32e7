# SPDX-License-Identifier: Apache-2.0
"""The manifest says which segments count and up to which position of the log: one commit takes both, or neither.

A small SQLite database beside the segments. `commit` compares the former position and sets the new one in the
transaction that lists the segment, so a sample is recorded exactly once whatever dies. It can be made again from the
segments' footers (`adopt.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import msgspec
import numpy as np

from isthmus.core.errors import Damaged, InUse
from isthmus.core.event import Event, EventKind
from isthmus.core.time import EARLIEST, LATEST
from isthmus.store.history.columns import Columns, empty
from isthmus.store.history.segment import Segment
from isthmus.store.history.state import State
from isthmus.stream.log import Position

VERSION: Final = 1
ODDITIES: Final = 10_000
"""Quarantined messages kept; of more than these the oldest go."""
_TABLES: Final = """
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
  subject TEXT NOT NULL, at INTEGER NOT NULL, body BLOB NOT NULL);
"""
_LATEST: Final = """
INSERT INTO latest VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tag) DO UPDATE SET time = excluded.time,
  seen = excluded.seen, value = excluded.value, integer = excluded.integer, text = excluded.text,
  quality = excluded.quality, mark = excluded.mark WHERE excluded.time >= latest.time
"""
_SEGMENT: Final = "ordinal, file, rows, size, first_tag, last_tag, first_time, last_time"
_ODDITY: Final = "stream, sequence, subject, at, body"


class Oddity(msgspec.Struct, frozen=True):
    """Something that arrived and could not be understood, as the log had it."""

    position: Position
    subject: str
    at: int
    """When the log took it, ns."""
    body: bytes


class Manifest:
    """An open manifest. `commit` and `set_aside` write, each in one transaction that is on disk when it returns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @classmethod
    def passing(cls) -> Manifest:
        """One in memory, empty."""
        manifest = cls(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False))
        manifest._prepare(reading=False)
        return manifest

    @classmethod
    def open(cls, path: Path, *, reading: bool = False) -> Manifest:
        """The manifest at `path`, made if absent unless `reading`; raises Damaged when it is no sound database."""
        mode = "rw" if reading else "rwc"
        connection = sqlite3.connect(
            f"file:{_quoted(path)}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=10
        )
        manifest = cls(connection)
        try:
            manifest._prepare(reading)
        except (sqlite3.DatabaseError, Damaged) as error:
            connection.close()
            if _is_damage(error):
                raise Damaged(f"the manifest is not sound: {error}", where=str(path)) from error
            raise
        return manifest

    def _prepare(self, reading: bool) -> None:
        if reading:
            self._db.execute("PRAGMA query_only = 1")
        else:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not reading:
            with self._transaction():
                for statement in filter(str.strip, _TABLES.split(";")):
                    self._db.execute(statement)
                self._db.execute("INSERT INTO state VALUES (1, ?, ?)", _checked(State()))
                self._db.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise Damaged(f"version {version}, not {VERSION}")
        if self._db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise Damaged("the database is malformed")
        self.state()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def freeze(self) -> None:
        """From now on until it is closed everything read is of this moment."""
        self._db.execute("BEGIN")
        self._db.execute("SELECT one FROM state").fetchone()

    def state(self) -> State:
        """How far the history goes; raises Damaged when it is not what was written, for SQLite does not look."""
        body, checksum = self._db.execute("SELECT CAST(body AS BLOB), checksum FROM state").fetchone() or (b"", -1)
        if crc32(body) != checksum:
            raise Damaged("the manifest's state is not what was written")
        return msgspec.json.decode(body, type=State)

    def check(self, former: State) -> None:
        """Raises InUse unless `former` is where the history is."""
        if not self.state().is_at(former):
            raise InUse("another recorder wrote this history", hint="stop one of the two")

    def commit(
        self,
        former: State,
        new: State,
        *,
        segment: Segment | None = None,
        latest: Columns | None = None,
        events: Iterable[Event] = (),
        oddities: Iterable[Oddity] = (),
    ) -> None:
        """Takes a segment (or only a position), what it brings, and the new state; raises InUse unless `former` holds.

        `latest` holds at most one sample per tag: its last live one in the segment.
        """
        with self._transaction():
            self.check(former)
            self._db.execute("UPDATE state SET body = ?, checksum = ?", _checked(new))
            if segment is not None:
                self._list(segment)
            if latest is not None:
                self._db.executemany(_LATEST, _rows(latest))
            self._add(events)
            self._add_oddities(oddities)

    def set_aside(self, segment: Segment, rest: Segment | None, why: str, event: Event) -> None:
        """From now on `rest` counts in the segment's place, or nothing; the event says so."""
        with self._transaction():
            gone = self._db.execute("DELETE FROM segments WHERE file = ?", (segment.file,)).rowcount
            if gone and rest is not None:
                self._list(rest)
            self._db.execute("INSERT OR IGNORE INTO damaged VALUES (?, ?, ?)", (segment.file, segment.ordinal, why))
            self._add((event,))

    def _list(self, segment: Segment) -> None:
        values = msgspec.structs.astuple(segment)
        self._db.execute(f"INSERT INTO segments ({_SEGMENT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)

    def add_events(self, events: Sequence[Event]) -> None:
        """Events that come with no position of the log."""
        with self._transaction():
            self._add(events)

    def _add(self, events: Iterable[Event]) -> None:
        rows = ((event.id, str(event.kind), event.at, msgspec.json.encode(event)) for event in events)
        self._db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", rows)

    def _add_oddities(self, oddities: Iterable[Oddity]) -> None:
        rows = [(o.position.stream, o.position.sequence, o.subject, o.at, o.body) for o in oddities]
        if rows:
            self._db.executemany(
                "INSERT INTO quarantine (stream, sequence, subject, at, body) VALUES (?, ?, ?, ?, ?)", rows
            )
            newest = "SELECT max(number) FROM quarantine"
            self._db.execute(f"DELETE FROM quarantine WHERE number <= ({newest}) - ?", (ODDITIES,))

    def oddities(self) -> list[Oddity]:
        """What was quarantined, oldest first."""
        found = self._db.execute(f"SELECT {_ODDITY} FROM quarantine ORDER BY number")
        return [Oddity(Position(stream, sequence), *rest) for stream, sequence, *rest in found]

    def segments(self) -> list[Segment]:
        """Those that count, oldest first."""
        return [Segment(*row) for row in self._db.execute(f"SELECT {_SEGMENT} FROM segments ORDER BY ordinal")]

    def damaged(self) -> dict[str, str]:
        """Files that were set aside → why."""
        return dict(self._db.execute("SELECT file, why FROM damaged"))

    def latest(self, numbers: Sequence[int] | None = None) -> Columns:
        """The latest live sample of each tag, in order of their numbers."""
        if numbers is None:
            return _columns(self._db.execute("SELECT * FROM latest ORDER BY tag").fetchall())
        wanted = msgspec.json.encode(sorted(set(numbers))).decode()
        query = "SELECT latest.* FROM latest JOIN json_each(?) ON tag = json_each.value ORDER BY tag"
        return _columns(self._db.execute(query, (wanted,)).fetchall())

    def events(self, start: int = EARLIEST, end: int = LATEST, kind: EventKind | None = None) -> list[Event]:
        """Events with start <= at < end, oldest first."""
        query = "SELECT body FROM events WHERE at >= ? AND at < ?"
        values: tuple[int | str, ...] = (start, end)
        if kind is not None:
            query, values = f"{query} AND kind = ?", (*values, str(kind))
        found = self._db.execute(f"{query} ORDER BY at, id", values)
        return [msgspec.json.decode(body, type=Event) for (body,) in found]


def _checked(state: State) -> tuple[bytes, int]:
    body = msgspec.json.encode(state)
    return body, crc32(body)


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))


def _is_damage(error: Exception) -> bool:
    """Whether the file itself is wrong, rather than the circumstances (no room, no permission, busy, absent)."""
    return not isinstance(error, sqlite3.OperationalError)


def _rows(columns: Columns) -> Iterator[tuple[Any, ...]]:
    """Rows of the table `latest`; SQLite keeps NaN as NULL."""
    integers = [n if whole else None for n, whole in zip(columns.integer.tolist(), columns.whole.tolist(), strict=True)]
    texts = [columns.words[code - 1] if code else None for code in columns.text.tolist()]
    arrays = (columns.tag, columns.time, columns.seen, columns.value)
    rest = (columns.quality, columns.mark)
    return zip(*(a.tolist() for a in arrays), integers, texts, *(a.tolist() for a in rest), strict=True)


def _columns(rows: Sequence[tuple[Any, ...]]) -> Columns:
    """What `_rows` made rows of."""
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
