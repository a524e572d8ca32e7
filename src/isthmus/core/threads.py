# SPDX-License-Identifier: Apache-2.0
"""A step that blocks is done in a thread to its end, also when whoever waits for it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def to_its_end(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `step` returns, done in a thread.

    Cancelled, it waits for the thread before it says so: what the step has open, a file or a transaction, is nobody
    else's until then. Only for steps that end by themselves soon.
    """
    running = asyncio.ensure_future(asyncio.to_thread(step, *args, **kwargs))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait((running,))
        if not running.cancelled():
            running.exception()  # of no interest any more
        raise
