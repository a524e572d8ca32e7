# SPDX-License-Identifier: Apache-2.0
"""Live samples of a running plant: an iterator for plain code, and an asynchronous one."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing

from isthmus.app.run.place import Place
from isthmus.app.watching import Seen, Watch
from isthmus.client.background import Background
from isthmus.client.values import Sample

_WAITING = 100
"""Looks at the log that wait for a slow reader; then the log waits."""

_Block = list[Sample] | BaseException


class Live:
    """First the last value of each tag, then every sample as it comes; goes on when the plant is started again.

    `for sample in live` or `async for sample in live`. It never ends by itself: leave the loop.
    """

    def __init__(self, place: Place, wanted: Callable[[str], object], background: Background) -> None:
        self._place, self._wanted, self._background = place, wanted, background

    def __iter__(self) -> Iterator[Sample]:
        waiting: asyncio.Queue[_Block] = asyncio.Queue(_WAITING)
        feeding = self._background.run(self._begin(waiting))
        try:
            while True:
                yield from _samples(self._background.run(waiting.get()))
        finally:
            self._background.run(_ended(feeding))

    def __aiter__(self) -> AsyncIterator[Sample]:
        waiting: asyncio.Queue[_Block] = asyncio.Queue(_WAITING)
        return _Coming(waiting, asyncio.create_task(_feed(Watch(self._place, self._wanted), waiting)))

    async def _begin(self, waiting: asyncio.Queue[_Block]) -> asyncio.Task[None]:
        return asyncio.create_task(_feed(Watch(self._place, self._wanted), waiting))


class _Coming:
    """An asynchronous iterator whose source ends with it, also when a loop over it is merely left."""

    def __init__(self, waiting: asyncio.Queue[_Block], feeding: asyncio.Task[None]) -> None:
        self._waiting, self._feeding = waiting, feeding
        self._here: Iterator[Sample] = iter(())

    def __aiter__(self) -> AsyncIterator[Sample]:
        return self

    async def __anext__(self) -> Sample:
        while (sample := next(self._here, None)) is None:
            self._here = iter(_samples(await self._waiting.get()))
        return sample

    def __del__(self) -> None:
        loop = self._feeding.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._feeding.cancel)


def _samples(block: _Block) -> list[Sample]:
    if isinstance(block, BaseException):
        raise block
    return block


async def _feed(watching: Watch, waiting: asyncio.Queue[_Block]) -> None:
    """Puts what comes into the queue, in a task of its own from beginning to end."""
    known = False
    try:
        async with aclosing(watching.follow()) as items:
            async for news in items:
                if not known and not news.away:
                    known = True
                    await waiting.put([_sample(seen) for seen in watching.describe()])
                if news.note and not news.away:
                    warnings.warn(news.note, stacklevel=2)
                if news.samples:
                    await waiting.put([_sample(seen) for seen in news.samples])
    except Exception as error:  # whatever it is, the one who iterates gets it
        await waiting.put(error)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _sample(seen: Seen) -> Sample:
    return Sample.of(seen.setting, seen.value, seen.at, seen.seen, seen.quality, seen.mark)
