# SPDX-License-Identifier: Apache-2.0
"""Rows become readings and events: which addresses a row speaks of, its time and quality, each column by its tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from string import Formatter
from typing import Any, Final

from isthmus.core import quality
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.tag import DataType
from isthmus.systems.cell import Cell, Wanted
from isthmus.systems.contract import Oddity, Readings
from isthmus.systems.growing import Growing
from isthmus.systems.sql import cells
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
class Page(Growing):
    """Some rows of a table."""

    table: str = ""

    def spoil(self, row: Row, reason: str, position: int | None = None) -> None:
        """What could not be understood goes to quarantine."""
        self.oddities.append(Oddity(f"{self.table}: {reason}", cells.as_json(row)[:LARGEST], position))

    def readings(self, **more: Any) -> Readings:
        """The columns; of very many rows that could not be understood few go to quarantine."""
        return Growing.readings(self, oddities=self._few(), **more)

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
        self._cells = Wanted({position: cell for position, (cell, _) in wanted.items()}, cells.written)

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
                page.add(position, at, status, *cells.reading(row[column], self._types[position]))
            except Unfit as error:
                page.spoil(row, f"column {column!r} holds {error}", position)

    def _wanted(self, row: Row) -> Iterator[tuple[int, str]]:
        """(position, column) of the addresses whose row this is and that it says something of."""
        for position, column in self._cells.of(row):
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
