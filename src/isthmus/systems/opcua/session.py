# SPDX-License-Identifier: Apache-2.0
"""A session turns one server's subscription into readings, notices what is wrong with it, and outlives a short cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from isthmus.core import time
from isthmus.core.errors import Disconnected
from isthmus.core.event import Event
from isthmus.core.quality import BAD_NODE_ID_INVALID, BAD_NODE_ID_UNKNOWN, is_bad, overflowed
from isthmus.systems.bare import bad, no_values
from isthmus.systems.contract import Address, Oddity, Readings, nothing
from isthmus.systems.opcua import notification, rows
from isthmus.systems.opcua.columns import Columns
from isthmus.systems.opcua.failure import explain
from isthmus.systems.opcua.feed import Feed
from isthmus.systems.opcua.items import Items
from isthmus.systems.opcua.link import Link
from isthmus.systems.opcua.memory import Memory
from isthmus.systems.opcua.notification import Message
from isthmus.systems.opcua.publishing import Publishing
from isthmus.systems.opcua.recall import OVERLAP, Recall, limited
from isthmus.systems.opcua.remarks import Remarks
from isthmus.systems.opcua.wire import Malformed

AGAIN: Final = 30.0
"""Seconds between two tries to get at addresses the server refused."""
QUIET: Final = 1.0
"""Seconds of silence after which the server is asked for a sign of life."""
_GONE: Final = np.array([BAD_NODE_ID_UNKNOWN, BAD_NODE_ID_INVALID], np.uint32)


class Session:
    """One subscription with its items, from its creation to its end, over one or more channels."""

    def __init__(self, link: Link, addresses: Sequence[Address], remarks: Remarks, memory: Memory) -> None:
        self.link, self.addresses, self.remarks, self.memory = link, tuple(addresses), remarks, memory
        self.feed = Feed()
        self.items: Items
        self.publishing: Publishing
        self.newest: NDArray[np.int64] = np.zeros(len(self.addresses), np.int64)
        """Newest device time (ns) handed over, by position."""
        self.heard = 0
        """When the server last sent something, ns by our clock."""
        self.settled = False
        """Every item was asked for and what was missed is told: another channel may take the session up."""
        self._keep_alive = 0.0
        self._dead: set[int] = set()
        """Positions the server does not watch."""
        self._again = asyncio.Event()

    async def begin(self) -> None:
        """Creates the subscription; items follow while readings already flow."""
        subscription = await self._subscribe()
        self.items = Items(self.link, subscription, self.addresses)
        self.publishing = Publishing(self.link, subscription, self)

    async def _subscribe(self) -> int:
        spec = self.link.spec
        interval = spec.seconds("publishing")
        request = ua.CreateSubscriptionRequest()
        parameters = request.Parameters
        parameters.RequestedPublishingInterval = interval * 1000
        parameters.RequestedMaxKeepAliveCount = max(1, round(spec.seconds("keep_alive") / interval))
        lifetime = max(3 * parameters.RequestedMaxKeepAliveCount, round(spec.seconds("lifetime") / interval))
        parameters.RequestedLifetimeCount = lifetime
        parameters.MaxNotificationsPerPublish = 10_000
        parameters.PublishingEnabled = True
        result = (await self.link.call(request, ua.CreateSubscriptionResponse)).Parameters
        self._keep_alive = result.RevisedPublishingInterval * result.RevisedMaxKeepAliveCount / 1000
        return int(result.SubscriptionId)

    @asynccontextmanager
    async def running(self, *more: Coroutine[Any, Any, None]) -> AsyncGenerator[Feed]:
        """Everything that has to go on while the feed is read; the first failure ends the feed.

        Not a TaskGroup: that would cancel the reader in the middle of its own work, and wrap what it raises.
        """
        works = (self.publishing.run(), self.link.renew(), self._watch(), *more)
        tasks = [asyncio.create_task(self._guard(work)) for work in works]
        try:
            yield self.feed
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """A failure ends the feed, after what is in it was read, and never the reader's own task."""
        try:
            await work
        except Exception as error:  # the edge of the driver: whatever happens here is said through the feed
            self.feed.fail(explain(error, self.link.url))

    async def resume(self) -> None:
        """Goes on over a new channel; raises Disconnected when the server no longer has the subscription."""
        self.feed = Feed()
        await self.publishing.find()

    # what goes on meanwhile

    async def monitor(self) -> None:
        """Creates the items, recalls what was missed, and asks again every half minute for what was refused."""
        missed = self.memory.missed(self.addresses, time.now())
        await self._create(range(len(self.addresses)), first=True)
        ended = self.memory.ended(time.now())
        if missed and ended:
            await self._make_up(missed, ended)
        self.memory.told()
        self.settled = True
        await self.keep_trying()

    async def _make_up(self, missed: dict[int, int], ended: int) -> None:
        """Recalls what the server's history has of the outage, and says what nobody will ever know."""
        now = time.now()
        recall = Recall(self.link, self.items)
        readable = await recall.readable(sorted(missed)) if self.link.spec.recall else []
        longest = time.duration(self.link.spec.recall_longest)
        since = limited({p: missed[p] for p in readable}, now, longest)
        failed, values = dict[int, int](), 0
        async for piece in recall.read(since, now + OVERLAP):
            failed |= piece.failed
            values += len(piece.columns)
            if len(piece.columns):
                await self.feed.put(
                    rows.recalled(piece.columns, self.remarks.oddities(piece.columns, self.addresses, time.now()))
                )
            self.memory.settled(self.addresses[p] for p in (*piece.finished, *piece.failed))
        unknown = [p for p in missed if p not in since]
        self.memory.settled(self.addresses[p] for p in unknown)
        recalled = len(since) - len(failed)
        events = self.remarks.outage(ended, now, len(unknown), failed, recalled, values, longest)
        await self.feed.put(no_values(events, seen=now))

    async def keep_trying(self) -> None:
        """Every half minute asks again for what the server refused."""
        while True:
            await asyncio.sleep(AGAIN)
            if self._dead:
                self.link.namespaces = await self.link.read_namespaces() or self.link.namespaces
                await self.items.forget(sorted(self._dead))
                await self._create(sorted(self._dead), first=False)

    async def _create(self, positions: Sequence[int], *, first: bool) -> None:
        outcome = await self.items.create(positions)
        self._dead -= set(outcome.good)
        new = {position: code for position, code in outcome.bad.items() if position not in self._dead}
        self._dead |= set(outcome.bad)
        events = self.remarks.refused(new, self.addresses)
        if first:
            events += self.remarks.terms(outcome, self.addresses)
        else:
            events += self.remarks.restored(outcome.good, self.addresses)
        if new or events:
            await self.feed.put(bad(new, events))

    async def _watch(self) -> None:
        """Asks a silent server for a sign of life, and notices one that lives but no longer publishes."""
        patience = self.link.spec.seconds("patience")
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(QUIET)
            silence = loop.time() - self.publishing.heard
            if loop.time() - before > 2 * QUIET or silence < QUIET:  # we slept ourselves: let the socket be read first
                continue
            await self.link.probe()
            if self.publishing.waiting and silence > 2 * self._keep_alive + patience:
                raise Disconnected(f"nothing was published for {silence:.0f} s", where=self.link.url)

    # what the server sends

    async def take(self, message: Message) -> None:
        """A message becomes readings."""
        seen = self.heard = time.now()
        done = partial(self.publishing.acknowledge, message.sequence) if message.parts else nothing
        try:
            contents = notification.contents(message)
        except Malformed as error:
            lost = self.remarks.unreadable(seen, str(error))
            oddity = Oddity(f"a notification that cannot be read: {error}", message.body[: rows.LARGEST_ODDITY])
            return await self.feed.put(no_values(lost, [oddity], seen, done))
        if contents.status is not None:
            name = ua.status_codes.get_name_and_doc(contents.status)[0]
            self.feed.fail(Disconnected(f"the server ended our subscription ({name})", where=self.link.url))
        return await self.feed.put(self._readings(contents.columns, seen, done))

    async def miss(self, first: int, messages: int) -> None:
        """Messages are lost: says so."""
        seen = time.now()
        events = self.remarks.missed(int(self.newest.max(initial=0)), seen, messages)
        await self.feed.put(no_values(events, seen=seen))

    async def puzzle(self, body: bytes, reason: str) -> None:
        """A response that is none: kept for a person to look at."""
        oddity = Oddity(f"a response that cannot be read: {reason}", bytes(body[: rows.LARGEST_ODDITY]))
        await self.feed.put(no_values(oddities=[oddity]))

    def _readings(self, columns: Columns, seen: int, done: Any) -> Readings:
        index, at = columns.handle, columns.at()
        oddities: list[Oddity] = []
        if len(index) and index.max() >= len(self.addresses):
            columns, oddities = rows.without_strangers(columns, len(self.addresses))
            index, at = columns.handle, columns.at()
        oddities += self.remarks.oddities(columns, self.addresses, seen)
        events = self._look(columns, at, seen)
        found = rows.readings(columns, at, seen, events, oddities, done)
        found.advance(self.newest)
        return found

    def _look(self, columns: Columns, at: NDArray[np.int64], seen: int) -> list[Event]:
        """Looks at the qualities: overflows are gaps, nodes that went away are tried again later."""
        if np.count_nonzero(columns.quality):
            lost = overflowed(columns.quality)
            if lost.any():
                self.remarks.overflowed(columns.handle[lost], at[lost])
            if is_bad(columns.quality).any():
                self._note_gone(columns)
        return self.remarks.due(self.addresses, seen)

    def _note_gone(self, columns: Columns) -> None:
        gone = columns.handle[np.isin(columns.quality, _GONE)]
        codes = columns.quality[np.isin(columns.quality, _GONE)].tolist()
        new = {p: code for p, code in zip(gone.tolist(), codes, strict=True) if p not in self._dead}
        if new:
            self._dead |= set(new)
            self.remarks.later(self.remarks.refused(new, self.addresses))
