# SPDX-License-Identifier: Apache-2.0
"""Tasks that talk with far ends are ended: all at once, and one that hangs in its farewell is broken off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from isthmus.core.errors import Disconnected
from isthmus.flow.end import end
from isthmus.flow.hold import Hold
from isthmus.flow.source import Source, run_source
from isthmus.systems.contract import Address, Readings


async def test_those_that_hang_are_told_of_and_broken_off_and_the_others_take_leave() -> None:
    left = list[str]()

    async def talk(name: str, *, hangs: bool) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            if hangs:
                await asyncio.Event().wait()  # the far end does not say goodbye
            left.append(name)

    hanging = ["broker", "database"]
    tasks = [asyncio.create_task(talk(name, hangs=name in hanging), name=name) for name in ("mill", *hanging)]
    await asyncio.sleep(0)  # all have begun
    told = list[str]()
    await end(tasks, told.append, untold=0.05, polite=0.1)
    assert sorted(told) == hanging
    assert left == ["mill"]
    assert all(task.cancelled() for task in tasks)


async def test_a_farewell_that_takes_a_while_is_heard_to_its_end() -> None:
    heard = list[str]()

    async def talk() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            heard.append("goodbye")

    task = asyncio.create_task(talk())
    await asyncio.sleep(0)
    await end([task], heard.append, untold=60.0, polite=120.0)
    assert heard == ["goodbye"]


async def test_nothing_to_end_is_no_wait() -> None:
    told = list[str]()
    await end([], told.append)
    assert not told


class Leaving:
    """A driver whose far end hangs up while we take leave of it."""

    def __init__(self) -> None:
        self.opened, self.talks = 0, asyncio.Event()

    def connect(self, _: Mapping[str, int]) -> Leaving:
        return self

    @asynccontextmanager
    async def open(self, _: Sequence[Address]) -> AsyncIterator[AsyncIterator[Readings]]:
        self.opened += 1
        self.talks.set()
        try:
            yield silence()
        finally:
            raise Disconnected("it hung up", where="mill")


async def silence() -> AsyncIterator[Readings]:
    await asyncio.Event().wait()
    yield  # type: ignore[misc]  # nothing ever comes


async def test_a_source_whose_far_end_hangs_up_at_the_farewell_ends_and_is_not_opened_again() -> None:
    driver = Leaving()
    source = Source("mill", settings=(), rules=(), connect=driver.connect)
    task = asyncio.create_task(run_source(source, Hold(), epoch=1))
    await driver.talks.wait()
    task.cancel()
    await asyncio.wait((task,), timeout=60)
    assert task.cancelled()
    assert driver.opened == 1
