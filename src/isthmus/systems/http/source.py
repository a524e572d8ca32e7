# SPDX-License-Identifier: Apache-2.0
"""The HTTP driver: each resource is asked for when it is due, some at once, as long as somebody takes the readings."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from isthmus.core import time
from isthmus.core.errors import IsthmusError, Refused
from isthmus.core.event import Event
from isthmus.systems.bare import no_values
from isthmus.systems.changes import Changes
from isthmus.systems.contract import Address, Found, Oddity, Readings, Surroundings
from isthmus.systems.http.address import check_address, split
from isthmus.systems.http.client import BUSY, Answer, Client, Silence, talking
from isthmus.systems.http.reading import Reader
from isthmus.systems.http.remarks import Remarks
from isthmus.systems.http.resource import Resource, Unfit, resources, text_of, trouble, wait_of
from isthmus.systems.http.spec import HttpSpec
from isthmus.systems.payload import Reading, columns, leaves

BEAT: Final = 5.0
"""Seconds without an answer after which the last one counts as a sign of life."""
PROBED: Final = 4
"""Resources asked for, one after the other, whether anything answers at all."""


class HttpSource:
    """Reads. Keep one for as long as the system is collected: it remembers what the server refuses."""

    def __init__(self, spec: HttpSpec, surroundings: Surroundings) -> None:
        self._spec, self._house = spec, surroundings
        self._plan: Plan | None = None
        self._opened = 0
        self._observed = Observed()

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncGenerator[AsyncIterator[Readings]]:
        """Asks for one resource, to make sure that something answers; see the contract."""
        if self._plan is None or self._plan.addresses != tuple(addresses):
            found = resources(addresses, self._spec, self._house.system)
            self._plan = Plan(tuple(addresses), found, Remarks(self._house.system, len(addresses)))
        if not self._observed.until:
            self._observed.until = min(max(self._house.resume.values(), default=time.UNKNOWN), time.now())
        pki = self._house.folder / "pki"
        same_host = self._spec.redirects == "same-host"
        async with talking(self._spec, pki, at_once=self._spec.at_once, same_host=same_host) as client:
            polling = Polling(client, self._plan, self._spec, self._observed)
            self._opened += 1
            try:
                await polling.greet(self._opened - 1)
                yield polling
            finally:
                await polling.close()

    async def browse(self, start: str | None = None) -> AsyncIterator[Found]:
        """The single values in what stands at the path `start`."""
        path = split(check_address(start or "/"))[0]
        async with talking(self._spec, self._house.folder / "pki") as client:
            answer = await client.get(path, self._spec.largest)
        if isinstance(answer, Silence):
            raise answer.error(self._spec.where)
        try:
            if (unfit := trouble(answer)) is not None:
                raise unfit
            body = text_of(answer)
        except Unfit as error:
            hint = "say with --start which path, /status"
            raise IsthmusError(
                f"nothing to look at under {path}: {error}", where=self._spec.where, hint=hint
            ) from error
        for one in leaves(path, body):
            yield one


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be read of a system, and what was learnt of it."""

    addresses: tuple[Address, ...]
    resources: Sequence[Resource]
    remarks: Remarks


@dataclass(slots=True)
class Observed:
    """Until when the system was observed, over all connections."""

    until: int = time.UNKNOWN
    """ns by our clock; UNKNOWN when it never was."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one request."""

    resource: Resource
    answer: Answer | Silence
    began: float
    ended: float


