# SPDX-License-Identifier: Apache-2.0
"""From the hold into the log: at most one message per 100 ms with all sources' samples, `done` after its ack."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import structlog

from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.core.samples import Samples
from isthmus.flow.hold import Hold, Waiting, weight
from isthmus.stream.log import Log
from isthmus.stream.publish import Publisher

PERIOD: Final = 0.1
"""Seconds between two messages: every message is one fsync of the log."""

MOST: Final = 2 << 20
"""Bytes of samples in one message, about; the log takes 4 MiB."""

say = structlog.get_logger("collect")


@dataclass(slots=True)
class Shipment:
    """What the log has taken from this collector, and how what comes next is numbered."""

    epoch: int
    accepted: int = 0
    """Samples the log has on disk."""
    messages: int = 0
    problem: str = ""
    _numbers: Counter[str] = field(default_factory=Counter)

    def numbered(self, batch: Sequence[Waiting]) -> list[Samples]:
        """The batch's samples under their identity: numbers count from 1 for each source."""
        blocks = [part for waiting in batch for samples in waiting.samples for part in parts(samples)]
        return [samples.numbered(self.epoch, self._next(samples.source)) for samples in blocks]

    def _next(self, source: str) -> int:
        self._numbers[source] += 1
        return self._numbers[source]


def parts(samples: Samples) -> Iterator[Samples]:
    """`samples` in pieces that fit into a message; itself when it does."""
    if weight(samples) <= MOST or len(samples) < 2:
        yield samples
        return
    middle = len(samples) // 2
    for rows in (slice(0, middle), slice(middle, None)):
        yield from parts(_rows(samples, rows))


def _rows(samples: Samples, rows: slice) -> Samples:
    return replace(
        samples,
        index=samples.index[rows],
        at=samples.at[rows],
        quality=samples.quality[rows],
        mark=samples.mark[rows],
        value=samples.value[rows],
        integer=None if samples.integer is None else samples.integer[rows],
        text=None if samples.text is None else samples.text[rows],
    )


def loads(blocks: Sequence[Samples]) -> Iterator[list[Samples]]:
    """The blocks in order, grouped into messages of at most MOST bytes."""
    load: list[Samples] = []
    size = 0
    for block in blocks:
        if load and size + weight(block) > MOST:
            yield load
            load, size = [], 0
        load.append(block)
        size += weight(block)
    if load:
        yield load


async def ship(hold: Hold, log: Log, publisher: Publisher, shipment: Shipment) -> None:
    """Sends what `hold` gets, in order, until cancelled. While the log refuses, the hold fills."""
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[None] = loop.create_future()
    accepted.set_result(None)
    while True:
        batch = await hold.take(MOST)
        began = loop.time()
        await _say(hold, log, batch, shipment)
        blocks = shipment.numbered(batch)
        for load in loads(blocks):
            accepted = await publisher.send(load)
        accepted.add_done_callback(partial(_settle, shipment, batch, blocks))
        await asyncio.sleep(max(0.0, began + PERIOD - loop.time()))


async def _say(hold: Hold, log: Log, batch: Sequence[Waiting], shipment: Shipment) -> None:
    """Events and quarantine of the batch, and gap events owed; kept trying, for nothing is dropped in silence."""
    for event in [*hold.owed(shipment.epoch, time.now()), *(e for waiting in batch for e in waiting.events)]:
        await _insist(shipment, partial(log.emit, event))
    for source, oddity in (odd for waiting in batch for odd in waiting.oddities):
        await _insist(shipment, partial(log.quarantine, source, oddity.reason, oddity.payload))


async def drained(hold: Hold, timeout: float) -> bool:
    """Whether all that `hold` has now is accepted within `timeout` seconds."""
    passed = asyncio.Event()
    await hold.put(Waiting(done=passed.set), "discard-oldest")
    try:
        await asyncio.wait_for(passed.wait(), timeout)
    except TimeoutError:
        return False
    return True


async def _insist(shipment: Shipment, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await act()
        except IsthmusError as error:
            _note(shipment, str(error))
            await asyncio.sleep(PERIOD)
        else:
            _note(shipment, "")
            return


def _note(shipment: Shipment, problem: str) -> None:
    if problem and problem != shipment.problem:
        say.warning("the log does not take samples", problem=problem)
    shipment.problem = problem


def _settle(
    shipment: Shipment, batch: Sequence[Waiting], blocks: Sequence[Samples], accepted: asyncio.Future[None]
) -> None:
    """Tells the far ends that their values are in the log, unless the publisher was closed before they were."""
    if accepted.cancelled() or accepted.exception() is not None:
        return
    shipment.accepted += sum(map(len, blocks))
    shipment.messages += bool(blocks)
    for waiting in batch:
        waiting.done()
