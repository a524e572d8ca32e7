# SPDX-License-Identifier: Apache-2.0
"""The Modbus driver: what a device or gateway is asked for, over one connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from isthmus.core import quality, time
from isthmus.core.samples import Value
from isthmus.systems.contract import Address, Readings, Surroundings
from isthmus.systems.modbus import wire
from isthmus.systems.modbus.address import parse
from isthmus.systems.modbus.blocks import Block, Wanted, coalesce
from isthmus.systems.modbus.spec import ModbusSpec
from isthmus.systems.modbus.wire import FRAMING
from isthmus.systems.modbus.writing import Writer
from isthmus.systems.polled.language import Language
from isthmus.systems.polled.link import Link
from isthmus.systems.polled.polling import Observed, Plan, Polling
from isthmus.systems.polled.remarks import Remarks
from isthmus.systems.polled.rounds import Pace
from isthmus.systems.polled.schedule import scans

OUTSIDE: Final = "outside 0 to 65535, counted from the system's first"


class ModbusSource:
    """Reads and writes. Keep one for as long as the system is collected: it remembers what the device refuses."""

    def __init__(self, spec: ModbusSpec, surroundings: Surroundings) -> None:
        self._spec, self._system = spec, surroundings.system
        self._pace = Pace(spec.seconds("timeout"), spec.seconds("pause"))
        self._plan: Plan[Wanted] | None = None
        self._opened = 0
        self._resume, self._observed = surroundings.resume, Observed()
        self._link: Link | None = None

    @asynccontextmanager
    async def open(self, addresses: Sequence[Address]) -> AsyncGenerator[AsyncIterator[Readings]]:
        """Connects, and makes sure that something answers; see the contract."""
        if self._plan is None or self._plan.addresses != tuple(addresses):
            self._plan = make_plan(tuple(addresses), self._spec, self._system)
        link = await Link.open(self._spec.host, self._spec.port, self._pace.timeout, FRAMING)
        try:
            self._observed.begin(self._resume)
            polling = Polling(link, self._plan, self._pace, self._observed)
            self._opened += 1
            await polling.greet(self._opened - 1)
            self._link = link
            yield polling
        finally:
            self._link = None
            await link.close()

    async def write(self, values: Sequence[tuple[Address, Value]]) -> Sequence[int]:
        """Writes one value after the other, each read back; see the contract."""
        if self._link is None:
            return [quality.BAD_NOT_CONNECTED] * len(values)
        return await Writer(self._link, self._spec, self._pace).write(values)


def make_plan(addresses: tuple[Address, ...], spec: ModbusSpec, system: str) -> Plan[Wanted]:
    """The scans that read `addresses`."""
    every = time.duration(spec.every)
    wanted: list[tuple[Wanted, int, int]] = []
    misplaced: list[int] = []
    for position, address in enumerate(addresses):
        place = parse(address.text)
        unit = spec.unit if place.unit is None else place.unit
        one = Wanted(position, place, unit, place.number - spec.first, place.order or spec.order)
        if one.start >= 0 and one.end <= 0x1_0000:
            wanted.append((one, unit, address.sampling or every))
        else:
            misplaced.append(position)
    language = spoken(spec)
    planned = scans(wanted, language, system)
    questions = {scan.unit: scan.blocks[0].question for scan in planned}
    remarks = Remarks(system, addresses, language)
    return Plan(addresses, planned, misplaced, OUTSIDE, questions, language, remarks, spec.changes)


def spoken(spec: ModbusSpec) -> Language[Wanted]:
    """Modbus as this device is asked."""

    def blocks(wanted: Iterable[Wanted]) -> Sequence[Block]:
        return coalesce(wanted, spec)

    return Language(
        coalesce=blocks,
        contents=wire.contents,
        status=wire.status,
        meaning=wire.meaning,
        called=_called,
        narrower=wire.ASKED_WRONGLY,
        never=frozenset({1}),
        gone=wire.GONE,
        hint="is unit: right, and timeout: long enough?",
    )


def _called(units: Sequence[int]) -> str:
    return f"{'unit' if len(units) == 1 else 'units'} {', '.join(map(str, units))}"