class Polling:
    """The readings of one connection: requests begin only while they are asked for."""

    def __init__(self, client: Client, plan: Plan, spec: HttpSpec, observed: Observed) -> None:
        self._client, self._plan, self._spec, self._remarks = client, plan, spec, plan.remarks
        self._reader, self._changes = Reader(spec, plan.remarks), Changes(plan.addresses, spec.changes)
        self._loop = asyncio.get_running_loop()
        self._running: dict[asyncio.Task[Told], Resource] = {}
        self._ready: deque[Told] = deque()
        self._silent = 0
        """Requests without an answer, one after the other, whatever was asked for."""
        self._rests = 0.0
        """Until when the server wants to be left alone, by the loop's clock."""
        self._heard: list[Resource] = []
        """Resources that were answered, the latest last."""
        self._observed, self._since = observed, observed.until
        for one in plan.resources:
            one.begin(self._loop.time())
            one.forget()

    async def greet(self, turn: int) -> None:
        """Raises Disconnected unless something answers, Refused where it knows us not or forbids everything."""
        found = self._plan.resources
        begin = turn * PROBED % max(1, len(found))
        silence, forbidden = None, 0
        probed = [*found[begin:], *found[:begin]][:PROBED]
        for one in probed:
            told = await self._ask(one)
            if isinstance(told.answer, Silence):
                silence = silence or told.answer
                continue
            self._check(told.answer)
            self._ready.append(told)
            one.due = told.ended + one.interval
            forbidden += told.answer.status == 403
            if told.answer.status != 403:
                return
        if silence is not None and not forbidden:
            raise silence.error(self._spec.where)
        if forbidden:
            hint = "what are token, or user and password, allowed to read?"
            raise Refused("the server forbids what is asked for (403)", where=self._spec.where, hint=hint)

    def _check(self, answer: Answer) -> None:
        if answer.status == 401:
            hint = "is the token, or user and password, the right one?"
            raise Refused("the server does not know us (401 Unauthorized)", where=self._spec.where, hint=hint)

    async def _ask(self, resource: Resource) -> Told:
        began = self._loop.time()
        answer = await self._client.get(resource.path, self._spec.largest, resource.tag)
        return Told(resource, answer, began, self._loop.time())

    async def close(self) -> None:
        """Ends the requests on their way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def __aiter__(self) -> Polling:
        return self

    async def __anext__(self) -> Readings:
        while True:
            if self._ready:
                return await self._turn(self._ready.popleft())
            self._begin_due()
            if not await self._finished() and not self._silent:
                return no_values(alive=not self._running)  # what was asked so long ago and is not answered says nothing

    def _begin_due(self) -> None:
        """Asks for what is due, as much as may be on its way at once."""
        now, busy = self._loop.time(), set(map(id, self._running.values()))
        if now < self._rests:
            return
        waiting = sorted((one for one in self._plan.resources if one.due <= now and id(one) not in busy), key=_due)
        for one in waiting[: self._spec.at_once - len(busy)]:
            self._running[asyncio.create_task(self._ask(one))] = one

    async def _finished(self) -> bool:
        """Waits until a request is over, or one is due; False when that took as long as a sign of life may."""
        now, busy = self._loop.time(), set(map(id, self._running.values()))
        free = [one.due for one in self._plan.resources if id(one) not in busy]
        soonest = max(self._rests, min(free, default=math.inf)) if len(busy) < self._spec.at_once else math.inf
        pause = max(0.0, min(soonest - now, BEAT))
        if not self._running:
            await asyncio.sleep(pause)
        else:
            done, _ = await asyncio.wait(self._running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                del self._running[task]
                self._ready.append(task.result())
        return bool(self._ready) or pause < BEAT

    async def _turn(self, told: Told) -> Readings:
        """The readings of one answer, or of none."""
        if isinstance(told.answer, Silence):
            rows, events, oddities = await self._missed(told, told.answer)
        else:
            late = self._answered(told, told.answer)
            rows, events, oddities = self._reader.read(told.resource, told.answer)
            events = [*late, *events]
        seen = time.now()
        if not isinstance(told.answer, Silence):
            events = [*events, *self._outage(seen)]
        found = columns(rows, seen, events, oddities) if rows else no_values(events, oddities, seen)
        return self._changes.of(found)

    def _answered(self, told: Told, answer: Answer) -> Sequence[Event]:
        """Notes an answer, and sets when its resource is due again; what was left out is told of."""
        self._check(answer)
        self._silent, resource = 0, told.resource
        if resource in self._heard:
            self._heard.remove(resource)
        self._heard.append(resource)
        if trouble(answer) is None:
            return self._remarks.round(resource, told.began, told.ended, resource.next(told.began, told.ended))
        if answer.status in BUSY:
            resource.rest(told.ended, wait_of(answer))
            if answer.status == 429:
                self._rests = told.ended + wait_of(answer)
        else:
            resource.spare(told.ended)
        return ()

    async def _missed(self, told: Told, silence: Silence) -> tuple[list[Reading], list[Event], list[Oddity]]:
        """No answer: it is asked for once more, then less often; where nothing else answers, Disconnected is raised."""
        resource = told.resource
        resource.miss(told.ended)
        self._silent += 1
        if self._silent > 1:
            await self._doubt(resource, silence)
        events = self._remarks.trouble(resource, silence.why) if resource.misses > 1 else []
        return resource.bad(silence.status), events, []

    async def _doubt(self, resource: Resource, silence: Silence) -> None:
        """Whatever answered last is asked whether anybody is there, unless all that ever did are being asked."""
        heard = [one for one in self._heard if one is not resource]
        others = [one for one in heard if one not in self._running.values()]
        if heard and not others:
            return
        told = await self._ask(others[-1]) if others else None
        if told is None or isinstance(told.answer, Silence):
            raise silence.error(self._spec.where)
        self._silent = 0
        self._ready.append(told)

    def _outage(self, seen: int) -> list[Event]:
        """With the first answer of a connection: what nobody observed before it."""
        since, self._since, self._observed.until = self._since, time.UNKNOWN, seen
        return [self._remarks.outage(since, seen)] if since else []


def _due(resource: Resource) -> float:
    return resource.due
