# SPDX-License-Identifier: Apache-2.0
"""What a session has to say besides values, said once and in few words: gaps, bad addresses, odd values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from isthmus.core import time
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Value
from isthmus.systems.contract import Address, Oddity
from isthmus.systems.opcua.columns import Columns
from isthmus.systems.opcua.items import Outcome
from isthmus.systems.telling import Oddities, can_be_read, happened, listed, names, spell

PACE: Final = 10 * time.SECOND
"""Overflows within this time are one event."""


class Remarks:
    """Collects what happened to one system's addresses; outlives its sessions."""

    def __init__(self, system: str) -> None:
        self._system = system
        self._overflows: Counter[int] = Counter()
        self._span: tuple[int, int] | None = None
        self._said = 0
        self._odd = Oddities()
        self._later: list[Event] = []

    def event(self, kind: EventKind, severity: Severity, message: str, **details: Value) -> Event:
        """An event of this system, now."""
        return happened(self._system, kind, severity, message, **details)

    def refused(self, bad: dict[int, int], addresses: Sequence[Address]) -> list[Event]:
        """One event per StatusCode, naming the addresses."""
        by_code: dict[int, list[int]] = {}
        for position, code in bad.items():
            by_code.setdefault(code, []).append(position)
        return [self._tags(positions, addresses, code) for code, positions in by_code.items()]

    def _tags(self, positions: list[int], addresses: Sequence[Address], code: int) -> Event:
        name, meaning = ua.status_codes.get_name_and_doc(code)
        message = f"{_names(positions, addresses, 3)}: {name}, {meaning.rstrip('.')}; tried again every 30 s"
        details = _listed(positions, addresses)
        return self.event(EventKind.TAG, Severity.ERROR, message, status=code, **details)

    def restored(self, positions: list[int], addresses: Sequence[Address]) -> list[Event]:
        """Addresses that can be read again."""
        return [can_be_read(self._system, [addresses[position].text for position in positions])] if positions else []

    def terms(self, outcome: Outcome, addresses: Sequence[Address]) -> list[Event]:
        """What the server grants instead of what was asked."""
        events = []
        if outcome.unfiltered:
            message = (
                f"the server refuses the deadband of {_names(outcome.unfiltered, addresses, 3)}: every change comes"
            )
            details = _listed(outcome.unfiltered, addresses)
            events.append(self.event(EventKind.TAG, Severity.WARNING, message, **details))
        if outcome.slower:
            position, interval = max(outcome.slower.items(), key=lambda item: item[1])
            message = (
                f"the server samples {_names(list(outcome.slower), addresses, 1)} slower than asked, "
                f"{addresses[position].text} every {interval / 1000:g} s"
            )
            details = _listed(list(outcome.slower), addresses)
            events.append(self.event(EventKind.TAG, Severity.INFORMATION, message, **details))
        return events

    def overflowed(self, positions: NDArray[np.uint32], at: NDArray[np.int64]) -> None:
        """The server's queues of these positions lost values before these times; said when it is due."""
        self._overflows.update(positions.tolist())
        known = at[at != time.UNKNOWN]
        times = known.tolist() if len(known) else [time.now()]
        first, last = self._span or (times[0], times[0])
        self._span = (min(first, *times), max(last, *times))

    def later(self, events: Iterable[Event]) -> None:
        """Said with the next readings."""
        self._later += events

    def due(self, addresses: Sequence[Address], now: int) -> list[Event]:
        """What is to be said now."""
        events, self._later = self._later, []
        if self._overflows and self._span and now - self._said >= PACE:
            self._said = now
            positions = [position for position, _ in self._overflows.most_common() if position < len(addresses)]
            message = (
                f"the server's queue overflowed and lost values of {_names(positions, addresses, 3)}; "
                "a longer queue:, or a shorter publishing:, gives them room"
            )
            first, last = self._span
            details = _listed(positions, addresses)
            times = self._overflows.total()
            events.append(
                self.event(EventKind.GAP, Severity.WARNING, message, first=first, last=last, overflows=times, **details)
            )
            self._overflows.clear()
            self._span = None
        return events

    def missed(self, first: int, last: int, messages: int) -> list[Event]:
        """Messages that the server sent, that did not arrive, and that it no longer has."""
        message = f"{messages} messages of the server are lost: it could not send them again"
        return [self._gap(first, last, message, messages=messages)]

    def unreadable(self, seen: int, reason: str) -> list[Event]:
        """A message that cannot be read; its bytes are in quarantine."""
        return [self._gap(seen, seen, f"a message of the server cannot be read: {reason}", messages=1)]

    def outage(
        self, first: int, last: int, unknown: int, failed: dict[int, int], recalled: int, values: int, longest: int
    ) -> list[Event]:
        """An outage is over: what was recalled of it, and what nobody observed."""
        span = spell(first, last)
        events = []
        if recalled:
            message = f"{values} values of {recalled} tags {span} were read back from the server's history"
            events.append(self.event(EventKind.CONNECTION, Severity.INFORMATION, message, tags=recalled, values=values))
        if unknown:
            message = f"{unknown} tags were not observed {span}: nothing was read back of them"
            events.append(self._gap(first, last, message, tags=unknown))
        if failed:
            codes = ", ".join(sorted({ua.status_codes.get_name_and_doc(code)[0] for code in failed.values()}))
            message = f"{len(failed)} tags were not observed {span}: reading their history failed ({codes})"
            events.append(self._gap(first, last, message, tags=len(failed)))
        if recalled and last - first > longest:
            message = f"the outage {span} is longer than recall_longest: only its end was read back"
            events.append(self._gap(first, last - longest, message, tags=recalled))
        return events

    def _gap(self, first: int, last: int, message: str, **details: Value) -> Event:
        details |= {"first": min(first or last, last), "last": last}
        return self.event(EventKind.GAP, Severity.WARNING, message, **details)

    def oddities(self, columns: Columns, addresses: Sequence[Address], seen: int) -> list[Oddity]:
        """The odd values that go to quarantine: one a minute of each address and reason."""
        kept = list[Oddity]()
        for row, reason, payload in columns.odd:
            position = int(columns.handle[row])
            kept += self._odd.keep(position, addresses[position].text, reason, payload, seen)
        return kept


def _names(positions: Sequence[int], addresses: Sequence[Address], most: int) -> str:
    return names([addresses[position].text for position in positions], most)


def _listed(positions: Sequence[int], addresses: Sequence[Address]) -> dict[str, Value]:
    return listed([addresses[position].text for position in positions])
