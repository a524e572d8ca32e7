# SPDX-License-Identifier: Apache-2.0
"""Rows become readings and events: which addresses a row speaks of, its time and quality, each column by its tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from string import Formatter
from typing import Any, Final

import numpy as np

from isthmus.core import quality, time
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.tag import DataType
from isthmus.systems.contract import Oddity, Readings
from isthmus.systems.sql import cells
from isthmus.systems.sql.address import Cell
from isthmus.systems.sql.cells import Unfit
from isthmus.systems.sql.spec import Table

LARGEST: Final = 65_536
"""Bytes of a row that are kept in quarantine."""
MOST_ODD: Final = 20
"""Entries of a page in quarantine."""
LONGEST: Final = 1_000
"""Characters of an event."""

Row = Mapping[str, Any]


@dataclass(slots=True)
class Page:
    """Some rows of a table, as lists that become columns."""

    table: str
    index: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    form: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    integer: list[int] = field(default_factory=list)
    text: list[str | None] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)

    def spoil(self, row: Row, reason: str, position: int | None = None) -> None:
        """What could not be understood goes to quarantine."""
        self.oddities.append(Oddity(f"{self.table}: {reason}", cells.as_json(row)[:LARGEST], position))

    def add(self, position: int, at: int, status: int, reading: cells.Reading) -> None:
        """One value."""
        form, value, whole, text = reading
        self.index.append(position)
        self.at.append(at)
        self.quality.append(status)
        self.form.append(form)
        self.value.append(value)
        self.integer.append(whole & 0xFFFF_FFFF_FFFF_FFFF)
        self.text.append(text)

    def readings(self, **more: Any) -> Readings:
        """The columns."""
        return Readings(
            index=np.array(self.index, np.uint32),
            at=np.array(self.at, np.int64),
            quality=np.array(self.quality, np.uint32),
            form=np.array(self.form, np.uint8),
            value=np.array(self.value, np.float64),
            integer=np.array(self.integer, np.uint64).view(np.int64),
            text=self.text,
            seen=time.now(),
            events=self.events,
            oddities=self._few(),
            **more,
        )

    def _few(self) -> list[Oddity]:
        """What goes to quarantine. Of very many rows the later ones share an entry, lest they drive out others."""
        if len(self.oddities) <= MOST_ODD:
            return self.oddities
        rest = self.oddities[MOST_ODD - 1 :]
        reason = f"{self.table}: {len(rest):,} more rows, the first because of {rest[0].reason}"
        return [*self.oddities[: MOST_ODD - 1], Oddity(reason, b"\n".join(one.payload for one in rest)[:LARGEST])]


class Picker:
    """What the rows of one table mean."""

    def __init__(self, system: str, name: str, spec: Table, wanted: Mapping[int, tuple[Cell, DataType]], zone: tzinfo):
        # wanted: position of each opened address of this table → where it is found, and its tag's type
        self._system, self._name, self._spec, self._zone = system, name, spec, zone
        self._types = {position: type_ for position, (_, type_) in wanted.items()}
        self._groups: dict[tuple[str, ...], dict[tuple[str, ...], list[tuple[int, str]]]] = {}
        for position, (cell, _) in wanted.items():
            keys, texts = tuple(key for key, _ in cell.rows), tuple(text for _, text in cell.rows)
            self._groups.setdefault(keys, {}).setdefault(texts, []).append((position, cell.column))

    def take(self, identity: bytes, row: Row, page: Page) -> None:
        """Adds what a row says to `page`."""
        wanted = list(self._wanted(row))
        if not wanted and self._spec.event is None:
            return
        try:
            at, status = self._of("time", row), self._of("quality", row)
        except Unfit as error:
            page.spoil(row, str(error))
            return
        if self._spec.event is not None:
            page.events.append(self._event(identity, row, at))
        for position, column in wanted:
            try:
                page.add(position, at, status, cells.reading(row[column], self._types[position]))
            except Unfit as error:
                page.spoil(row, f"column {column!r} holds {error}", position)

    def _wanted(self, row: Row) -> Iterator[tuple[int, str]]:
        """(position, column) of the addresses whose row this is and that it says something of."""
        for keys, known in self._groups.items():
            for position, column in known.get(tuple(cells.written(row[key]) for key in keys), ()):
                cell = row[column]
                if cell is not None and not (isinstance(cell, str) and not cell.strip()):
                    yield position, column

    def _of(self, what: str, row: Row) -> int:
        """Time or quality of a row; raises Unfit."""
        column = self._spec.time if what == "time" else self._spec.quality
        if column is None:
            return quality.GOOD
        try:
            return cells.moment(row[column], self._zone) if what == "time" else cells.status(row[column])
        except Unfit as error:
            raise Unfit(f"column {column!r} holds {error}") from None

    def _event(self, identity: bytes, row: Row, at: int) -> Event:
        said = {name: cells.written(row[name]) for name in self._spec.told}
        text = "".join(
            before + (said[name] or "–" if name is not None else "")
            for before, name, _, _ in Formatter().parse(self._spec.event or "")
        )
        return Event(
            id=f"sql-{self._system}-{self._name}-{identity.hex()}",
            kind=EventKind.REPORT,
            severity=Severity(self._spec.severity),
            source=self._system,
            at=at,
            message=text[:LONGEST],
            details={"table": self._name, **said},
        )
