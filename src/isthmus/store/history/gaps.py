# SPDX-License-Identifier: Apache-2.0
"""A gap is an event that says how much may be missing, from whom and between which times.

The id of a gap follows from what it is about, so that noticing it again after a restart gives the same event.
"""

from __future__ import annotations

from hashlib import sha256

from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Value

LOG = "log"
"""The source of gaps that the log itself has."""


def gap(
    source: str, message: str, *, about: tuple[object, ...], at: int, first: int | None, last: int | None, **more: Value
) -> Event:
    """A gap of `source` between `first` and `last` (ns, None: unknown); `about` makes its id."""
    details: dict[str, Value] = {"first": first, "last": last, **more}
    return Event(
        id=f"gap-{sha256(repr((source, *about)).encode()).hexdigest()[:24]}",
        kind=EventKind.GAP,
        severity=Severity.ERROR,
        source=source,
        at=at,
        message=message,
        details={name: value for name, value in details.items() if value is not None},
    )
