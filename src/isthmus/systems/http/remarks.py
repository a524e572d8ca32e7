# SPDX-License-Identifier: Apache-2.0
"""What a web service has to say besides values, said once: what cannot be read, what was left out, what was missed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Value
from isthmus.systems.contract import Oddity
from isthmus.systems.http.resource import Resource
from isthmus.systems.payload import Reading, Target
from isthmus.systems.telling import Oddities, happened, listed, names, unobserved

PACE: Final = 10.0
RAREST: Final = 3600.0
"""Seconds over which readings that were left out are one event, at first and when it goes on."""
KEPT: Final = 65_536
"""Bytes of an answer that go to quarantine."""


class Remarks:
    """Collects what happened to one system's addresses; outlives connections."""

    def __init__(self, system: str, tags: int) -> None:
        self._system, self._tags = system, tags
        self._wrong: dict[int, str] = {}
        """Positions that were told as unreadable in an answer that was read."""
        self._odd = Oddities()
        self._late: dict[str, tuple[float, int]] = {}
        """Path → (when it was late first, readings left out since)."""
        self._said: dict[str, tuple[float, float]] = {}
        """Path → when readings left out were last told of, and the seconds that covered."""

    def trouble(self, resource: Resource, why: str) -> list[Event]:
        """A resource cannot be read; said once of each reason."""
        if resource.told == why:
            return []
        resource.told = why
        found = [target.text for target in resource.targets]
        message = f"{names(found, 3)} cannot be read: {why}"
        return [happened(self._system, EventKind.TAG, Severity.ERROR, message, **listed(found))]

    def restored(self, resource: Resource) -> list[Event]:
        """It can be read again, and so can those of its addresses that find something in it."""
        if not resource.told:
            return []
        resource.told = ""
        found = [target.text for target in resource.targets if target.position not in self._wrong]
        if not found:
            return []
        message = f"{names(found, 3)} can be read again"
        return [happened(self._system, EventKind.TAG, Severity.INFORMATION, message, **listed(found))]

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
            message = f"{target.text} can be read again"
            return [happened(self._system, EventKind.TAG, Severity.INFORMATION, message, **listed([target.text]))], []
        events = []
        if target.position not in self._wrong:
            message = f"{target.text} cannot be read: {result}"
            events.append(happened(self._system, EventKind.TAG, Severity.ERROR, message, **listed([target.text])))
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
        key = f"{resource.path} {resource.interval}"
        if key not in self._late and not missed:
            return ()
        since, count = self._late.get(key, (began, 0))
        said, span = self._said.get(key, (-RAREST, 0.0))
        span = max(PACE, 2 * resource.interval, min(2 * span, RAREST) if began - said < 2 * span else 0.0)
        self._late[key] = since, count + missed
        if ended - since < span:
            return ()
        del self._late[key]
        self._said[key] = ended, span
        message = (
            f"{resource.path} cannot be read every {resource.interval:g} s: {count + missed} readings within "
            f"{ended - since:.0f} s were left out; the last took {ended - began:.3g} s"
        )
        details: dict[str, Value] = {"path": resource.path, "missed": count + missed, "longest": ended - began}
        return (happened(self._system, EventKind.OVERRUN, Severity.WARNING, message, **details),)
