# SPDX-License-Identifier: Apache-2.0
"""From the hold into the log: at most one message per 80 ms with all sources' samples, `done` after its ack."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import structlog

from isthmus.core import time
from isthmus.core.errors import IsthmusError, LogFull, Refused
from isthmus.core.samples import Samples
from isthmus.flow.hold import Hold, Waiting, weight
from isthmus.stream.happenings import Quarantined, of_events, of_quarantined
from isthmus.stream.log import Log
from isthmus.stream.publish import Publisher
from isthmus.systems.contract import nothing

PERIOD: Final = 0.08
"""Seconds between two messages: every message is one fsync of the log. A little less than the 100 ms at which many a
device publishes, so that its jitter never makes it wait."""

MOST: Final = 2 << 20
"""Bytes of samples in one message, about; the log takes 4 MiB."""

say = structlog.get_logger("collect")


WINDOW: Final = 16
"""Messages on their way at once."""

AGAIN: Final = 0.5
"""Seconds between two tries to give a full log what it refused."""


@dataclass(slots=True)
class Shipment:
    """What the log has taken from this collector, and how what comes next is numbered."""

    epoch: int
    accepted: int = 0
    """Samples the log has on disk."""
    messages: int = 0
    problem: str = ""
    sent: deque[Sent] = field(default_factory=deque)
    """Given to the publisher and not acknowledged, in order."""
    given: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
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


@dataclass(slots=True)
class Sent:
    """A message given to the publisher; `done` is called once the log has it and all before it."""

    blocks: list[Samples]
    done: Callable[[], None]
    future: asyncio.Future[int]

    @property
    def refused(self) -> bool:
        """The log had no room for it: it has to be sent again, before anything newer."""
        return self.future.done() and not self.future.cancelled() and isinstance(self.future.exception(), LogFull)


async def ship(hold: Hold, log: Log, publisher: Publisher, shipment: Shipment) -> None:
    """Sends what `hold` gets, in order, until cancelled. While the log refuses, the hold fills."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_settle(hold, publisher, shipment))
        await _load(hold, log, publisher, shipment)


async def _load(hold: Hold, log: Log, publisher: Publisher, shipment: Shipment) -> None:
    loop = asyncio.get_running_loop()
    soonest = loop.time()
    while True:
        await hold.filled()
        if (wait := soonest - loop.time()) > 0 and hold.size < MOST:  # more than a message waits: go on at once
            await asyncio.sleep(wait)
        soonest = loop.time() + PERIOD
        batch = hold.take(MOST)
        await _say(hold, log, batch, shipment)
        messages = list(loads(shipment.numbered(batch))) or [[]]
        for blocks in messages[:-1]:
            await _send(publisher, shipment, blocks, nothing)
        await _send(publisher, shipment, messages[-1], partial(_done, batch))


def _done(batch: Sequence[Waiting]) -> None:
    for waiting in batch:
        waiting.done()


async def _send(publisher: Publisher, shipment: Shipment, blocks: list[Samples], done: Callable[[], None]) -> None:
    """Gives a message to the publisher, never past one that it refused: the log would take them out of order."""
    while len(shipment.sent) >= WINDOW or any(sent.refused for sent in shipment.sent):
        shipment.settled.clear()
        await shipment.settled.wait()
    shipment.sent.append(Sent(blocks, done, await _given(publisher, blocks)))
    shipment.given.set()


async def _given(publisher: Publisher, blocks: list[Samples]) -> asyncio.Future[int]:
    if blocks:
        return await publisher.send(blocks)
    nothing_to_send: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    nothing_to_send.set_result(0)
    return nothing_to_send


async def _settle(hold: Hold, publisher: Publisher, shipment: Shipment) -> None:
    """Waits for the acks in order; what was refused for lack of room is sent again until it is taken."""
    while True:
        while not shipment.sent:
            shipment.given.clear()
            await shipment.given.wait()
        oldest = shipment.sent[0]
        taken = oldest.blocks
        try:
            await oldest.future  # unshielded: nobody looks at it any more when this task is cancelled
        except LogFull as error:
            _note(shipment, str(error))
            await asyncio.sleep(AGAIN)
            for sent in [sent for sent in shipment.sent if sent.refused]:
                sent.future = await _given(publisher, sent.blocks)
            continue
        except Refused as error:
            _note(shipment, str(error))
            hold.lose(oldest.blocks)
            taken = []
        shipment.sent.popleft()
        shipment.settled.set()
        if taken:
            shipment.accepted += sum(map(len, taken))
            shipment.messages += 1
            _note(shipment, "")
        oldest.done()


async def _say(hold: Hold, log: Log, batch: Sequence[Waiting], shipment: Shipment) -> None:
    """Events and quarantine of the batch, and gap events owed; kept trying, for nothing is dropped in silence."""
    now = time.now()
    events = [*hold.owed(shipment.epoch, now), *(event for waiting in batch for event in waiting.events)]
    odd = enumerate(one for waiting in batch for one in waiting.oddities)  # a ns apart: two may be the same else
    aside = [Quarantined.of(source, one.reason, one.payload, now + number) for number, (source, one) in odd]
    for parcel in (*of_events(events), *of_quarantined(aside)):
        await _insist(shipment, partial(log.put, parcel))


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
