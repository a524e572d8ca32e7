# SPDX-License-Identifier: Apache-2.0
"""The manifest says which files count and up to which position of the log: one commit takes both, or neither.

A small SQLite database beside the segments. `commit` compares the former position and sets the new one in the
transaction that lists the segment, so a sample is recorded exactly once whatever dies. It can be made again from the
segments' footers (`adopt.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from isthmus.core import time
from isthmus.core.errors import Damaged, InUse, IsthmusError
from isthmus.core.event import Event, EventKind
from isthmus.core.time import EARLIEST, LATEST
from isthmus.store.history import tables
from isthmus.store.history.columns import Columns
from isthmus.store.history.kept import Bookmark, Kept, Kind
from isthmus.store.history.segment import Segment
from isthmus.store.history.shelves import Shelves
from isthmus.store.history.state import State
from isthmus.stream.log import Position

ODDITIES: Final = 10_000
"""Quarantined messages kept; of more than these the oldest go."""
ODDITIES_SIZE: Final = 64 << 20
"""Bytes of them that are kept, beside the newest one; of more the oldest go."""
_LATEST: Final = """
INSERT INTO latest VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tag) DO UPDATE SET time = excluded.time,
  seen = excluded.seen, value = excluded.value, integer = excluded.integer, text = excluded.text,
  quality = excluded.quality, mark = excluded.mark WHERE excluded.time > latest.time
  OR (excluded.time = latest.time AND (excluded.mark >= 32 OR latest.mark < 32))
