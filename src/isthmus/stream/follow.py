# SPDX-License-Identifier: Apache-2.0
"""A reader follows the log from its position, for ever, and is told of every hole in what it reads.

Our own pull loop: a short-lived consumer that is made anew, one past what was read, after a new connection, a missing
heartbeat, or a jump in the sequence. Only a jump that stays is a hole.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from isthmus.core import time
from isthmus.core.errors import Disconnected, IsthmusError
from isthmus.core.spared import spared
from isthmus.stream import names
from isthmus.stream.log import Log, LogState, Position
from isthmus.stream.wire import Answered

with spared("aiohttp"):
    import nats.errors
    from nats.aio.subscription import Subscription

BATCH: Final = 256
_BYTES: Final = 16 << 20
"""Of one pull: what a reader holds in memory at most, twice."""
_SECOND: Final = 1_000_000_000
_HEARTBEAT: Final = 1.0
_DEAF: Final = 3.5
"""Seconds without a heartbeat after which the consumer is made anew."""

log_ = structlog.get_logger("isthmus.stream")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the log."""

    position: Position
    """Where a reader goes on from when this was the last message it has taken care of."""
    subject: str
    data: bytes
    stored_at: int
    """When the log stored it, ns since 1970-01-01 UTC."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Messages `first` to `last` existed and are not in the log any more."""

    after: Position
    first: int
    last: int
    why: str

    @property
    def position(self) -> Position:
        """Where a reader goes on from once it has noted the hole."""
        return Position(self.after.stream, self.last)


