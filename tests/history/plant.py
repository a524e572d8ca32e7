# SPDX-License-Identifier: Apache-2.0
"""What the tests of the recorder share: a collector's publishing, a recorder that runs, conditions with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import numpy as np

from isthmus.core.samples import Samples
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.store.history.record import Limits, Progress, record
from isthmus.stream.log import Log
from isthmus.stream.publish import Publisher
from tests.history.plain import block

TAGS = TagList(tuple(Tag(n + 1, f"p/t{n}", "", DataType.FLOAT, False) for n in range(100)))
START = 1_790_000_000 * 10**9


def numbered(number: int, *, epoch: int, rows: int = 100, source: str = "dcs", before: int = 0) -> Samples:
    """Block `number` of all: its values are unique, `number * rows` onward; `before` of them were of earlier epochs."""
    value = np.arange(rows) + number * rows
    return block(
        TAGS,
        value % 100,  # type: ignore[arg-type]  # arrays do as well
        START + value * 10**6,  # type: ignore[arg-type]
        value.astype(np.float64),  # type: ignore[arg-type]
        number=number - before,
        epoch=epoch,
        source=source,
        seen=START + number * 10**9,
    )


async def until(condition: Callable[[], bool], seconds: float = 180) -> None:
    """Waits for `condition`; fails after `seconds`."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def collector(log: Log, epoch: int = 1, name: str = "one") -> AsyncIterator[Publisher]:
    await log.keep_list(TAGS)
    async with Publisher.open(log, "plant", name, epoch) as publisher:
        yield publisher


async def accepted(publisher: Publisher, *several: Samples) -> None:
    """Publishes a message each and waits until the log has them."""
    futures = [await publisher.send([samples]) for samples in several]
    async with asyncio.timeout(60):
        await asyncio.gather(*futures)


class Running:
    """A recorder that runs in the test's own process."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.ready = asyncio.Event()
        self.said: list[Progress] = []
        self.task: asyncio.Task[None] | None = None

    @property
    def now(self) -> Progress:
        return self.said[-1]

    async def has_recorded(self, rows: int) -> None:
        await until(lambda: bool(self.said) and self.now.recorded == rows)

    async def has_read(self, log: Log) -> None:
        """Everything that is in the log now."""
        end = (await log.state()).last
        await until(lambda: bool(self.said) and (place := self.now.position) is not None and place.sequence >= end)

    async def ended(self) -> None:
        self.stop.set()
        assert self.task is not None
        async with asyncio.timeout(60):
            await self.task


@asynccontextmanager
async def recorder(log: Log, folder: Path, **limits: float) -> AsyncIterator[Running]:
    running = Running()
    running.task = asyncio.create_task(
        record(
            log,
            folder,
            ready=running.ready.set,
            stop=running.stop,
            limits=Limits(**limits),  # type: ignore[arg-type]  # rows and size are whole
            progress=running.said.append,
        )
    )
    try:
        async with asyncio.timeout(60):
            waiting = asyncio.create_task(running.ready.wait())
            await asyncio.wait((waiting, running.task), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        yield running
    finally:
        await running.ended()
