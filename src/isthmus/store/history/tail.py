# SPDX-License-Identifier: Apache-2.0
"""What the log has behind the manifest, as the recorder would take it: for who reads, and for who makes a copy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, closing
from typing import Final

from isthmus.core.errors import Disconnected
from isthmus.store.history.adopt import at_one_moment
from isthmus.store.history.folder import Folder
from isthmus.store.history.intake import Intake
from isthmus.store.history.lists import Lists
from isthmus.store.history.state import State
from isthmus.stream.follow import Hole, Idle, NewStream, follow
from isthmus.stream.log import Log, LogState, Position

IDLE: Final = 0.25
PATIENCE: Final = 5.0
"""Seconds without anything from the log after which it is taken to have no more."""


def unread(position: Position, data: bytes) -> str:
    """Where bytes are that a reader could not understand."""
    return "in the log: the recorder is the one that keeps them"


async def behind(
    folder: Folder,
    state: State,
    log: Log,
    *,
    lists: Lists | None = None,
    unread: Callable[[Position, bytes], str] = unread,
) -> Intake | None:
    """What the log has behind `state` at this moment; None when the recorder has committed and purged more meanwhile.

    `folder` is the one that is recorded into. `lists` and `unread` are of who keeps what is found; else nobody does.
    Raises Disconnected when the log does not answer.
    """
    end = await log.state()
    intake = Intake(state, lists or Lists(folder, log), unread)
    if _at_end(intake.position, end):
        return intake
    idle = 0.0
    async with aclosing(follow(log, intake.position, idle=IDLE)) as items:
        async for item in items:
            if isinstance(item, Hole | NewStream) and await asyncio.to_thread(_overtaken, folder, state):
                return None
            await intake.take(item)
            idle = idle + IDLE if isinstance(item, Idle) else 0.0
            if idle > PATIENCE and isinstance(item, Idle) and item.away:
                raise Disconnected("the log does not answer", hint="read without it, or try again")
            if idle > PATIENCE or (not isinstance(item, Idle) and _passed(intake.position, end)):
                break
    return intake


def _at_end(position: Position | None, end: LogState) -> bool:
    return end.last == 0 if position is None else (position.stream, position.sequence) == (end.stream, end.last)


def _passed(position: Position | None, end: LogState) -> bool:
    return position is not None and position.stream == end.stream and position.sequence >= end.last


def _overtaken(folder: Folder, state: State) -> bool:
    with closing(at_one_moment(folder)) as manifest:
        return not manifest.state().is_at(state)
