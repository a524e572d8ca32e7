# SPDX-License-Identifier: Apache-2.0
"""What happened, and which samples are missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import Parameter

from isthmus.app.api.picture import Picture, Shown
from isthmus.app.api.plant import applied
from isthmus.app.api.problem import ASKED_WRONGLY
from isthmus.app.recorded import span, zone
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.event import Event, EventKind, Severity
from isthmus.store.history.read import open_history
from isthmus.stream.log import Log

From = Annotated[
    str, Parameter(query="from", description="Included. ISO 8601 (the plant's time zone where none is said), or `-1h`")
]
To = Annotated[str, Parameter(description="Not included. ISO 8601, `-5m`, or `now`")]
Limit = Annotated[int, Parameter(ge=1, le=100_000, description="At most so many, the newest")]

_TIMES = ("first", "last")


class Happened(msgspec.Struct, frozen=True):
    """One event."""

    id: str
    kind: EventKind
    severity: Severity
    source: str
    """The system, or the part of Isthmus, it is about."""
    time: str
    message: str
    details: dict[str, Shown]

    @classmethod
    def of(cls, event: Event) -> Happened:
        details = {
            name: time.to_iso(value) if name in _TIMES and isinstance(value, int) else value
            for name, value in event.details.items()
        }
        return cls(event.id, event.kind, event.severity, event.source, time.to_iso(event.at), event.message, details)


async def _found(
    place: Place, log: Log, picture: Picture, start: str, end: str, limit: int, kind: EventKind | None, gaps: bool
) -> list[Happened]:
    first, last = span(start, end, time.now(), zone(applied(picture)))
    async with open_history(place.history, log) as history:

        def read() -> Sequence[Event]:
            return history.gaps(first, last) if gaps else history.events(first, last, kind)

        return [Happened.of(event) for event in (await asyncio.to_thread(read))[-limit:]]


@get("/api/events", operation_id="events", summary="What happened", responses=ASKED_WRONGLY, tags=["events"])
async def events(
    place: Place,
    log: Log,
    picture: Picture,
    start: From = "-1d",
    to: To = "now",
    kind: Annotated[EventKind | None, Parameter(description="Only these")] = None,
    limit: Limit = 1000,
) -> list[Happened]:
    """Oldest first."""
    return await _found(place, log, picture, start, to, limit, kind, gaps=False)


@get("/api/gaps", operation_id="gaps", summary="Missing samples", responses=ASKED_WRONGLY, tags=["events"])
async def gaps(
    place: Place, log: Log, picture: Picture, start: From = "-1d", to: To = "now", limit: Limit = 1000
) -> list[Happened]:
    """Gaps of which the missing samples may lie in the range, oldest first."""
    return await _found(place, log, picture, start, to, limit, None, gaps=True)
