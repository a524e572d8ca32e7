# SPDX-License-Identifier: Apache-2.0
"""What the tags of an output are, as far as it was delivered: recorded samples, and those the log has behind them.

A recorder may be a minute behind what was delivered. Without the log's part, a far end that shows what is now would be
given older values than it had been given before, and keep them until a tag changes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from isthmus.core.errors import Disconnected
from isthmus.core.time import EARLIEST
from isthmus.flow.deliver.reading import Heard, masked
from isthmus.store.history.columns import Columns, empty, join, ordered
from isthmus.store.history.flush import latest
from isthmus.store.history.folder import Folder
from isthmus.store.history.intake import Intake
from isthmus.store.history.lists import Lists
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.state import State
from isthmus.store.history.tail import unread
from isthmus.stream.follow import Hole, Idle, NewStream, follow
from isthmus.stream.log import Log, Position

MOST: Final = 50_000
"""Samples of the log in memory at once, about."""
TRIES: Final = 5
"""Of which each fails when the recorder purges the log meanwhile."""

say = structlog.get_logger("deliver")


async def present(history: Path, log: Log, tags: Collection[int], delivered: State, heard: Heard) -> Columns:
    """The last live sample of each of the tags among what was delivered, ordered by tag number.

    Raises Disconnected while the log is away.
    """
    known, wanted = heard(delivered), masked(tags)
    for _ in range(TRIES):
        columns, state = await asyncio.to_thread(_recorded, Folder(history), sorted(tags))
        until = np.array([known.get(number, EARLIEST) for number in columns.tag.tolist()], np.int64)
        columns = columns.pick(columns.seen <= until)
        end = delivered.position
        if end is None or not end.sequence or _reaches(state.position, end):
            return columns
        found = _Present(log, Intake(state, Lists(Folder(history), log), unread), wanted, columns)
        if await found.read(end):
            return found.columns
    say.warning("the log is purged faster than it can be read; what tags are now may be a minute old")
    return columns


def _recorded(folder: Folder, tags: list[int]) -> tuple[Columns, State]:
    if not folder.manifest.exists():
        return empty(), State()
    manifest = Manifest.open(folder.manifest, reading=True)
    try:
        manifest.freeze()
        return manifest.latest(tags), manifest.state()
    finally:
        manifest.close()


def _reaches(position: Position | None, other: Position) -> bool:
    """Whether a position of the log is not before another; in another log nothing can be read on."""
    return position is not None and (position.stream != other.stream or position.sequence >= other.sequence)


class _Present:
    """The last samples of the tags so far, while the log is read."""

    def __init__(
        self, log: Log, intake: Intake, wanted: np.ndarray[tuple[int], np.dtype[np.bool_]], so_far: Columns
    ) -> None:
        self.columns = so_far
        self._log, self._intake, self._wanted = log, intake, wanted

    async def read(self, end: Position) -> bool:
        """Up to and including `end`; False when the log does not have it all any more."""
        async with aclosing(follow(self._log, self._intake.position, idle=1.0)) as items:
            async for item in items:
                if isinstance(item, Hole | NewStream):
                    return False
                if isinstance(item, Idle):
                    if item.away:
                        raise Disconnected("the log does not answer", hint="isthmus status tells of it")
                    return False
                await self._intake.take(item)
                done = _reaches(self._intake.position, end)
                if done or self._intake.memory.rows >= MOST:
                    self._fold()
                if done:
                    return True
        return False

    def _fold(self) -> None:
        memory = self._intake.cut().memory
        if not memory.rows:
            return
        columns = memory.columns()
        columns = columns.pick(self._wanted[np.minimum(columns.tag, len(self._wanted) - 1)])
        self.columns = latest(ordered(join([self.columns, columns])))
