# SPDX-License-Identifier: Apache-2.0
"""Reading a plant that runs, or one that does not: then its log is started for the moment of reading.

So a tail that was accepted and not yet written to a segment, as after a crash, is read too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from isthmus.app.run.endpoint import external_log, revision_of
from isthmus.app.run.place import Place, held
from isthmus.core.errors import Disconnected, IsthmusError, NotFound, first
from isthmus.store.history.read import History, open_history
from isthmus.stream.endpoint import Endpoint
from isthmus.stream.log import Log, open_log
from isthmus.stream.server import LogServer

READER: Final = "serve"
"""The log's user that may only read."""


def reader(place: Place) -> Endpoint:
    """How to read the log of a plant that runs; raises NotFound when it does not."""
    external = external_log(revision_of(place), place)
    if external is not None:
        return external
    if place.holder() is None:
        command = "demo" if place.status("simulation").exists() else "run"
        raise NotFound("the plant does not run", where=str(place.root), hint=f"isthmus {command} --data {place.root}")
    return Endpoint.load(place.endpoint(READER))


@asynccontextmanager
async def log_of(place: Place, what: str) -> AsyncIterator[Log | None]:
    """The log of a plant, for reading by the command `what`; None when the plant never had one.

    Raises InUse when the plant is being started or stopped at this moment and that takes long.
    """
    external = external_log(revision_of(place), place)
    holder = place.holder()
    if external is not None or (holder is not None and not holder.brief):
        async with open_log(external or Endpoint.load(place.endpoint(READER)), name=what) as log:
            yield log
    elif not place.log.is_dir():
        yield None
    else:
        with held(place, what, brief=True):
            async with LogServer(place.log) as server, open_log(server.endpoint_of(READER), name=what) as log:
                yield log


@asynccontextmanager
async def history_of(place: Place, what: str) -> AsyncIterator[History]:
    """Everything recorded and accepted up to this moment, whether the plant runs or not."""
    try:
        async with log_of(place, what) as log, open_history(place.history, log) as history:
            yield history
    except* IsthmusError as group:
        error = first(group)
        if isinstance(error, Disconnected):
            raise IsthmusError(f"the log cannot be read: {error}", hint="isthmus status says more") from group
        raise error from group
