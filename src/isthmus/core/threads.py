# SPDX-License-Identifier: Apache-2.0
"""A step that blocks is done in a thread: to its end whatever comes, or left alone when nobody wants it any more."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LINGER: Final = 1.0
"""Seconds that what blocks in a thread has to come to its end when all else has."""


class Threads(ThreadPoolExecutor):
    """An event loop's threads, as many as `most`: when the loop ends it waits `LINGER` seconds for them and no longer.

    Python itself would wait for as long as a far end does not answer. It does so again when the process ends, unless
    that is by `os._exit`.
    """

    def __init__(self, most: int, name: str) -> None:
        self._begun: list[threading.Thread] = []
        super().__init__(most, name, lambda: self._begun.append(threading.current_thread()))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        super().shutdown(wait=False, cancel_futures=cancel_futures)
        end = time.monotonic() + (LINGER if wait else 0.0)
        for one in self._begun:
            one.join(max(0.0, end - time.monotonic()))


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


async def as_long_as_wanted(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `step` returns, done in a thread of its own that is left alone once nobody waits for it any more.

    Neither whoever was cancelled nor the end of the process waits for it. Only for steps that nothing can interrupt and
    that have nothing open which must be closed: a question to a far end that does not answer.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            tell = partial(answer.set_result, step(*args, **kwargs))
        except Exception as error:
            tell = partial(answer.set_exception, error)
        with suppress(RuntimeError):  # the loop is closed: nobody is there
            loop.call_soon_threadsafe(lambda: None if answer.done() else tell())

    threading.Thread(target=run, name="left alone", daemon=True).start()
    return await answer
