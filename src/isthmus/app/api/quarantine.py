# SPDX-License-Identifier: Apache-2.0
"""What arrived and could not be understood."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import Parameter

from isthmus.app.api.events import From, To
from isthmus.app.api.picture import Picture
from isthmus.app.api.plant import applied
from isthmus.app.api.problem import ASKED_WRONGLY
from isthmus.app.quarantined import escaped, quarantined
from isthmus.app.recorded import span, zone
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.store.history.read import open_history
from isthmus.stream.log import Log

LONGEST = 4096
"""Bytes of each that the answer has; `isthmus quarantine --json` has all that is kept."""


class PutAside(msgspec.Struct, frozen=True):
    """Something that could not be understood."""

    time: str
    system: str
    reason: str
    size: int
    """Bytes it had."""
    text: str
    """Its first 60 bytes as text, what is none escaped."""
    bytes: str
    """Its first 4,096 bytes, in hexadecimal."""


@get(
    "/api/quarantine",
    operation_id="quarantine",
    summary="What could not be understood",
    responses=ASKED_WRONGLY,
    tags=["events"],
)
async def quarantine(
    place: Place,
    log: Log,
    picture: Picture,
    start: From = "-1d",
    to: To = "now",
    system: Annotated[str, Parameter(description="Only what this system sent")] = "",
    limit: Annotated[int, Parameter(ge=1, le=10_000, description="At most so many, the newest")] = 100,
) -> list[PutAside]:
    """Oldest first."""
    first, last = span(start, to, time.now(), zone(applied(picture)))
    async with open_history(place.history, log) as history:
        found = await asyncio.to_thread(quarantined, history, first, last, system, limit)
    return [
        PutAside(
            time.to_iso(one.at),
            one.source,
            one.reason,
            one.size,
            escaped(one.payload, one.size),
            one.payload[:LONGEST].hex(),
        )
        for one in found
    ]
