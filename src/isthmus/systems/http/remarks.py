# SPDX-License-Identifier: Apache-2.0
"""What a web service has to say besides values, said once: what cannot be read, what was left out, what was missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Value
from isthmus.systems.contract import Oddity
from isthmus.systems.http.resource import Resource
from isthmus.systems.overrun import PACE, Overruns
from isthmus.systems.payload import Reading, Target
from isthmus.systems.telling import Oddities, can_be_read, cannot_be_read, happened, unobserved

KEPT: Final = 65_536
"""Bytes of an answer that go to quarantine."""


class Remarks:
    """Collects what happened to one system's addresses; outlives connections."""

    def __init__(self, system: str, tags: int) -> None:
        self._system, self._tags = system, tags
        self._wrong: dict[int, str] = {}
        """Positions that were told as unreadable in an answer that was read."""
        self._odd = Oddities()
        self._overruns = Overruns(PACE)

    def trouble(self, resource: Resource, why: str) -> list[Event]:
        """A resource cannot be read; said once of each reason."""
        if resource.told == why:
            return []
        resource.told = why
        found = [target.text for target in resource.targets]
        return [cannot_be_read(self._system, found, why)]

    def restored(self, resource: Resource) -> list[Event]:
        """It can be read again, and so can those of its addresses that find something in it."""
        if not resource.told:
            return []
        resource.told = ""
        found = [target.text for target in resource.targets if target.position not in self._wrong]
        return [can_be_read(self._system, found)] if found else []

    def told(self, position: int) -> bool:
        """This address was told as unreadable, and not taken back."""
        return position in self._wrong

    def result(
        self, resource: Resource, target: Target, result: Reading | str, body: bytes, now: int
    ) -> tuple[list[Event], list[Oddity]]:
        """What one address found in an answer that could be read."""
        if not isinstance(result, str):
            if self._wrong.pop(target.position, None) is None or resource.told:  # `restored` names it
                return [], []
            return [can_be_read(self._system, [target.text])], []
        new = target.position not in self._wrong
        events = [cannot_be_read(self._system, [target.text], result)] if new else []
        self._wrong[target.position] = result
        return events, self.odd(target, f"what cannot be read: {result}", body, now)

    def odd(self, target: Target, reason: str, body: bytes, now: int) -> list[Oddity]:
        """An answer for quarantine, where it is due."""
        return self._odd.keep(target.position, target.text, reason, body[:KEPT], now)

    def outage(self, first: int, last: int) -> Event:
        """Nobody observed the system between these times (ns), and it kept nothing for us."""
        return unobserved(self._system, self._tags, first, last)

    def round(self, resource: Resource, began: float, ended: float, missed: int) -> Sequence[Event]:
        """Notes a round of a resource; the event of readings left out, where one is due."""
        key = (resource.path, resource.interval)
        late = self._overruns.round(key, resource.interval, began, ended, missed)
        if late is None:
            return ()
        message = (
            f"{resource.path} cannot be read every {resource.interval:g} s: {late.missed} of "
            f"{late.missed + late.rounds} readings within {late.span:.0f} s were left out; one took up to "
            f"{late.longest:.3g} s"
        )
        details: dict[str, Value] = {
            "path": resource.path, "missed": late.missed, "read": late.rounds, "longest": late.longest,
        }  # fmt: skip
        return (happened(self._system, EventKind.OVERRUN, Severity.WARNING, message, **details),)