@dataclass(frozen=True, slots=True)
class NewStream:
    """The log is another one, or an older copy of itself: reading goes on at its first message, after `new`.

    What had been read before may come again (`numbers.Sources` knows); what was in the old one and unread is lost.
    """

    old: Position
    new: Position
    why: str


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing came for a while: time for work that does not wait for messages."""

    away: bool
    """The log does not answer at all."""


Item = Message | Hole | NewStream | Idle


async def follow(
    log: Log, after: Position | None, *, subjects: Sequence[str] | None = None, idle: float = 0.5
) -> AsyncGenerator[Item, None]:
    """Everything in the log after a position (None: from its first message), then everything that comes.

    With `subjects` only messages of these, and holes show as missing numbers of sources only. Never ends by itself and
    outlasts any outage; raises Refused only when the log does not take us any more.
    """
    following = _Following(log, after, subjects, idle)
    try:
        while True:
            async for item in following.check():
                yield item
            async for item in following.read():
                yield item
    finally:
        await following.close()


class _Arrived(NamedTuple):
    """A message as it came."""

    subject: str
    reply: str
    data: bytes


class _Following:
    """The state of one `follow`."""

    def __init__(self, log: Log, after: Position | None, subjects: Sequence[str] | None, idle: float) -> None:
        self._log, self._wire = log, log.wire
        self._position = after
        self._subjects, self._idle = subjects, idle
        self._state: LogState | None = None
        self._arrived: deque[_Arrived] = deque()
        self._waiter: asyncio.Future[bool] | None = None
        """Done when something has arrived, or nothing did for a while (False)."""
        self._subscription: Subscription | None = None
        self._consumer = ""
        self._life = 0
        self._heard = 0.0
        self._wanted = 0
        """Messages of the current pull still to come; 0: it is over."""
        self._got = 0
        """Messages of the current consumer that arrived."""

    async def check(self) -> AsyncIterator[Item]:
        """Waits until the log answers, compares our position with what it has, and makes a consumer."""
        if self._state is not None:
            await asyncio.sleep(0.02)
        delay = 0.02
        while True:
            try:
                await self._unsubscribe()
                self._life = self._wire.lives
                self._state = await self._log.state(patience=2.0)
                item = await self._compare(self._state)
                if item is not None:
                    yield item
                await self._subscribe()
                return
            except (Disconnected, Answered) as error:
                if self._wire.closed:
                    raise Disconnected("the connection to the log is closed", where=self._wire.endpoint.url) from error
                log_.debug("the log does not answer", error=str(error))
            yield Idle(away=True)
            await asyncio.sleep(min(delay, self._idle))
            delay = min(1.0, delay * 2)

    async def _compare(self, state: LogState) -> Item | None:
        start = Position(state.stream, state.first - 1)
        old = self._position
        if old is None:
            self._position = start
            return None
        why = await self._replaced(old, state)
        if why:
            self._position = start
            return NewStream(old, start, why)
        if old.sequence < start.sequence:
            self._position = start
            return Hole(old, old.sequence + 1, start.sequence, "no longer in the log when it was to be read")
        return None

    async def _replaced(self, old: Position, state: LogState) -> str:
        """Why the log is not the one `old` was read from; empty: it is."""
        if old.stream != state.stream:
            return "it is another log"
        if old.sequence > state.last:
            return f"it ends at {state.last}, before {old.sequence} which was read from it"
        if old.at and state.first <= old.sequence:
            found = await self._wire.at(names.STREAM, old.sequence)
            if found is not None and time.from_iso((found.headers or {})["Nats-Time-Stamp"]) != old.at:
                return f"its message {old.sequence} is not the one that was read"
        return ""

    async def _subscribe(self) -> None:
        assert self._position is not None
        inbox = self._wire.client.new_inbox()
        self._consumer = inbox.rpartition(".")[2]
        config: dict[str, Any] = {
            "name": self._consumer,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._position.sequence + 1,
            "inactive_threshold": 30 * _SECOND,
            "mem_storage": True,
            "num_replicas": 1,
        }
        if self._subjects:
            config["filter_subjects"] = list(self._subjects)
        verb = f"CONSUMER.CREATE.{names.STREAM}.{self._consumer}"
        await self._wire.api(verb, {"stream_name": names.STREAM, "config": config, "action": "create"})
        self._arrived.clear()
        self._wanted = self._got = 0
        try:
            self._subscription = await self._wire.listen(inbox, self._receive)
        except (nats.errors.Error, OSError) as error:
            raise Disconnected(f"the log is gone: {error}", where=self._wire.endpoint.url) from error

    def _receive(self, subject: str, reply: str, headers: bytes, data: bytes) -> None:
        self._heard = asyncio.get_running_loop().time()
        if reply.startswith("$JS.ACK."):
            self._arrived.append(_Arrived(subject, reply, data))
            self._wanted -= 1
            self._got += 1
        elif not self._goes_on(headers):
            return
        self._wake(True)

    def _goes_on(self, headers: bytes) -> bool:
        """What a status message means: a heartbeat (False), the end of a pull, or of the consumer."""
        _, status, what = (headers.partition(b"\r\n")[0] + b"  ").split(b" ", 2)  # NATS/1.0 408 Request Timeout
        if status == b"100":
            return False
        self._wanted = 0
        if status not in (b"404", b"408") and not (status == b"409" and (b"MaxBytes" in what or b"Completed" in what)):
            self._life = -1
        return True

    def _wake(self, arrived: bool) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(arrived)

    async def read(self) -> AsyncIterator[Item]:
        """Reads until the consumer has to be made anew."""
        fresh, loop = True, asyncio.get_running_loop()
        self._heard = loop.time()
        while self._life == self._wire.lives and not self._wire.closed:
            if self._wanted <= 0 and len(self._arrived) <= BATCH // 2:
                await self._pull()
            while self._arrived:
                message = self._arrived.popleft()
                read = self._place(message)
                if read is None:
                    continue
                assert self._position is not None
                hole = self._hole(read)
                if hole is not None:
                    if not fresh:
                        return
                    yield hole
                fresh = False
                self._position = read
                yield Message(read, message.subject, message.data, read.at)
                if self._wanted <= 0 and len(self._arrived) <= BATCH // 2:
                    break
            else:
                if not await self._wait():
                    if loop.time() - self._heard > _DEAF:
                        return
                    lost = await self._lost_end()
                    yield Idle(away=not self._wire.up) if lost is None else lost

    def _place(self, message: _Arrived) -> Position | None:
        """Where a message lies in the log; None when it is not for us."""
        assert self._position is not None
        tokens = message.reply.split(".")  # $JS.ACK[.domain.account].stream.consumer.deliveries.sequence.own.time.left
        shift = 0 if len(tokens) == 9 else 2
        if tokens[3 + shift] != self._consumer:
            return None
        sequence = int(tokens[5 + shift])
        if sequence <= self._position.sequence:
            return None
        return Position(self._position.stream, sequence, int(tokens[7 + shift]))

    def _hole(self, read: Position) -> Hole | None:
        assert self._position is not None
        before = self._position
        if self._subjects or read.sequence == before.sequence + 1:
            return None
        return Hole(before, before.sequence + 1, read.sequence - 1, "missing in the log")

    async def _lost_end(self) -> Hole | None:
        """When nothing comes any more, whether the stream said it has more than came: its last messages are lost."""
        assert self._position is not None and self._state is not None
        before, last = self._position, self._state.last
        if self._subjects or before.sequence >= last:
            return None
        try:
            info = await self._wire.api(f"CONSUMER.INFO.{names.STREAM}.{self._consumer}")
        except (Disconnected, Answered):
            return None
        if info["num_pending"] or info["delivered"]["consumer_seq"] != self._got or self._arrived:
            return None
        hole = Hole(before, before.sequence + 1, last, "missing in the log")
        self._position = hole.position
        return hole

    async def _pull(self) -> None:
        request = {
            "batch": BATCH,
            "max_bytes": _BYTES,
            "expires": 30 * _SECOND,
            "idle_heartbeat": int(_HEARTBEAT * _SECOND),
        }
        self._wanted = BATCH
        assert self._subscription is not None
        with suppress(nats.errors.Error, OSError):  # silence tells
            await self._wire.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{names.STREAM}.{self._consumer}",
                msgspec.json.encode(request),
                reply=self._subscription.subject,
            )

    async def _wait(self) -> bool:
        """Waits for something to arrive; False when nothing did for `idle` seconds."""
        if self._arrived:
            return True
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(self._idle, self._wake, False)
        try:
            return await self._waiter
        finally:
            timer.cancel()

    async def _unsubscribe(self) -> None:
        if self._subscription is not None:
            await self._wire.unlisten(self._subscription)
            self._subscription = None

    async def close(self) -> None:
        """Ends the consumer, politely when the log answers."""
        had = self._subscription is not None
        await self._unsubscribe()
        if had and self._wire.up:
            with suppress(IsthmusError):
                await self._wire.api(f"CONSUMER.DELETE.{names.STREAM}.{self._consumer}", patience=1)
