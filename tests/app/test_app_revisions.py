# SPDX-License-Identifier: Apache-2.0
"""What runs is in the log too: who loses the data directory finds the revision there."""

from __future__ import annotations

import asyncio

from isthmus.app.run.endpoint import endpoint, revision_of
from isthmus.app.run.place import Place
from isthmus.core.event import EventKind
from isthmus.plant.revision import Revision
from isthmus.store.history.read import open_history
from isthmus.stream.log import open_log
from tests.app.conftest import Plant, wait


async def in_the_log(place: Place) -> tuple[Revision, list[str]]:
    async with (
        open_log(endpoint(place, "serve"), name="test") as log,
        open_history(place.history, log) as history,
    ):
        told = [event.message for event in history.events(kind=EventKind.REVISION)]
        return Revision.unpack(await log.revision()), told


def test_the_revision_that_runs_is_in_the_log_whole_and_as_one_event(running: Plant) -> None:
    place = Place(running.data)

    def told() -> bool:
        return bool(asyncio.run(in_the_log(place))[1])

    wait(told, "the event of the revision")
    kept, events = asyncio.run(in_the_log(place))
    current = revision_of(place)
    assert kept.number == current.number and kept.digest == current.digest
    assert [event for event in events if event.startswith(f"revision {current.number} is applied by ")]