"""
"""Of samples of one time the later one; but what a correction (`Mark.CORRECTED`, the highest bit) made stays."""
_SEGMENT: Final = "ordinal, file, rows, size, first_tag, last_tag, first_time, last_time"
_KEPT: Final = "file, kind, day, number, rows, size, first_tag, last_tag, first_time, last_time"
_ODDITY: Final = "stream, sequence, subject, at, body"


class Oddity(msgspec.Struct, frozen=True):
    """Something that arrived and could not be understood, as the log had it."""

    position: Position
    subject: str
    at: int
    """When the log took it, ns."""
    body: bytes


class Which(msgspec.Struct, frozen=True):
    """Which of the quarantined messages."""

    subject: str = ""
    """Of this one; empty: of all."""
    start: int = EARLIEST
    end: int = LATEST
    """When the log took them, ns: from `start`, before `end`."""
    most: int | None = None
    """So many, the newest."""

    def of(self, oddities: Iterable[Oddity]) -> list[Oddity]:
        """Those of `oddities`, which are in order, each once."""
        once = {(one.position.stream, one.position.sequence, one.at): one for one in oddities}.values()
        found = [one for one in once if self.start <= one.at < self.end and self.subject in ("", one.subject)]
        return found if self.most is None else found[max(0, len(found) - self.most) :]


EVERYTHING: Final = Which()


@dataclass(frozen=True, slots=True)
class Listed:
    """What counts at one moment."""

    state: State
    segments: tuple[Segment, ...]
    kept: tuple[Kept, ...]
    shelves: Shelves


class Manifest:
    """An open manifest. `commit` and `set_aside` write, each in one transaction that is on disk when it returns."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None = None) -> None:
        self._db = connection
        self.path, self._file, self._age = path, _file(path), _age(path)
        self._is_old = False
        self._listed: tuple[int, Listed] | None = None

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
        manifest = cls(connection, path)
        try:
            manifest._prepare(reading)
        except (sqlite3.DatabaseError, Damaged) as error:
            connection.close()
            if _is_damage(error):
                raise Damaged(f"the manifest is not sound: {error}", where=str(path)) from error
            raise
        return manifest

    def _prepare(self, reading: bool) -> None:
        version = self._version()
        if version > tables.VERSION:
            raise IsthmusError("the history was written by a newer Isthmus", hint="use that version, or a later one")
        if reading:
            if version == 0:
                raise Damaged("it is empty")
            if version == 1:
                tables.pretend(self._db)
                self._is_old = True
            self._db.execute("PRAGMA query_only = 1")
        else:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            if version < tables.VERSION:
                self._make()
        if self._db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise Damaged("the database is malformed")
        self.state()

    def _version(self) -> int:
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        return version

    def _make(self) -> None:
        """Makes the tables that are missing; of two processes that come at once the second finds them made."""
        with self._transaction():
            match self._version():
                case 0:
                    tables.make(self._db)
                    self._db.execute("INSERT INTO state VALUES (1, ?, ?)", _checked(State()))
                case 1:
                    tables.upgrade(self._db)

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
        """From now on until it is closed or `thaw` everything read is of this moment."""
        self._db.execute("BEGIN")
        self._db.execute("SELECT one FROM state").fetchone()

    def thaw(self) -> None:
        """What is read from now on is of no one moment."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def is_as_opened(self) -> bool:
        """Whether its file is the one that was checked: what others commit is beside it until they tidy it up.

        Not one of version 1, which somebody else may upgrade.
        """
        if self.path is None or self._is_old:
            return False
        return (_file(self.path), _age(self.path)) == (self._file, self._age) and self._version() == tables.VERSION

    def listed(self) -> Listed:
        """What a frozen manifest lists; read again only when somebody wrote."""
        version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        if self._listed is None or self._listed[0] != version:
            segments, kept = tuple(self.segments()), tuple(self.kept())
            self._listed = version, Listed(self.state(), segments, kept, Shelves.of(kept, segments))
        return self._listed[1]

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
                self._db.executemany(_LATEST, tables.rows(latest))
            self._add(events)
            self._add_oddities(oddities)

    def replace(
        self,
        add: Sequence[Kept],
        gone: Sequence[str],
        *,
        events: Iterable[Event] = (),
        latest: Columns | None = None,
        bookmark: Bookmark | None = None,
        state: State | None = None,
        unlisted: Sequence[str] = (),
    ) -> None:
        """From now on the files `add` count and those named in `gone` (segments or kept files) do not.

        Those gone are listed as leaving: they stay on the disk for readers that still have them in their list. A
        manifest that is made again gets the `state` and what is leaving although it was never listed here. Raises
        InUse, and changes nothing, when one of `gone` does not count any more or the manifest was made again.
        """
        self.check_place()
        now = time.now()
        with self._transaction():
            for file in gone:
                self._leave(file, now)
            leaving = ((file, now) for file in unlisted)
            self._db.executemany("INSERT OR IGNORE INTO leaving VALUES (?, ?)", leaving)
            if state is not None and state.ordinal > self.state().ordinal:
                self._db.execute("UPDATE state SET body = ?, checksum = ?", _checked(state))
            for kept in add:
                self._list(kept)
            if latest is not None:
                self._db.executemany(_LATEST, tables.rows(latest))
            if bookmark is not None:
                self._db.execute("INSERT OR REPLACE INTO bookmarks VALUES (?, ?)", (bookmark.id, bookmark.body))
            self._add(events)

    def check_place(self) -> None:
        """Raises InUse when another manifest lies where this one was opened: nobody would see what is written here."""
        if self.path is not None and _file(self.path) != self._file:
            raise InUse("the manifest of the history was made again meanwhile", where=str(self.path), hint="try again")

    def _leave(self, file: str, now: int) -> None:
        if not self._unlist(file):
            raise InUse(f"{file} of the history was replaced meanwhile", hint="try again")
        self._db.execute("INSERT OR IGNORE INTO leaving VALUES (?, ?)", (file, now))

    def _unlist(self, file: str) -> bool:
        found = [self._db.execute(f"DELETE FROM {table} WHERE file = ?", (file,)) for table in ("segments", "kept")]
        return any(cursor.rowcount for cursor in found)

    def set_aside(self, part: Segment | Kept, rest: Segment | Kept | None, why: str, event: Event) -> None:
        """From now on `rest` counts in the file's place, or nothing; the event says so."""
        with self._transaction():
            if self._unlist(part.file) and rest is not None:
                self._list(rest)
            number = part.ordinal if isinstance(part, Segment) else part.number
            self._db.execute("INSERT OR IGNORE INTO damaged VALUES (?, ?, ?)", (part.file, number, why))
            self._add((event,))

    def _list(self, part: Segment | Kept) -> None:
        table, names = ("segments", _SEGMENT) if isinstance(part, Segment) else ("kept", _KEPT)
        values = [str(v) if isinstance(v, Kind) else v for v in msgspec.structs.astuple(part)]
        places = ", ".join("?" * len(values))
        self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", values)

    def add_events(self, events: Sequence[Event]) -> None:
        """Events that come with no position of the log."""
        with self._transaction():
            self._add(events)

    def _add(self, events: Iterable[Event]) -> None:
        rows = ((event.id, str(event.kind), event.at, msgspec.json.encode(event)) for event in events)
        self._db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)", rows)

    def put_aside(self, former: State, oddities: Sequence[Oddity]) -> None:
        """Keeps what was quarantined, each once however often it comes; raises InUse unless `former` holds."""
        if oddities:
            with self._transaction():
                self.check(former)
                self._add_oddities(oddities)

    def _add_oddities(self, oddities: Iterable[Oddity]) -> None:
        rows = [(o.position.stream, o.position.sequence, o.subject, o.at, o.body) for o in oddities]
        first = min((row[1] for row in rows), default=0)
        known = set(self._db.execute("SELECT stream, sequence, at FROM quarantine WHERE sequence >= ?", (first,)))
        rows = [row for row in rows if (row[0], row[1], row[3]) not in known]
        if rows:
            self._db.executemany(
                "INSERT INTO quarantine (stream, sequence, subject, at, body) VALUES (?, ?, ?, ?, ?)", rows
            )
            newest = "SELECT max(number) FROM quarantine"
            self._db.execute(f"DELETE FROM quarantine WHERE number <= ({newest}) - ?", (ODDITIES,))
            newer = "sum(length(body)) OVER (ORDER BY number DESC) - length(body) AS newer"
            too_old = f"SELECT max(number) FROM (SELECT number, {newer} FROM quarantine) WHERE newer >= ?"
            self._db.execute(f"DELETE FROM quarantine WHERE number <= ({too_old})", (ODDITIES_SIZE,))

    def oddities(self, which: Which = EVERYTHING) -> list[Oddity]:
        """What was quarantined, oldest first."""
        where = "at >= ? AND at < ? AND (? = '' OR subject = ?)"
        newest = f"SELECT number, {_ODDITY} FROM quarantine WHERE {where} ORDER BY number DESC LIMIT ?"
        values = (which.start, which.end, which.subject, which.subject, -1 if which.most is None else which.most)
        found = self._db.execute(f"SELECT {_ODDITY} FROM ({newest}) ORDER BY number", values)
        return [Oddity(Position(stream, sequence), *rest) for stream, sequence, *rest in found]

    def segments(self) -> list[Segment]:
        """Those that count, oldest first."""
        return [Segment(*row) for row in self._db.execute(f"SELECT {_SEGMENT} FROM segments ORDER BY ordinal")]

    def kept(self, kind: Kind | None = None, first_day: int | None = None, last_day: int | None = None) -> list[Kept]:
        """The kept files that count, of one kind or all, of these days (included) or all.

        In the order in which their samples came: days first, then runs in order of their numbers.
        """
        where, values = [], []
        for clause, value in (("kind = ?", kind), ("day >= ?", first_day), ("day <= ?", last_day)):
            if value is not None:
                where.append(clause)
                values.append(str(value) if isinstance(value, Kind) else value)
        order = "kind = 'run', CASE kind WHEN 'run' THEN number ELSE day END, file"
        query = f"SELECT {_KEPT} FROM kept WHERE {' AND '.join(where) or '1'} ORDER BY {order}"
        return [Kept(file, Kind(kind), *rest) for file, kind, *rest in self._db.execute(query, values)]

    def next_number(self) -> int:
        """A number for the files of the next act."""
        return int(self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM kept").fetchone()[0])

    def leaving(self, before: int = LATEST) -> list[str]:
        """Files that do not count since a time before `before` (ns)."""
        return [file for (file,) in self._db.execute("SELECT file FROM leaving WHERE since < ?", (before,))]

    def left(self, files: Iterable[str]) -> None:
        """These were leaving and are not on the disk any more."""
        with self._transaction():
            self._db.executemany("DELETE FROM leaving WHERE file = ?", ((file,) for file in files))

    def bookmark(self, name: str) -> bytes | None:
        """What was noted under this name; None: nothing."""
        found = self._db.execute("SELECT body FROM bookmarks WHERE id = ?", (name,)).fetchone()
        return None if found is None else found[0]

    def bookmarks(self, prefix: str = "") -> dict[str, bytes]:
        """Everything that was noted under ids that begin so, by id."""
        return dict(self._db.execute("SELECT id, body FROM bookmarks WHERE id >= ? AND id < ?", (prefix, f"{prefix}~")))

    def forget_bookmark(self, name: str) -> None:
        """What was noted under this name is over."""
        with self._transaction():
            self._db.execute("DELETE FROM bookmarks WHERE id = ?", (name,))

    def known(self, events: Iterable[str]) -> set[str]:
        """Which of these events (by id) are listed."""
        query = "SELECT events.id FROM events JOIN json_each(?) AS given ON events.id = given.value"
        return {name for (name,) in self._db.execute(query, (msgspec.json.encode(list(events)).decode(),))}

    def forget_events(self, before: int, gaps_before: int, *, dry: bool = False) -> int:
        """Drops events of before a time (ns), gaps of before another one, what retention does; how many.

        Files forget them when next compacted. With `dry` they are only counted.
        """
        where = "FROM events WHERE at < ? AND (kind <> ? OR at < ?)"
        return self._forget(where, (before, str(EventKind.GAP), gaps_before), dry=dry)

    def forget_oddities(self, before: int, *, dry: bool = False) -> int:
        """Drops quarantined messages of before a time (ns); how many."""
        return self._forget("FROM quarantine WHERE at < ?", (before,), dry=dry)

    def _forget(self, where: str, values: tuple[int | str, ...], *, dry: bool) -> int:
        if dry:
            return int(self._db.execute(f"SELECT count(*) {where}", values).fetchone()[0])
        with self._transaction():
            return self._db.execute(f"DELETE {where}", values).rowcount

    def damaged(self) -> dict[str, str]:
        """Files that were set aside → why."""
        return dict(self._db.execute("SELECT file, why FROM damaged"))

    def latest(self, numbers: Sequence[int] | None = None) -> Columns:
        """The latest live sample of each tag, in order of their numbers."""
        if numbers is None:
            return tables.columns(self._db.execute("SELECT * FROM latest ORDER BY tag").fetchall())
        wanted = msgspec.json.encode(sorted(set(numbers))).decode()
        query = "SELECT latest.* FROM latest JOIN json_each(?) ON tag = json_each.value ORDER BY tag"
        return tables.columns(self._db.execute(query, (wanted,)).fetchall())

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


def _file(path: Path | None) -> tuple[int, int] | None:
    """Which file lies there."""
    try:
        found = path.stat() if path is not None else None
    except FileNotFoundError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)


def _age(path: Path | None) -> tuple[int, int] | None:
    """By which a change of the file itself is noticed."""
    try:
        found = path.stat() if path is not None else None
    except FileNotFoundError:
        return None
    return None if found is None else (found.st_size, found.st_mtime_ns)


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))


def _is_damage(error: Exception) -> bool:
    """Whether the file itself is wrong, rather than the circumstances (no room, no permission, busy, absent)."""
    return not isinstance(error, sqlite3.OperationalError)
