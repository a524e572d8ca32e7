# SPDX-License-Identifier: Apache-2.0
"""Does a table give rows more quickly than they can be taken? Told after a minute of it, then ever more rarely."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from isthmus.core import time
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Value
from isthmus.systems.sql.window import MOST
from isthmus.systems.telling import happened

FIRST: Final = 60.0
RAREST: Final = 3600.0
"""Seconds in which there always was another page, after which that is told, at first and when it goes on."""


@dataclass(slots=True)
class Lag:
    """One table's. A database where many rows lie has one at first, too, until they are read."""

    system: str
    table: str
    _since: float | None = None
    """When the first of the pages was full that were full one after the other, by a clock that only goes forward."""
    _rows: int = 0
    """Rows taken since then."""
    _latest: int = time.UNKNOWN
    _due: float = field(default_factory=lambda: FIRST)
    """Seconds after which it is told of."""
    _told: bool = False

    def page(self, rows: int, latest: int, full: bool, now: float) -> list[Event]:
        """Notes a page of so many rows, the latest of a time (ns); what there is to tell."""
        if not full:
            return self._ended()
        self._since = now if self._since is None else self._since
        self._rows, self._latest = self._rows + rows, max(self._latest, latest)
        if now - self._since < self._due:
            return []
        self._due = min(2 * self._due, self._due + RAREST)
        self._told = True
        return [self._event(now - self._since)]

    def _ended(self) -> list[Event]:
        told, self._told = self._told, False
        self._since, self._rows, self._latest, self._due = None, 0, time.UNKNOWN, FIRST
        if not told:
            return []
        message = f"table {self.table} is read to its end again"
        return [happened(self.system, EventKind.OVERRUN, Severity.INFORMATION, message, table=self.table)]

    def _event(self, span: float) -> Event:
        upto = f", the latest of {time.to_iso(self._latest)}" if self._latest else ""
        message = (
            f"table {self.table} has had more rows than were taken for {span:.0f} s: {self._rows:,} were{upto}; one "
            f"that becomes visible behind more than {MOST // 2:,} others meanwhile is not taken"
        )
        details: dict[str, Value] = {
            "table": self.table,
            "rows": self._rows,
            "latest": self._latest,
            "seconds": round(span),
        }
        return happened(self.system, EventKind.OVERRUN, Severity.WARNING, message, **details)
