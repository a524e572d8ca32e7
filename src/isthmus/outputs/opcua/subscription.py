# SPDX-License-Identifier: Apache-2.0
"""A subscription sends what its items have to say, at its interval; a session's publishing has the requests for that.

Part 4 (1.05), 5.14.1: keep-alives, lifetime, late subscriptions, sequence numbers, retransmission. Everything here is
bounded: queues of items, messages kept for retransmission, publish requests. While a client does not read what it was
sent nothing more is sent to it: its items' queues overflow, and in the end the subscription's lifetime is over.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Protocol

from isthmus.core import time
from isthmus.outputs.opcua import wire
from isthmus.outputs.opcua.items import Item

KEPT: Final = 8 << 20
"""Bytes of messages that one subscription keeps for retransmission; the newest one is kept in any case."""
KEPT_MESSAGES: Final = 1000
"""Of them, too: every answer lists their numbers. Part 4, 5.14.1.2 asks for two per publish request that may wait."""
LARGEST: Final = 10_000
"""Notifications in one message, whatever the client allows."""

BAD_TIMEOUT: Final = 0x800A_0000
BAD_SECURE_CHANNEL_CLOSED: Final = 0x8086_0000
BAD_SUBSCRIPTION_ID: Final = 0x8028_0000
BAD_SEQUENCE_NUMBER: Final = 0x807A_0000
BAD_NO_SUBSCRIPTION: Final = 0x8079_0000
BAD_TOO_MANY_PUBLISH_REQUESTS: Final = 0x8078_0000
GOOD_SUBSCRIPTION_TRANSFERRED: Final = 0x002D_0000


class Request(Protocol):
    """A publish request that waits for its answer."""

    @property
    def results(self) -> Sequence[int]:
        """Of the acknowledgements that came with it."""

    @property
    def open(self) -> bool:
        """Its client can take an answer now."""

    @property
    def gone(self) -> bool:
        """Its connection is closed, or its client has come back by another one: nobody waits for the answer."""

    def expired(self, now: float) -> bool:
        """Its client waits no longer."""

    def answer(self, body: bytes) -> None: ...
    def fault(self, status: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a subscription publishes, as it was revised."""

    interval: float
    """ms."""
    keep_alive: int
    """Intervals without anything to tell after which it says that it is there."""
    lifetime: int
    """Intervals without a publish request after which it ends."""
    most: int = 0
    """Notifications in one message; 0: as many as there are."""


