# SPDX-License-Identifier: Apache-2.0
"""The `record` service as a process: `python -m isthmus.app.run.record`, started by the supervisor."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from isthmus.app.run.service import Work, main
from isthmus.app.run.tend import tend
from isthmus.app.run.untold import tell
from isthmus.core.errors import IsthmusError
from isthmus.store.history.inventory import Inventory
from isthmus.store.history.record import Progress, record
from isthmus.stream.log import LogState

LOOK: Final = 2.0
"""Seconds between two looks at how full the log is."""


async def body(work: Work) -> None:
    """Records, and says how far it is behind the log and how full that is."""
    said = Said(work)
    others = (said.watch(), tend(work.place, said.hold), tell(work.log, work.place.history))
    beside = [asyncio.create_task(other) for other in others]
    try:
        await record(work.log, work.place.history, ready=work.ready, stop=work.stop, progress=said.take)
    finally:
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)


class Said:
    """The counters of the recorder: its own progress, and the log's state beside it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._progress: Progress | None = None
        self._log: dict[str, Any] = {}
        self._state: LogState | None = None
        self._history: dict[str, Any] = {}

    def hold(self, inventory: Inventory) -> None:
        """What lies in the history."""
        self._history = msgspec.to_builtins(inventory)
        self._say()

    def take(self, progress: Progress) -> None:
        self._progress = progress
        self._say()

    async def watch(self) -> None:
        """Asks the log for its state every two seconds, until cancelled."""
        while True:
            try:
                self._state = await self._work.log.state()
                self._log = {**msgspec.to_builtins(self._state), "fill": round(self._state.fill, 4)}
            except IsthmusError as error:
                self._state, self._log = None, {"problem": str(error)}
            self._say()
            await asyncio.sleep(LOOK)

    def _say(self) -> None:
        counters: dict[str, Any] = {"log": self._log, "history": self._history}
        if self._progress is not None:
            counters |= msgspec.to_builtins(self._progress)
            if self._state is not None:
                counters["unread"] = self._state.lag(self._progress.position)
                counters["unwritten"] = self._state.lag(self._progress.committed)
        self._work.say(counters)


if __name__ == "__main__":
    main("record", body)
