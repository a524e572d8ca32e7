# SPDX-License-Identifier: Apache-2.0
"""How what happened is told: gaps as short lines below a table, events as objects for scripts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from isthmus.app.aligned import Aligned
    from isthmus.app.not_kept import NotKept
    from isthmus.app.recorded import Recorded
    from isthmus.app.spells import Spells
    from isthmus.app.summed import Summed
    from isthmus.core.event import Event

MOST: Final = 5
"""Gaps that are named below a table."""

_SPAN = re.compile(r" from \S+Z to \S+Z")
_STAMP = re.compile(r"\b\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z")
_TIMES: Final = ("first", "last")


def below(shown: int, left_out: int, gaps: Sequence[Event], not_kept: Sequence[NotKept] = ()) -> Iterator[str]:
    """The lines below a table: that it was cut, the gaps, the newest ones, and what was let go."""
    if left_out:
        yield f"{shown:,} of {shown + left_out:,} rows, the newest; --last 0 for all"
    lines = list(dict.fromkeys(_gap(gap) for gap in gaps))
    if len(lines) > MOST:
        yield f"{len(lines) - MOST:,} older gaps; isthmus events --kind gap lists all"
    yield from lines[-MOST:]
    yield from map(str, not_kept)


def missing(found: Recorded | Summed | Aligned | Spells) -> dict[str, Any]:
    """What scripts get beside samples."""
    return {
        "gaps": [as_data(gap) for gap in found.gaps],
        "not_kept": [one.data() for one in found.not_kept],
    }


def by_clocks_of(zone: tzinfo, event: Event) -> str:
    """What an event says, with its times as the clocks of `zone` show them; the words of a far end stay as they are."""
    from isthmus.core.event import EventKind

    if event.kind is EventKind.REPORT:
        return event.message
    return _STAMP.sub(lambda found: _local(found[0], zone), event.message)


def _local(stamp: str, zone: tzinfo) -> str:
    """A time by the clocks of `zone`; what only looks like one as it is."""
    from isthmus.core.errors import IsthmusError
    from isthmus.core.time import from_iso, to_local

    try:
        return to_local(from_iso(stamp), zone)
    except IsthmusError:
        return stamp


def _gap(gap: Event) -> str:
    """`gap 2026-11-23T02:15:32Z to 02:16:01Z: 20 tags were not observed`."""
    first, last = (gap.details.get(name) for name in _TIMES)
    what = _SPAN.sub("", gap.message, count=1)
    return f"gap {_moment(first)}{_until(first, last)}: {what}"


def _moment(time: object) -> str:
    from isthmus.core.time import SECOND, to_iso

    return to_iso(time // SECOND * SECOND) if isinstance(time, int) else "from an unknown time"


def _until(first: object, last: object) -> str:
    """Nothing when it is the same second, without the date when it is the same day."""
    begin, end = _moment(first), _moment(last) if isinstance(last, int) else "an unknown time"
    if begin == end:
        return ""
    return f" to {end[11:] if begin[:10] == end[:10] else end}"


def nothing(what: str, start: int, end: int) -> str:
    """That there is nothing between two times (ns), and why where that is plain."""
    from isthmus.core.time import now, to_iso

    why = ": all of it lies in the future" if start > now() else ""
    return f"nothing {what} from {to_iso(start)} to {to_iso(end)}{why}"


def as_data(event: Event) -> dict[str, Any]:
    """An event for scripts: its times in ISO 8601, like all times that scripts get."""
    from isthmus.core.time import to_iso

    details = {
        name: to_iso(value) if name in _TIMES and isinstance(value, int) else value
        for name, value in event.details.items()
    }
    return {
        "id": event.id,
        "kind": event.kind,
        "severity": event.severity,
        "source": event.source,
        "time": to_iso(event.at),
        "message": event.message,
        "details": details,
    }
