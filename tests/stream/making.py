# SPDX-License-Identifier: Apache-2.0
"""Samples and readings of the log as the tests of this room need them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import numpy as np

from isthmus.core.samples import Samples
from isthmus.stream.codec import unpack
from isthmus.stream.follow import Hole, Idle, Item, Message, NewStream, follow
from isthmus.stream.log import Log, Position
from isthmus.stream.numbers import Missing, Repeated, Sources


def numbered(number: int, rows: int = 100, *, source: str = "plc", epoch: int = 1) -> Samples:
    """Samples whose values tell which they are."""
    return Samples(
        source=source,
        epoch=epoch,
        number=number,
        tags="0" * 32,
        index=np.arange(rows, dtype=np.uint32),
        at=np.arange(rows, dtype=np.int64) + number * rows,
        quality=np.zeros(rows, np.uint32),
        mark=np.zeros(rows, np.uint8),
        value=np.full(rows, float(number)),
        seen=number,
    )


class Reading:
    """What one reader got, told apart as a recorder would."""

    def __init__(self, after: Position | None = None) -> None:
        self.position = after
        self.sources = Sources()
        self.numbers: list[int] = []
        """Numbers taken, in the order of the log."""
        self.repeated: list[int] = []
        self.missing: list[Missing] = []
        self.holes: list[Hole] = []
        self.streams: list[NewStream] = []
        self.others: list[Message] = []
        self.idle = 0

    def take(self, item: Item) -> None:
        match item:
            case Message():
                self.position = item.position
                self._message(item)
            case Hole():
                self.position = item.position
                self.holes.append(item)
            case NewStream():
                self.position = item.new
                self.streams.append(item)
            case Idle():
                self.idle += 1

    def _message(self, message: Message) -> None:
        if not message.subject.startswith("isthmus.samples."):
            self.others.append(message)
            return
        for samples in unpack(message.data):
            assert np.all(samples.value == float(samples.number))
            answer = self.sources.check(samples)
            if isinstance(answer, Repeated):
                self.repeated.append(samples.number)
                continue
            if isinstance(answer, Missing):
                self.missing.append(answer)
            self.numbers.append(samples.number)

    async def read(self, log: Log, enough: Callable[[Reading], bool], *, within: float = 120.0) -> Reading:
        """Reads on until `enough`; fails after `within` seconds."""
        async with asyncio.timeout(within), aclosing(follow(log, self.position, idle=0.1)) as items:
            async for item in items:
                self.take(item)
                if enough(self):
                    return self
        raise AssertionError("follow ended")


async def read_all(log: Log, after: Position | None = None, *, within: float = 120.0) -> Reading:
    """Everything the log has now after a position."""
    state = await log.state()

    def done(reading: Reading) -> bool:
        at = reading.position if reading.position is not None else Position(state.stream, 0)
        return at.stream == state.stream and (
            at.sequence >= state.last or (state.first > state.last and reading.idle > 0)
        )

    return await Reading(after).read(log, done, within=within)
