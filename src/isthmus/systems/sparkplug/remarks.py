# SPDX-License-Identifier: Apache-2.0
"""What is said of edge nodes and of addresses that cannot be read, or can again: once, and many in one event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from isthmus.core.event import Event, EventKind, Severity
from isthmus.systems.contract import Oddity
from isthmus.systems.telling import Oddities, can_be_read, cannot_be_read, happened, unobserved


class Remarks:
    """Knows from connection to connection what could not be read."""

    def __init__(self, system: str) -> None:
        self._system = system
        self.texts: Sequence[str] = ()
        """Addresses by position."""
        self.wrong: set[int] = set()
        """Positions that were told as unreadable."""
        self._oddities = Oddities()

    def unreadable(self, positions: Iterable[int], why: str) -> list[Event]:
        """Of those that could be read until now."""
        new = [position for position in positions if position not in self.wrong]
        if not new:
            return []
        self.wrong.update(new)
        found = [self.texts[position] for position in new]
        return [cannot_be_read(self._system, found, why)]

    def readable(self, positions: Iterable[int]) -> list[Event]:
        """Of those that could not be read until now."""
        again = [position for position in positions if position in self.wrong]
        if not again:
            return []
        self.wrong.difference_update(again)
        found = [self.texts[position] for position in again]
        return [can_be_read(self._system, found)]

    def gap(self, message: str, first: int, last: int, count: int) -> Event:
        """Messages that existed and did not come, or came and could not be understood."""
        first = min(first, last) if first else last
        return happened(self._system, EventKind.GAP, Severity.WARNING, message, first=first, last=last, messages=count)

    def outage(self, first: int, last: int) -> Event:
        """Nobody listened between these times (ns); only edge nodes that keep what they have say it afterwards."""
        return unobserved(self._system, len(self.texts), first, last)

    def odd(self, position: int, what: str, raw: bytes, now: int) -> list[Oddity]:
        """A value that cannot be understood, with the message it came in."""
        return self._oddities.keep(position, self.texts[position], what, raw, now)

    def odd_message(self, node: str, what: str, raw: bytes, now: int) -> list[Oddity]:
        """A message that cannot be understood."""
        return self._oddities.keep(None, f"a message of {node}", what, raw, now)
