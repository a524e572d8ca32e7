# SPDX-License-Identifier: Apache-2.0
"""What a device has to say besides values, said once: refused addresses, silent units, readings left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from isthmus.core import quality, time
from isthmus.core.event import Event, EventKind, Severity
from isthmus.systems.contract import Address, Oddity
from isthmus.systems.overrun import PACE, Late, Overruns
from isthmus.systems.polled.language import Language, W
from isthmus.systems.polled.schedule import AGAIN, Scan
from isthmus.systems.telling import Oddities, can_be_read, happened, listed, names, unobserved


class Remarks(Generic[W]):
    """Collects what happened to one system's addresses; outlives connections."""

    def __init__(self, system: str, addresses: Sequence[Address], language: Language[W]) -> None:
        self._system, self._language = system, language
        self._texts = [address.text for address in addresses]
        self._odd = Oddities()
        self._overruns = Overruns(PACE)

    def _of(self, positions: Sequence[int]) -> list[str]:
        return [self._texts[position] for position in positions]

    def misplaced(self, positions: Sequence[int], why: str) -> list[Event]:
        """Addresses that cannot be asked for as the system is set up."""
        if not positions:
            return []
        found = self._of(positions)
        message = f"{names(found, 3)}: {why}"
        return [happened(self._system, EventKind.TAG, Severity.ERROR, message, **listed(found))]

    def refused(self, codes: dict[int, int]) -> list[Event]:
        """One event per code, naming the addresses that the device refused with it."""
        by_code: dict[int, list[int]] = {}
        for position, code in codes.items():
            by_code.setdefault(code, []).append(position)
        return [self._refused(self._of(sorted(positions)), code) for code, positions in by_code.items()]

    def _refused(self, found: list[str], code: int) -> Event:
        status = self._language.status(code)
        said = f"{quality.name(status)}, {self._language.meaning(code)}; tried again every {AGAIN:g} s"
        message = f"{names(found, 3)}: {said}"
        return happened(self._system, EventKind.TAG, Severity.ERROR, message, status=status, **listed(found))

    def restored(self, positions: Sequence[int]) -> list[Event]:
        """Addresses that can be read again."""
        return [can_be_read(self._system, self._of(sorted(positions)))] if positions else []

    def outage(self, first: int, last: int) -> Event:
        """Nobody observed the system between these times (ns), and it kept nothing for us."""
        return unobserved(self._system, len(self._texts), first, last)

    def silent(self, unit: int, why: str) -> Event:
        """A unit behind the gateway that others answer through."""
        message = f"{self._language.called([unit])} does not answer: {why}; it is asked less often until it does"
        return happened(self._system, EventKind.TAG, Severity.ERROR, message, unit=unit)

    def back(self, unit: int) -> Event:
        """The unit answers again."""
        message = f"{self._language.called([unit])} answers again"
        return happened(self._system, EventKind.TAG, Severity.INFORMATION, message, unit=unit)

    def garbled(self, position: int, reason: str, frame: bytes) -> list[Oddity]:
        """An answer that did not fit its question; one a minute of each kind goes to quarantine."""
        return self._odd.keep(
            position, self._texts[position], f"an answer that does not fit: {reason}", frame, time.now()
        )

    def round(self, scan: Scan[W], began: float, ended: float, missed: int) -> list[Event]:
        """Notes a round of a scan; the event of readings left out, where one is due."""
        late = self._overruns.round((scan.unit, scan.interval), scan.interval, began, ended, missed)
        return [self._overrun(scan, late)] if late is not None else []

    def _overrun(self, scan: Scan[W], late: Late) -> Event:
        slow = late.longest > scan.interval
        why = f"reading takes up to {late.longest:.3g} s" if slow else "other units or this computer took the time"
        message = (
            f"{self._language.called([scan.unit])} cannot be read every {scan.interval:g} s: {late.missed} of "
            f"{late.missed + late.rounds} readings within {late.span:.0f} s were left out; {why}"
        )
        details = {"unit": scan.unit, "missed": late.missed, "read": late.rounds, "longest": late.longest}
        return happened(self._system, EventKind.OVERRUN, Severity.WARNING, message, **details)
