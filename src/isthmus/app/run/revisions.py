# SPDX-License-Identifier: Apache-2.0
"""A newly applied revision goes into the log, whole and as an event: who loses the data directory finds it there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.core.event import Event, EventKind, Severity
from isthmus.plant.revision import Revision
from isthmus.store.ledger.files import RevisionFiles, read_pointer
from isthmus.stream.endpoint import Endpoint
from isthmus.stream.log import open_log

LOOK: Final = 2.0
"""Seconds between two looks at which revision is current."""

say = structlog.get_logger("run")


async def keep_revisions(place: Place, endpoint: Callable[[], Endpoint]) -> None:
    """Keeps each revision that becomes current in the log, for ever; while the log is away, later."""
    kept = 0
    while True:
        pointed = read_pointer(place.revisions)
        if pointed is not None and pointed.number != kept:
            try:
                kept = await _keep(place, endpoint())
            except IsthmusError as error:
                say.warning("the revision is not in the log yet", revision=pointed.number, problem=str(error))
        await asyncio.sleep(LOOK)


async def _keep(place: Place, endpoint: Endpoint) -> int:
    revision = await asyncio.to_thread(RevisionFiles(place.revisions).current)
    if revision is None:
        return 0
    async with open_log(endpoint, name="revisions") as log:
        await log.keep_revision(revision.number, revision.pack())
        await log.emit(_event(revision))
    return revision.number


def _event(revision: Revision) -> Event:
    """Told again at the next start it is the same event, by its id."""
    comment = f": {revision.comment}" if revision.comment else ""
    return Event(
        id=f"revision-{revision.number}-{revision.digest}",
        kind=EventKind.REVISION,
        severity=Severity.INFORMATION,
        source=revision.plant,
        at=revision.created or time.now(),
        message=f"revision {revision.number} is applied by {revision.author or 'nobody named'}{comment}",
        details={"revision": revision.number, "tags": len(revision.tags), "digest": revision.digest},
    )
