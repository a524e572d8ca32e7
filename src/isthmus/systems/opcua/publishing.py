# SPDX-License-Identifier: Apache-2.0
"""Several PublishRequests wait at the server; what they bring is taken in order, and acknowledged when it is kept.

Sequence numbers say what is missing: it is asked for again (Republish), and called lost only when the server no longer
has it (Part 4, 5.14.1.4 and 6.7).
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Final, Protocol

from asyncua import ua

from isthmus.core.errors import Disconnected
from isthmus.systems.opcua import notification
from isthmus.systems.opcua.failure import SUBSCRIPTION_GONE, explain, status_name
from isthmus.systems.opcua.link import Link
from isthmus.systems.opcua.notification import Message
from isthmus.systems.opcua.transport import Answer
from isthmus.systems.opcua.wire import Malformed

LATE: Final = 0.1
"""Seconds that later messages wait for an earlier one before it is asked for again."""
MOST_ACKS: Final = 1000
"""Acknowledgements in one request."""
PAUSE: Final = 0.2
"""Seconds before the next request when the server turned one away."""
_PATIENT: Final = {"BadTimeout", "BadRequestTimeout", "BadTooManyPublishRequests", "BadNoData"}


class Receiver(Protocol):
    """Who takes what the server sends."""

    async def take(self, message: Message) -> None:
        """The next message, or a keep-alive."""

    async def miss(self, first: int, messages: int) -> None:
        """`messages` messages from sequence number `first` on are lost."""

    async def puzzle(self, body: bytes, reason: str) -> None:
        """A response that is none."""


class Publishing:
    """The flow of messages of one subscription; outlives the channel it began on."""

    def __init__(self, link: Link, subscription: int, receiver: Receiver) -> None:
        self.link, self.subscription, self.receiver = link, subscription, receiver
        self.window = link.spec.outstanding
        self.expected = 1
        """Sequence number of the next message."""
        self.heard = 0.0
        """When the last response came, by the loop's clock."""
        self._held: dict[int, Message] = {}
        self._first: Message | None = None
        """What `find` found."""
        self._upto: int | None = None
        """A keep-alive said that everything before this number was sent."""
        self._acks: dict[int, None] = {}
        self._asked = 0
        """Requests whose answers were not taken yet."""
        self._arrived: asyncio.Queue[Answer] = asyncio.Queue()

    @property
    def waiting(self) -> bool:
        """The server owes us a response."""
        return self._asked > self._arrived.qsize()

    def acknowledge(self, sequence: int) -> None:
        """The message is kept: the server may forget it. Told with the next request."""
        self._acks[sequence] = None

    async def find(self) -> None:
        """Looks whether the server still has the subscription (Part 4, 6.7); raises Disconnected when it has not."""
        try:
            self._first = await self._republished(self.expected)
        except ua.UaStatusCodeError as error:
            raise explain(error, self.link.url) from error

    async def run(self) -> None:
        """Asks, takes and asks again, for ever; first for what was sent while there was no channel."""
        self.heard = asyncio.get_running_loop().time()
        try:
            await self._catch_up()
            while True:
                self._top_up()
                answer = await self._next()
                if answer is not None:
                    await self._absorb(answer)
                if (self._held and (answer is None or len(self._held) >= self.window)) or self._upto is not None:
                    await self._mend()
        finally:
            self._asked = 0
            self._arrived = asyncio.Queue()  # what still comes over the old channel comes to nobody

    async def _catch_up(self) -> None:
        message, self._first = self._first, None
        while message is not None:
            await self._deliver(message)
            message = self._held.pop(self.expected, None) or await self._republished(self.expected)

    def _top_up(self) -> None:
        while self._asked < self.window:
            acks = list(islice(self._acks, MOST_ACKS))
            self.link.publish(self.subscription, acks, self._arrived.put_nowait)
            self._asked += 1
            for sequence in acks:
                del self._acks[sequence]

    async def _next(self) -> Answer | None:
        if not self._held:
            return await self._arrived.get()
        try:
            async with asyncio.timeout(LATE):
                return await self._arrived.get()
        except TimeoutError:
            return None

    async def _absorb(self, answer: Answer) -> None:
        self._asked -= 1
        self.heard = asyncio.get_running_loop().time()
        if isinstance(answer, Exception):
            raise answer
        try:
            message = notification.published(answer._data, answer.cur_pos)
        except ua.UaStatusCodeError as error:
            await self._turned_away(error)
            return
        except Malformed as error:
            await self.receiver.puzzle(answer._data, str(error))
            return
        if message.subscription == self.subscription:
            await (self._order(message) if message.parts else self._keep_alive(message))

    async def _turned_away(self, error: ua.UaStatusCodeError) -> None:
        name = status_name(error)
        if name in SUBSCRIPTION_GONE:
            raise Disconnected(f"the server has dropped our subscription ({name})", where=self.link.url)
        if name not in _PATIENT:
            raise explain(error, self.link.url)
        if name == "BadTooManyPublishRequests":
            self.window = max(1, self.window - 1)
        await asyncio.sleep(PAUSE)

    async def _keep_alive(self, message: Message) -> None:
        if _ahead(message.sequence, self.expected) > 0:
            self._upto = message.sequence
        await self.receiver.take(message)

    async def _order(self, message: Message) -> None:
        ahead = _ahead(message.sequence, self.expected)
        if ahead == 0:
            await self._deliver(message)
            await self._drain()
        elif ahead > 0:
            self._held[message.sequence] = message

    async def _drain(self) -> None:
        while (message := self._held.pop(self.expected, None)) is not None:
            await self._deliver(message)

    async def _deliver(self, message: Message) -> None:
        self.expected = _after(message.sequence)
        await self.receiver.take(message)

    async def _mend(self) -> None:
        """Asks again for what is missing before the messages that wait."""
        goals = [*self._held, *([self._upto] if self._upto is not None else [])]
        goal = max(goals, key=lambda sequence: _ahead(sequence, self.expected))
        self._upto = None
        first, lost = self.expected, 0
        while _ahead(goal, self.expected) > 0:
            message = self._held.pop(self.expected, None) or await self._republished(self.expected)
            if message is None:
                first, lost = (first if lost else self.expected), lost + 1
                self.expected = _after(self.expected)
                continue
            if lost:
                await self.receiver.miss(first, lost)
                lost = 0
            await self._deliver(message)
        if lost:
            await self.receiver.miss(first, lost)
        await self._drain()

    async def _republished(self, sequence: int) -> Message | None:
        """The message of this number once more; None when the server no longer has it."""
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = self.subscription
        request.Parameters.RetransmitSequenceNumber = sequence
        try:
            answer = await self.link.send(request)
            message = notification.republished(answer._data, answer.cur_pos, self.subscription)
        except ua.UaStatusCodeError as error:
            if status_name(error) == "BadMessageNotAvailable":
                return None
            raise
        except Malformed as error:
            await self.receiver.puzzle(answer._data, str(error))
            return None
        return message if message.sequence == sequence and message.parts else None


def _after(sequence: int) -> int:
    """The next sequence number: after the last comes 1, never 0 (Part 4, 7.8)."""
    return 1 if sequence >= 0xFFFF_FFFF else sequence + 1


def _ahead(sequence: int, expected: int) -> int:
    """How far a number lies ahead of the expected one, across the turn from the last to 1; negative: behind."""
    distance = (sequence - expected) & 0xFFFF_FFFF
    return distance - (1 << 32) if distance >= 1 << 31 else distance
