# SPDX-License-Identifier: Apache-2.0
"""What an output delivers next: the log from the output's position on, and history where that is gone from the log.

Samples come in batches, each with the place to go on from once it is delivered. While the sink is busy the next batch
grows up to a bound; then the log is not read further.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from isthmus.core.errors import Disconnected
from isthmus.core.threads import to_its_end
from isthmus.flow.deliver.book import Place
from isthmus.store.history.columns import Columns, empty
from isthmus.store.history.folder import Folder
from isthmus.store.history.intake import Intake
from isthmus.store.history.lists import Lists
from isthmus.store.history.since import Part, recorded_state, since
from isthmus.store.history.state import State
from isthmus.store.history.tail import unread
from isthmus.stream.follow import Hole, Idle, NewStream, follow
from isthmus.stream.log import Log, Position

MOST: Final = 50_000
MOST_BYTES: Final = 32 << 20
"""Samples of a batch, and bytes of them, at which the log is not read further, about."""

AGAIN: Final = 0.25
"""Seconds until a log that went away is looked for again."""

Lost: TypeAlias = Callable[[Hole | NewStream], Awaitable[None]]
"""Told when neither the log nor a history has what came after the position."""

Heard: TypeAlias = Callable[[State], Mapping[int, int]]
"""Tag number → when the last samples that were delivered of its systems reached us, ns; see `origins`."""

say = structlog.get_logger("deliver")


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples to deliver, and where to go on once they are."""

    columns: Columns
    after: Place
    recalled: bool = False


class Reading:
    """Reads for one output; `run` fills `batches`, which holds one at a time."""

    def __init__(self, log: Log, history: Path, place: Place, tags: Collection[int], heard: Heard, lost: Lost) -> None:
        # tags: numbers of those that are wanted
        self.batches: asyncio.Queue[Batch] = asyncio.Queue(1)
        self.recalling = place.state.position is None or bool(place.taken)
        """It goes on from history."""
        self._log, self._history, self._heard, self._lost = log, history, heard, lost
        self._wanted = masked(tags)
        self._overtaken: Hole | NewStream | None = None
        """Why it goes on from history; None: it began there."""
        self._begin(place)

    def _begin(self, place: Place) -> None:
        self._place = place
        self._intake = Intake(place.state, Lists(Folder(self._history), self._log), unread)

    async def run(self) -> None:
        """Reads until cancelled; outlasts any outage of the log. Raises Refused when the log does not take us."""
        while True:
            try:
                if self.recalling:
                    await self._recall()
                await self._follow()
            except Disconnected as error:
                say.warning("log is away", problem=str(error))
                await asyncio.sleep(AGAIN)

    async def _follow(self) -> None:
        """Follows the log until its beginning has overtaken us."""
        async with aclosing(follow(self._log, self._intake.position)) as items:
            async for item in items:
                if isinstance(item, Hole | NewStream):
                    self._overtaken, self.recalling = item, True
                    return
                if not isinstance(item, Idle):
                    await self._intake.take(item)
                if self._intake.moved and (self._full or not self.batches.full()):
                    await self._hand_over()

    @property
    def _full(self) -> bool:
        memory = self._intake.memory
        return memory.rows >= MOST or memory.size >= MOST_BYTES

    async def _hand_over(self) -> None:
        """Gives what was read since the last time, as soon as there is room for it."""
        cut = self._intake.cut()
        self._place = Place(cut.new)
        columns = cut.memory.columns() if cut.memory.rows else empty()
        await self.batches.put(Batch(self._filtered(columns), self._place))

    def _filtered(self, columns: Columns) -> Columns:
        rows = self._wanted[np.minimum(columns.tag, len(self._wanted) - 1)]
        return columns if rows.all() else columns.pick(rows)

    async def _recall(self) -> None:
        """Gives from history what the log does not have any more, and begins again where that ends."""
        if self._intake.moved:
            await self._hand_over()
        item = self._overtaken
        say.info("going on from history", why=item.why if item is not None else "it begins there")
        resume = await self._first() if item is None else item.position if isinstance(item, Hole) else item.new
        found = await asyncio.to_thread(self._recorded)
        reached = await self._given(found) if found is not None else State()
        if found is None and item is not None:
            await self._lost(item)
        self._begin(Place(_ahead(self._place.state, reached, resume, overtaken=item is not None)))
        await self.batches.put(Batch(empty(), self._place, True))
        self._overtaken, self.recalling = None, False

    def _recorded(self) -> Iterator[State | Part] | None:
        """What history has after our position; None where there is none."""
        state = self._place.state
        if not Folder(self._history).manifest.exists():
            return None
        return since(self._history, state.position, self._heard(state), self._place.taken)

    async def _given(self, found: Iterator[State | Part]) -> State:
        """Hands over all of `found`; how far that goes."""
        reached = await _next(found)
        assert isinstance(reached, State)
        while isinstance(part := await _next(found), Part):
            taken = self._place.taken | {part.file} if part.last else self._place.taken
            self._place = Place(self._place.state, taken)
            await self.batches.put(Batch(self._filtered(part.columns), self._place, True))
        return reached

    async def _first(self) -> Position:
        """Before the first message of the log as it is now."""
        log = await self._log.state()
        return Position(log.stream, log.first - 1)


def _ahead(mine: State, reached: State, resume: Position, *, overtaken: bool) -> State:
    """Where to go on after history was given up to `reached`; what the log has begins after `resume`."""
    position = reached.position
    if position is None:
        return msgspec.structs.replace(mine, position=resume)
    if position.stream != resume.stream:
        return msgspec.structs.replace(reached, position=resume)
    if overtaken and position.sequence < resume.sequence:  # what lies between is nowhere; the recorder tells of it
        return msgspec.structs.replace(mine, position=resume)
    return reached


def beginning(history: Path, position: Position | None) -> Place:
    """Where an output begins that is new: at a position of the log, or (None) with the first recorded sample."""
    if position is None:
        return Place(State())
    return Place(State(position=position, heard=recorded_state(history).heard))


async def _next(found: Iterator[State | Part]) -> State | Part | None:
    """The next one, read in a thread, which has the files open."""
    return await to_its_end(next, found, None)


def masked(numbers: Collection[int]) -> NDArray[np.bool_]:
    """By tag number, whether it is wanted; the last place stands for all beyond."""
    wanted = np.zeros(max(numbers, default=0) + 2, np.bool_)
    wanted[list(numbers)] = True
    return wanted