@dataclass(eq=False)
class Subscription:
    """One subscription of a session."""

    number: int
    publishing: Publishing
    pace: Pace
    enabled: bool
    gone: Callable[[Subscription], None]
    """Told when there is no more of it."""
    items: dict[int, Item] = field(default_factory=dict)
    ready: dict[Item, None] = field(default_factory=dict)
    """Items that have something to report."""
    resting: dict[Item, None] = field(default_factory=dict)
    """Items with a value that is taken once their sampling interval is over."""
    triggers: dict[Item, None] = field(default_factory=dict)
    """Items that others are linked to."""
    sent: dict[int, bytes] = field(default_factory=dict)
    """Messages that were not acknowledged."""
    _bytes: int = 0
    next: int = 1
    """Number of the next message."""
    _quiet: int = 0
    """Intervals since something was sent."""
    _alone: int = 0
    """Intervals since there was a publish request."""
    _first: bool = True
    _timer: asyncio.TimerHandle | None = None
    _due: float = 0.0

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self.pace.interval / 1000
        self._timer = loop.call_at(self._due, self._tick)

    def repace(self, pace: Pace) -> None:
        self.pace, self._quiet, self._alone = pace, 0, 0
        if self._timer is not None:
            self._timer.cancel()
        self.start()

    def stop(self) -> None:
        """No more of it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.publishing.leave(self)
        for item in list(self.items.values()):
            item.close()
        self.items.clear()
        self.sent.clear()
        self.gone(self)

    def touch(self) -> None:
        """The client is there."""
        self._alone = 0

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        interval = self.pace.interval / 1000
        self._due = max(self._due + interval, loop.time())
        self._timer = loop.call_at(self._due, self._tick)
        self._alone = 0 if self.publishing.has_request() else self._alone + 1
        if self._alone > self.pace.lifetime:
            self.publishing.ended(self, BAD_TIMEOUT)
            self.stop()
            return
        self._ripen()
        self._quiet += 1
        if self.has_news() or self._first or self._quiet >= self.pace.keep_alive:
            self.publishing.offer(self)

    def _ripen(self) -> None:
        now = monotonic()
        for item in [item for item in self.resting if item.ripen(now)]:
            self.resting.pop(item, None)

    def has_news(self) -> bool:
        return self.enabled and bool(self.ready)

    def serve(self, request: Request) -> None:
        """Answers a publish request with what there is; with a keep-alive where there is nothing."""
        now = time.now()
        self._first, self._quiet, self._alone = False, 0, 0
        if not self.has_news():
            message = wire.message(self.next, now, ())
        else:
            message = wire.message(self.next, now, (wire.data_change(self._drained()),))
            self._keep(message)
        request.answer(wire.published(self.number, self.sent, self.has_news(), message, request.results))

    def _drained(self) -> list[bytes]:
        most = min(self.pace.most or LARGEST, LARGEST)
        found: list[bytes] = []
        while self.ready and len(found) < most:
            item = next(iter(self.ready))
            found += item.drain(most - len(found))
            if not item.queue:
                del self.ready[item]
        return found

    def _keep(self, message: bytes) -> None:
        self.sent[self.next] = message
        self._bytes += len(message)
        self.next = self.next % 0xFFFF_FFFF + 1
        while (self._bytes > KEPT and len(self.sent) > 1) or len(self.sent) > KEPT_MESSAGES:
            self._forget(next(iter(self.sent)))

    def _forget(self, number: int) -> bool:
        message = self.sent.pop(number, None)
        self._bytes -= len(message or b"")
        return message is not None

    def acknowledge(self, number: int) -> int:
        """The StatusCode of an acknowledgement."""
        return 0 if self._forget(number) else BAD_SEQUENCE_NUMBER


class Publishing:
    """Of one session: its subscriptions, and the publish requests that wait for something to tell."""

    def __init__(self) -> None:
        self.subscriptions: dict[int, Subscription] = {}
        self.owner: object = None
        """Who made its subscriptions."""
        self.alone = False
        """Its session is over, and its subscriptions wait for another one of their client."""
        self.left: Callable[[], None] = lambda: None
        """Told when that happens."""
        self.queued = 0
        """Places in the queues of all items."""
        self._requests: deque[Request] = deque()
        self._late: dict[Subscription, None] = {}
        """Subscriptions that had something to tell when nobody asked."""
        self._ended: list[tuple[int, int, int]] = []
        """Subscriptions that ended by themselves: number, number of the next message, reason."""

    @property
    def most(self) -> int:
        """Publish requests that may wait."""
        return 10 + 2 * len(self.subscriptions)

    def join(self, subscription: Subscription) -> None:
        self.subscriptions[subscription.number] = subscription

    def leave(self, subscription: Subscription) -> None:
        self.subscriptions.pop(subscription.number, None)
        self._late.pop(subscription, None)
        self.queued -= sum(item.terms.size for item in subscription.items.values())
        if not self.subscriptions and not self._ended:
            self._dismiss(BAD_NO_SUBSCRIPTION)

    def ended(self, subscription: Subscription, status: int) -> None:
        """Tells the client that a subscription is no more."""
        self._ended.append((subscription.number, subscription.next, status))
        del self._ended[:-10]
        if (request := self._pop()) is not None:
            self._tell_ended(request)

    def acknowledge(self, acknowledgements: Iterable[tuple[int, int]]) -> list[int]:
        """(subscription, sequence number) → StatusCodes."""
        return [
            one.acknowledge(number) if (one := self.subscriptions.get(subscription)) else BAD_SUBSCRIPTION_ID
            for subscription, number in acknowledgements
        ]

    def ask(self, request: Request) -> None:
        """A publish request came."""
        for subscription in self.subscriptions.values():
            subscription.touch()
        if self._ended and request.open:
            self._tell_ended(request)
        elif not self.subscriptions:
            request.fault(BAD_NO_SUBSCRIPTION)
        else:
            self._requests.append(request)
            self._shrink()
            for subscription in list(self._late):
                self.offer(subscription)

    def _shrink(self) -> None:
        while len(self._requests) > self.most:
            self._requests.popleft().fault(BAD_TOO_MANY_PUBLISH_REQUESTS)

    def has_request(self) -> bool:
        """A publish request waits that can be answered now."""
        self._sift()
        return any(request.open for request in self._requests)

    def offer(self, subscription: Subscription) -> None:
        """Serves a subscription that has something to tell, now or as soon as somebody asks."""
        self._late.pop(subscription, None)
        while (request := self._pop()) is not None:
            subscription.serve(request)
            if not subscription.has_news():
                return
        self._late[subscription] = None

    def resume(self) -> None:
        """The client reads again."""
        for subscription in list(self._late):
            self.offer(subscription)

    def _sift(self) -> None:
        """Refuses the requests whose time is over, and those that nobody waits for."""
        now = monotonic()
        waiting = self._requests
        self._requests = deque()
        for request in waiting:
            if request.gone:
                request.fault(BAD_SECURE_CHANNEL_CLOSED)
            elif request.expired(now):
                request.fault(BAD_TIMEOUT)
            else:
                self._requests.append(request)

    def _pop(self) -> Request | None:
        self._sift()
        for place, request in enumerate(self._requests):
            if request.open:
                del self._requests[place]
                return request
        return None

    def _tell_ended(self, request: Request) -> None:
        number, next_, status = self._ended.pop(0)
        message = wire.message(next_, time.now(), (wire.status_change(status),))
        request.answer(wire.published(number, (), bool(self._ended), message, request.results))

    def _dismiss(self, status: int) -> None:
        while self._requests:
            self._requests.popleft().fault(status)

    def leave_alone(self) -> None:
        """The session is over; its subscriptions are not, as long as their lifetime lasts (Part 4, 5.14.1.1)."""
        self._requests.clear()
        self.alone = True
        self.left()

    def close(self) -> None:
        """The session is over, and so are its subscriptions."""
        for subscription in list(self.subscriptions.values()):
            subscription.stop()
        self._requests.clear()
