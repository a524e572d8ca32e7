# SPDX-License-Identifier: Apache-2.0
"""Writing: one value after the other ahead of what is polled, each sent once and read back.

Modbus Application Protocol Specification V1.1b3: 6.5, 6.6, 6.11, 6.12 and 6.16 (functions 5, 6, 15, 16 and 22).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.core import quality
from isthmus.core.errors import Disconnected
from isthmus.core.samples import Value
from isthmus.systems.contract import Address
from isthmus.systems.modbus import wire
from isthmus.systems.modbus.address import Place, parse
from isthmus.systems.modbus.encode import Unfit, Words, bit, encode
from isthmus.systems.modbus.spec import ModbusSpec
from isthmus.systems.polled.language import Garbled
from isthmus.systems.polled.link import Link
from isthmus.systems.polled.rounds import Pace

_MASKED: Final = 22
_UNKNOWN_FUNCTION: Final = 1
REGISTERS: Final = 123
COILS: Final = 1968
"""The most that one question writes (6.12, 6.11)."""
_SINGLE, _SEVERAL = {True: 5, False: 6}, {True: 15, False: 16}
"""In a table of bits? → the function."""


class Refusal(Exception):
    """The device said no."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(wire.meaning(code))


@dataclass(frozen=True, slots=True)
class Target:
    """One value and where it goes, as the wire counts."""

    unit: int
    start: int
    place: Place
    words: Words | bool
    """What the registers are to hold; of a coil, whether it is on."""


class Writer:
    """Writes over one link."""

    def __init__(self, link: Link, spec: ModbusSpec, pace: Pace) -> None:
        self._link, self._spec, self._pace = link, spec, pace
        self._loop = asyncio.get_running_loop()

    async def write(self, values: Sequence[tuple[Address, Value]]) -> list[int]:
        """A StatusCode for each; see the contract."""
        found: list[int] = []
        while len(found) < len(values):
            try:
                run = self._run(values[len(found) :])
            except Unfit as error:
                found.append(error.status)
                continue
            async with self._link.turn:  # nothing is polled between the parts of one write
                found += [await self._held(run)] * len(run)
        return found

    def _run(self, values: Sequence[tuple[Address, Value]]) -> list[Target]:
        """The first value, and with a coil those behind it that are the next coils; raises Unfit for the first."""
        run = [self._target(*values[0])]
        if run[0].place.registers:
            return run
        for address, value in values[1:COILS]:
            try:
                one = self._target(address, value)
            except Unfit:
                break
            if one.place.table != "coil" or (one.unit, one.start) != (run[0].unit, run[-1].start + 1):
                break
            run.append(one)
        return run

    def _target(self, address: Address, value: Value) -> Target:
        place = parse(address.text)
        unit, start = self._spec.unit if place.unit is None else place.unit, place.number - self._spec.first
        if place.table in ("input", "discrete"):
            raise Unfit(quality.BAD_NOT_WRITABLE)
        if start < 0 or start + place.size > 0x1_0000:
            raise Unfit(quality.BAD_CONFIGURATION)
        if place.size > REGISTERS:
            raise Unfit(quality.BAD_NOT_SUPPORTED)
        said = encode(place, place.order or self._spec.order, value) if place.registers else bit(value)
        return Target(unit, start, place, said)

    async def _held(self, run: Sequence[Target]) -> int:
        """What became of a run of coils, or of one value in registers."""
        sent = _Sent()
        try:
            await self._send(run, sent)
        except Refusal as error:
            return wire.status(error.code)
        except TimeoutError:
            return quality.BAD_TIMEOUT if sent.change else quality.BAD_NOT_CONNECTED
        except (Disconnected, Garbled):
            return quality.BAD_COMMUNICATION if sent.change else quality.BAD_NOT_CONNECTED
        try:
            return quality.GOOD if await self._reads_back(run) else quality.UNCERTAIN
        except (Refusal, TimeoutError, Disconnected, Garbled):
            return quality.UNCERTAIN

    async def _send(self, run: Sequence[Target], sent: _Sent) -> None:
        first = run[0]
        if isinstance(first.words, Words):
            await self._registers(first, first.words, sent)
        elif len(run) == 1:
            await self._change(sent, first.unit, _SINGLE[True], first.start, 0xFF00 if first.words else 0)
        else:
            data = sum(bool(one.words) << i for i, one in enumerate(run)).to_bytes((len(run) + 7) // 8, "little")
            await self._several(sent, first, True, len(run), data)

    async def _registers(self, target: Target, words: Words, sent: _Sent) -> None:
        if not words.whole:
            if len(words.bits) == 1 and await self._masked(target, words, sent):
                return
            words = Words(words.over(await self._words(target)), words.mask)
        if len(words.bits) == 1:
            await self._change(sent, target.unit, _SINGLE[False], target.start, words.bits[0])
        else:
            await self._several(sent, target, False, len(words.bits), struct.pack(f">{len(words.bits)}H", *words.bits))

    async def _masked(self, target: Target, words: Words, sent: _Sent) -> bool:
        """Changes some bits of a register, which the device does by itself; False: it does not know how."""
        try:
            keep = words.mask[0] ^ 0xFFFF
            await self._change(sent, target.unit, _MASKED, target.start, keep, words.bits[0])
        except Refusal as error:
            if error.code != _UNKNOWN_FUNCTION:
                raise
            sent.change = False
            return False
        return True

    async def _change(self, sent: _Sent, unit: int, function: int, start: int, *words: int) -> None:
        """A question whose answer repeats it."""
        body = struct.pack(f">BBH{len(words)}H", unit, function, start, *words)
        sent.change = True
        frame = await self._ask(body)
        if frame != body:
            raise Garbled("an answer that does not repeat what was written")

    async def _several(self, sent: _Sent, target: Target, bits: bool, count: int, data: bytes) -> None:
        head = struct.pack(">BBHH", target.unit, _SEVERAL[bits], target.start, count)
        sent.change = True
        frame = await self._ask(head + bytes((len(data),)) + data)
        if frame != head:
            raise Garbled("an answer that does not repeat what was written")

    async def _words(self, target: Target) -> tuple[int, ...]:
        count = target.place.size
        return struct.unpack(f">{count}H", await self._read(target, count))

    async def _reads_back(self, run: Sequence[Target]) -> bool:
        """The device holds what was written."""
        first = run[0]
        if isinstance(first.words, Words):
            return first.words.held_by(await self._words(first))
        held = int.from_bytes(await self._read(first, len(run)), "little")
        return all(bool(held >> i & 1) == one.words for i, one in enumerate(run))

    async def _read(self, target: Target, count: int) -> bytes:
        question = wire.question(target.unit, target.place.table, target.start, count)
        frame = await self._ask(question[wire.UNIT :])
        data = wire.contents(frame, question, wire.size(target.place.table, count))
        if isinstance(data, int):
            raise Refusal(data)
        return data

    async def _ask(self, body: bytes) -> bytes:
        """The answer to a question, which begins with the unit; raises Refusal, TimeoutError, Disconnected, Garbled."""
        if self._pace.pause:
            await asyncio.sleep(max(0.0, self._link.heard + self._pace.pause - self._loop.time()))
        frame = await self._link.ask(wire.headed(body), self._pace.timeout)
        if frame[0] == body[0] and frame[1] == body[1] | 0x80 and len(frame) == wire.SHORTEST and frame[2]:
            raise Refusal(frame[2])
        return frame


@dataclass(slots=True)
class _Sent:
    """What is known of a write that did not end well."""

    change: bool = False
    """A question that changes something was sent."""
