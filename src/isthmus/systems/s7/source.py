# SPDX-License-Identifier: Apache-2.0
"""The S7 driver: a connection to a controller, agreed with it, and what it is asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from isthmus.core import time
from isthmus.core.errors import Disconnected
from isthmus.systems.contract import Address, Readings, Surroundings
from isthmus.systems.polled.language import Garbled, Language
from isthmus.systems.polled.link import Link
from isthmus.systems.polled.polling import Observed, Plan, Polling
from isthmus.systems.polled.remarks import Remarks
from isthmus.systems.polled.rounds import Pace
from isthmus.systems.polled.schedule import scans
from isthmus.systems.s7 import wire
from isthmus.systems.s7.address import parse
from isthmus.systems.s7.blocks import Block, Room, Wanted, coalesce
from isthmus.systems.s7.spec import S7Spec

_ELSEWHERE: Final = "are rack: and slot: right (S7-1200, S7-1500: 0 and 1; S7-300: 0 and 2), and a connection free?"


class S7Source:
    """Reads. Keep one for as long as the system is collected: it remembers what the controller refuses."""

    def __init__(self, spec: S7Spec, surroundings: Surroundings) -> None:
        self._spec, self._system = spec, surroundings.system
        self._pace = Pace(spec.seconds("timeout"))
        self._planned: tuple[Room, Plan[Wanted]] | None = None
        self._resume, self._observed = surroundings.resume, Observed()

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncGenerator[AsyncIterator[Readings]]:
        """Connects, agrees on the length of messages, and makes sure that something answers; see the contract."""
        link = await Link.open(self._spec.host, self._spec.port, self._pace.timeout, wire.FRAMING)
        try:
            room = Room(await self._agree(link), self._spec.gap)
            if self._planned is None or self._planned[0] != room or self._planned[1].addresses != tuple(addresses):
                self._planned = room, make_plan(tuple(addresses), self._spec, self._system, room)
            self._observed.begin(self._resume)
            polling = Polling(link, self._planned[1], self._pace, self._observed)
            await polling.greet(0)
            yield polling
        finally:
            await link.close()

    async def _agree(self, link: Link) -> int:
        """Bytes of a message; raises Disconnected."""
        try:
            async with link.turn:
                confirmed = await link.ask(wire.connect(self._spec.local, self._spec.remote), self._pace.timeout)
                carried = wire.confirmed(confirmed)
                if carried is None:
                    raise Disconnected("the controller refuses the connection", where=link.where, hint=_ELSEWHERE)
                return min(carried - 3, wire.agreed(await link.ask(wire.setup(self._spec.message), self._pace.timeout)))
        except TimeoutError:
            said = "it takes the connection but does not answer"
            raise Disconnected(said, where=link.where, hint=_ELSEWHERE) from None
        except Garbled as error:
            raise Disconnected(f"no agreement: {error}", where=link.where, hint=_ELSEWHERE) from None


def make_plan(addresses: tuple[Address, ...], spec: S7Spec, system: str, room: Room) -> Plan[Wanted]:
    """The scans that read `addresses` in messages of so many bytes."""
    every, language = time.duration(spec.every), spoken(room)
    places = [parse(address.text) for address in addresses]
    too_long = [i for i, place in enumerate(places) if place.size > room.longest]
    wanted = [
        (Wanted(i, place), 0, addresses[i].sampling or every)
        for i, place in enumerate(places)
        if place.size <= room.longest
    ]
    planned = scans(wanted, language, system)
    questions = {scan.unit: scan.blocks[0].question for scan in planned}
    remarks = Remarks(system, addresses, language)
    why = f"longer than what one message of this controller holds ({room.longest} bytes)"
    return Plan(addresses, planned, too_long, why, questions, language, remarks, spec.changes)


def spoken(room: Room) -> Language[Wanted]:
    """S7 as this controller is asked."""

    def blocks(wanted: Iterable[Wanted]) -> Sequence[Block]:
        return coalesce(wanted, room)

    return Language(
        coalesce=blocks,
        contents=wire.contents,
        status=wire.status,
        meaning=wire.meaning,
        called=lambda units: "data",
        narrower=wire.NARROWER,
        never=frozenset({wire.NO_ACCESS}),
        hint="is timeout: long enough?",
    )
