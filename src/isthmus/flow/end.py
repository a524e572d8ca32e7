# SPDX-License-Identifier: Apache-2.0
"""Tasks that talk with far ends are ended: side by side, politely, and within a few seconds whatever a far end does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Final

UNTOLD: Final = 0.75
"""Seconds that a task may take to end before it is told of."""

POLITE: Final = 3.0
"""Seconds that a task has to take leave of its far end."""


async def end(
    tasks: Collection[asyncio.Task[None]],
    slow: Callable[[str], None],
    *,
    untold: float = UNTOLD,
    polite: float = POLITE,
) -> None:
    """Cancels tasks and waits until they have ended; `slow` is told the names of those that do not so at once.

    After `polite` seconds they are cancelled again: what they wait for then, on their way out, is broken off. Whoever
    must not lose anything by that has put it on the disk before it takes leave.
    """
    for task in tasks:
        task.cancel()
    waiting = await _still(tasks, untold)
    for task in waiting:
        slow(task.get_name())
    waiting = await _still(waiting, polite - untold)
    for task in waiting:
        task.cancel()
    await _still(waiting, polite)


async def _still(tasks: Collection[asyncio.Task[None]], seconds: float) -> Collection[asyncio.Task[None]]:
    """Those that have not ended after so many seconds."""
    if not tasks:
        return ()
    _, pending = await asyncio.wait(tasks, timeout=seconds)
    return pending


def unless_cancelled() -> None:
    """Ends the task that calls it where that was told to end, though what broke on its way out came in place of that.

    Raises CancelledError.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
