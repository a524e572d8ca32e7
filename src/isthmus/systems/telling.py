# SPDX-License-Identifier: Apache-2.0
"""What a driver has to say besides values, in few words: events that name addresses, oddities that do not flood."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final

from isthmus.core import time
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Value
from isthmus.systems.contract import Oddity

PACE: Final = 60 * time.SECOND
"""One oddity per address and reason within this time goes to quarantine; the next says how many did not."""
MOST_REASONS: Final = 10
"""Reasons of one address within this time; others count as more of the first, for garbage is another each time."""
MOST_NAMES: Final = 200
"""Addresses named in an event's details."""


def happened(system: str, kind: EventKind, severity: Severity, message: str, **details: Value) -> Event:
    """An event of `system`, now."""
    return Event(
        id=uuid.uuid4().hex,
        kind=kind,
        severity=severity,
        source=system,
        at=time.now(),
        message=message,
        details=details,
    )


def names(addresses: Sequence[str], most: int) -> str:
    """`a, b, c and 4 more`."""
    said = ", ".join(addresses[:most])
    return said if len(addresses) <= most else f"{said} and {len(addresses) - most} more"


def listed(addresses: Sequence[str]) -> dict[str, Value]:
    """Details of an event about these addresses: how many, and the first 200 of them, a line each."""
    return {"tags": len(addresses), "addresses": "\n".join(addresses[:MOST_NAMES])}


def cannot_be_read(system: str, addresses: Sequence[str], why: str) -> Event:
    """These addresses cannot be read."""
    message = f"{names(addresses, 3)} cannot be read: {why}"
    return happened(system, EventKind.TAG, Severity.ERROR, message, **listed(addresses))


def can_be_read(system: str, addresses: Sequence[str]) -> Event:
    """These addresses, of which it was told that they cannot be read, can be again."""
    message = f"{names(addresses, 3)} can be read again"
    return happened(system, EventKind.TAG, Severity.INFORMATION, message, **listed(addresses))


def unobserved(system: str, tags: int, first: int, last: int) -> Event:
    """Nobody observed so many tags of a system between these times (ns), and it kept nothing for us."""
    first = min(first, last)
    message = f"{tags} tags were not observed {spell(first, last)}"
    return happened(system, EventKind.GAP, Severity.WARNING, message, first=first, last=last, tags=tags)


def spell(first: int, last: int) -> str:
    """`from 2026-11-23T02:15:32Z to 2026-11-23T02:16:01Z`: to the second, for a sentence."""
    begin, end = (time.to_iso(at // time.SECOND * time.SECOND) for at in (first, last))
    return f"from {begin} to {end}"


class Oddities:
    """Lets one oddity a minute through of each address and reason; outlives sessions."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, tuple[int, int]]] = {}
        """Address → reason → (when last kept, how many not kept since)."""

    def keep(self, position: int | None, address: str, reason: str, payload: bytes, now: int) -> list[Oddity]:
        """The oddity of `address`, which holds `reason`, where it is due; `position` None: it is no tag's address."""
        kept, untold = self._kept.setdefault(address, {}), 0
        if reason not in kept and len(kept) >= MOST_REASONS:
            old = [one for one, (when, _) in kept.items() if now - when >= PACE]
            untold = sum(kept.pop(one)[1] for one in old)
            reason = reason if old else next(iter(kept))
        when, missed = kept.get(reason, (0, untold))
        if now - when < PACE:
            kept[reason] = (when, missed + 1)
            return []
        kept[reason] = (now, 0)
        more = f" (and {missed} more since the last one kept)" if missed else ""
        return [Oddity(f"{address} holds {reason}{more}", payload, position)]
