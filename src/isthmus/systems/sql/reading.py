# SPDX-License-Identifier: Apache-2.0
"""One table that is read: what it has, what is asked of it next, and the page of readings that comes of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from time import monotonic
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Connection

from isthmus.core import time
from isthmus.core.tag import DataType
from isthmus.systems.cell import Cell
from isthmus.systems.durations import seconds
from isthmus.systems.sql import cells
from isthmus.systems.sql.account import Entry, Known
from isthmus.systems.sql.database import Failed
from isthmus.systems.sql.lag import Lag
from isthmus.systems.sql.picking import Page, Picker
from isthmus.systems.sql.question import Question, column_names, needed
from isthmus.systems.sql.spec import SqlSpec, Table
from isthmus.systems.sql.window import FUTURE, MOST, MOST_EARLY, Place, Window, unpack

FEW: Final = 1_000
"""Rows behind the watermark that are looked at every time; where there are more, all ten times in the look-back."""

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Met:
    """What the database answered."""

    behind: Rows
    ahead: Rows
    looked: int
    """When it was asked, ns by our clock; 0: not for all that lies behind the watermark."""
    full: bool
    """There may be more beyond."""
    begins: Place | None = None
    """Where the watermark is to stand at first."""
    counted: bool = False
    """Behind the watermark are as many as were taken; they were not read."""


@dataclass(slots=True)
class Reading:
    """One table of the plant file."""

    system: str
    name: str
    spec: Table
    whole: SqlSpec
    wanted: Mapping[int, tuple[Cell, DataType]]
    """Position of each opened address of it → where it is found, and its tag's type."""
    window: Window
    new: bool
    """Nothing is known of it."""
    lag: Lag
    due: float = 0.0
    """When it is to be asked, by a clock that only goes forward."""
    described: bool = False
    """Its columns were looked at."""
    lost: dict[int, str] = field(default_factory=dict)
    """Positions that cannot be read → why."""
    entries: list[Entry] = field(default_factory=list)
    """Pages that the log has and the account does not."""
    _zone: tzinfo = UTC
    _question: Question | None = None
    _picker: Picker | None = None
    _noted: tuple[bytes, bytes, bool] | None = None
    _looked: float = -math.inf
    """When all that lies behind the watermark was looked at."""
    _since: int = 0
    """Rows met since then, or since they were counted."""

    @classmethod
    def of(
        cls, system: str, name: str, whole: SqlSpec, wanted: Mapping[int, tuple[Cell, DataType]], known: Known | None
    ) -> Reading:
        spec = whole.tables[name]
        window = Window.of(known, time.duration(spec.look_back))
        lag = Lag(system, name)
        return cls(system, name, spec, whole, wanted, window, known is None, lag, _zone=ZoneInfo(whole.time_zone))

    def describe(self, connection: Connection) -> dict[int, str]:
        """Looks at which columns there are; positions that cannot be read, with why. Raises Failed when all cannot."""
        names = column_names(connection, self.spec)
        has = f"it has {', '.join(names)[:200]}"
        for column in needed(self.spec):
            if column not in names:
                raise Failed(f"there is no column {column!r}; {has}", where=self.name)
        lost = {
            position: f"there is no column {gone[0]!r}; {has}"
            for position, (cell, _) in self.wanted.items()
            if (gone := [one for one in cell.columns if one not in names])
        }
        left = {position: one for position, one in self.wanted.items() if position not in lost}
        more = [column for cell, _ in left.values() for column in cell.columns]
        self._question = Question(self.spec, list(dict.fromkeys((*needed(self.spec), *more))))
        self._picker = Picker(self.system, self.name, self.spec, left, self._zone)
        self.described = True
        return lost

    def ask(self, connection: Connection) -> Met:
        """The next rows. Changes nothing here: a question may be given up while it is on its way."""
        assert self._question is not None
        window, begins = self.window, None
        most = self.whole.page
        mark = unpack(window.mark)
        if self.new and self.spec.begins == "now":
            begins = mark = self._now(connection)
        asked = time.now()
        ahead = connection.execute(self._question.ahead(mark, most + window.early)).all()
        full, more, counted, behind = len(ahead) >= most + window.early, False, False, list[Any]()
        whole = self._flooded() if full else self._looks_far_back()
        if (whole or not full) and mark is not None and begins is None and window.look_back:
            counted = full and self._all_there(connection, mark)
            behind, more = ([], False) if counted else self._behind(connection, mark, whole, most)
        looked = asked if whole and not more and not counted else 0
        return Met(behind, ahead, looked, full or more, begins, counted)

    def _behind(self, connection: Connection, mark: Place, whole: bool, most: int) -> tuple[list[Any], bool]:
        """Rows behind the watermark, the last of them or all, and whether there are more than so many new ones."""
        assert self._question is not None
        window = self.window
        floor, beyond = unpack(window.floor if whole else window.near(FEW)), whole and window.beyond
        room = (window.behind if whole else 2 * FEW) + most
        found = list(connection.execute(self._question.behind(floor, mark, beyond, room)).all())
        self._looked = -math.inf if len(found) >= room else self._looked
        return found, len(found) >= room

    def _looks_far_back(self) -> bool:
        """What is late mostly is so by little: a long stretch behind the watermark is not read at every look."""
        return self.window.behind <= FEW or monotonic() - self._looked >= seconds(self.spec.look_back) / 10

    def _flooded(self) -> bool:
        """While there always is another page, what lies behind the watermark is looked at before it is forgotten."""
        return self._since >= MOST // 2

    def _all_there(self, connection: Connection, mark: Place) -> bool:
        """Whether as many rows lie behind the watermark as were taken: to count them costs little.

        One that is gone may hide one that is late; so now and then they are read nevertheless.
        """
        assert self._question is not None
        if monotonic() - self._looked >= seconds(self.spec.look_back) / 10:
            return False
        floor, beyond = unpack(self.window.floor), self.window.beyond
        there: int = connection.execute(self._question.count(floor, mark, beyond)).scalar_one()
        return there == self.window.behind

    def _now(self, connection: Connection) -> Place | None:
        """Order and key of the last row that is not in the future."""
        assert self._question is not None
        for row in connection.execute(self._question.last(MOST_EARLY)):
            order, key = self._place(row)
            if not self._waits(order, key, time.now()):
                return (*order, *key)
        return None

    def page(self, met: Met) -> Page:
        """What the rows that are new say."""
        assert self._picker is not None and self._question is not None
        page, picker, window, now = Page(table=self.name), self._picker, self.window, time.now()
        if met.begins is not None:
            window.begin(met.begins, met.begins[: len(self.spec.ordered_by)])
        self.new = False
        for rows, late in ((met.behind, True), (met.ahead, False)):
            for row in rows:
                order, key = self._place(row)
                waits = not late and self._waits(order, key, now)
                identity = window.take(order, key, now, late=late, waits=waits)
                if identity is not None:
                    picker.take(identity, dict(zip(self._question.columns, row, strict=True)), page)
        if met.looked or not window.look_back:
            window.looked, self._looked = met.looked or now, monotonic()
        self._since = len(met.ahead) + (0 if met.looked or met.counted else self._since)
        window.trim()
        window.cut = window.cut and not met.full
        return page

    def _place(self, row: Sequence[Any]) -> tuple[Place, Place]:
        """(order, key) of a row: these columns come first."""
        split, end = len(self.spec.ordered_by), len(self.spec.ordered_by) + len(self.spec.keyed_by)
        return tuple(map(cells.plain, row[:split])), tuple(map(cells.plain, row[split:end]))

    def _waits(self, order: Place, key: Place, now: int) -> bool:
        """The watermark is not to move to a row that lies in the future, or that has no key to be compared by."""
        return None in key or cells.is_future(order[0], self._zone, now + FUTURE)

    def known_as(self, entry: Entry) -> bool:
        """Whether the account says what `entry` does."""
        place = (entry.mark, entry.floor, entry.beyond)
        same, self._noted = place == self._noted, place
        return same and not entry.taken and not entry.forgotten

    def written(self, count: int) -> None:
        """The account has the first entries."""
        del self.entries[:count]

    @property
    def meant(self) -> str:
        """What of its settings the account depends on: with others it is another table, read from its beginning."""
        spec = self.spec
        said = (spec.table, spec.query, spec.ordered_by, spec.keyed_by, spec.where)
        return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:32]
