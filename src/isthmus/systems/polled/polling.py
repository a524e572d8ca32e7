# SPDX-License-Identifier: Apache-2.0
"""One connection to a polled device: scans read in turn, each when it is due, by whoever takes the readings."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic

from isthmus.core import quality, time
from isthmus.core.errors import Disconnected
from isthmus.core.event import Event
from isthmus.systems.bare import bad, no_values
from isthmus.systems.changes import Changes
from isthmus.systems.contract import Address, Readings
from isthmus.systems.polled.language import Language, W
from isthmus.systems.polled.link import Link
from isthmus.systems.polled.remarks import Remarks
from isthmus.systems.polled.rounds import Pace, Reader, Round, readings
from isthmus.systems.polled.schedule import Scan, Schedule

BEAT: Final = 5.0
"""Seconds without an answer after which a device that is read seldom is asked for a sign of life."""
PROBED: Final = 4
"""Units asked, one after the other, whether anything answers behind a new connection."""
RAREST: Final = 30.0
"""Seconds between two tries of a unit that does not answer, at most."""


@dataclass(frozen=True, slots=True)
class Plan(Generic[W]):
    """What is to be read of a system, and what was learnt of it."""

    addresses: tuple[Address, ...]
    scans: Sequence[Scan[W]]
    misplaced: Sequence[int]
    """Positions of addresses that cannot be asked for."""
    why: str
    """Why not."""
    questions: Mapping[int, bytes]
    """Unit → what is asked to see whether it answers."""
    language: Language[W]
    remarks: Remarks[W]
    changes: bool
    """Only changes are samples."""


@dataclass(slots=True)
class Observed:
    """Until when the system was observed, over all connections."""

    until: int = time.UNKNOWN
    """ns by our clock; UNKNOWN when it never was."""

    def begin(self, resume: Mapping[str, int]) -> None:
        """Before the first connection: the log may know until when it was observed before."""
        if not self.until:
            self.until = min(max(resume.values(), default=time.UNKNOWN), time.now())


@dataclass(slots=True)
class _Unit:
    """How a unit answers."""

    misses: int = 0
    """Rounds without an answer, one after the other."""
    rests: float = 0.0
    """Until when it is left alone, by the loop's clock."""


class Polling(Generic[W]):
    """The readings of one connection, made while they are asked for: no task of its own."""

    def __init__(self, link: Link, plan: Plan[W], pace: Pace, observed: Observed) -> None:
        self._link, self._plan, self._remarks = link, plan, plan.remarks
        self._reader = Reader(link, plan.language, plan.remarks, pace)
        self._changes = Changes(plan.addresses, plan.changes)
        self._loop = asyncio.get_running_loop()
        self._schedule = Schedule(plan.scans, self._loop.time())
        self._units = {scan.unit: _Unit() for scan in plan.scans}
        self._questions = plan.questions
        self._heard: list[int] = []
        """Units that answered over this connection, the latest last."""
        self._unanswered = 0
        """Questions without an answer, one after the other, whoever was asked."""
        self._first = True
        self._observed, self._since = observed, observed.until
        """Until when it was observed before this connection, until that is told."""

    async def greet(self, turn: int) -> None:
        """Raises Disconnected unless one of the units answers, whatever it says; `turn` says with which to begin."""
        units = list(self._questions)
        if not units:
            return
        begin = turn * PROBED % len(units)
        for unit in [*units[begin:], *units[:begin]][:PROBED]:
            if await self._answers(unit):
                return
        language = self._plan.language
        raise Disconnected(
            f"it takes the connection but does not answer for {language.called(units[:PROBED])}",
            where=self._link.where,
            hint=language.hint,
        )

    async def _answers(self, unit: int) -> bool:
        """Whether anything but a time-out follows when a unit is asked."""
        try:
            await self._reader.ask(self._questions[unit])
        except TimeoutError:
            return False
        self._hear(unit)
        return True

    def _hear(self, unit: int) -> None:
        self._unanswered = 0
        if self._heard[-1:] != [unit]:
            if unit in self._heard:
                self._heard.remove(unit)
            self._heard.append(unit)

    def __aiter__(self) -> Polling[W]:
        return self

    async def __anext__(self) -> Readings:
        if self._first:
            self._first = False
            if lost := self._plan.misplaced:
                return bad(
                    dict.fromkeys(lost, quality.BAD_CONFIGURATION), self._remarks.misplaced(lost, self._plan.why)
                )
        while True:
            now = self._loop.time()
            if self._schedule.due <= now:
                scan = self._schedule.next
                if self._units[scan.unit].rests <= now and not scan.idle(now):
                    return await self._turn(scan, now)
                self._schedule.done(now)
            elif self._questions and now - self._link.heard >= BEAT:
                return await self._live()
            else:
                await self._link.rest(min(self._schedule.due - now, BEAT))

    async def _live(self) -> Readings:
        """A sign of life from a device that is read seldom; raises Disconnected when there is none."""
        for unit in self._heard[::-1][:PROBED]:
            if await self._answers(unit):
                return no_values()
        raise Disconnected("no answer in time", where=self._link.where)

    async def _turn(self, scan: Scan[W], began: float) -> Readings:
        """One round of a scan."""
        done = await self._reader.read(scan)
        ended = self._loop.time()
        events = self._remarks.refused(done.refused) + self._remarks.restored(done.restored)
        if done.silent is None:
            events += self._answered(scan)
        else:
            events += await self._missed(scan, done)
        missed = self._schedule.done(ended)
        events += self._remarks.round(scan, began, ended, missed if done.silent is None else 0)
        found = readings(scan, done)
        if done.silent is None:
            events += self._outage(found.seen)
        return self._changes.of(replace(found, events=events) if events else found)

    def _outage(self, seen: int) -> list[Event]:
        """With the first answers of a connection: what nobody observed before it."""
        since, self._since, self._observed.until = self._since, time.UNKNOWN, seen
        return [self._remarks.outage(since, seen)] if since else []

    def _answered(self, scan: Scan[W]) -> list[Event]:
        self._hear(scan.unit)
        unit = self._units[scan.unit]
        events = [self._remarks.back(scan.unit)] if unit.misses > 1 else []
        unit.misses = 0
        return events

    async def _missed(self, scan: Scan[W], done: Round[W]) -> list[Event]:
        """A unit did not answer: it is left alone for a while, or the connection is dead, which raises Disconnected."""
        assert done.silent is not None
        unit = self._units[scan.unit]
        unit.misses += 1
        if unit.misses > 1:
            unit.rests = self._loop.time() + min(RAREST, 2.0**unit.misses)
        if done.silent.status == quality.BAD_TIMEOUT:
            self._unanswered += 1
            await self._doubt(scan.unit, done.silent)
        return [self._remarks.silent(scan.unit, str(done.silent))] if unit.misses == 2 else []

    async def _doubt(self, unit: int, why: Exception) -> None:
        """After two questions without an answer, whoever answered last is asked whether anybody is there."""
        if self._unanswered < 2:
            return
        others = [other for other in self._heard[::-1] if other != unit]
        if not others or not await self._answers(others[0]):
            raise Disconnected(str(why), where=self._link.where)
