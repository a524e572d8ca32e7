# SPDX-License-Identifier: Apache-2.0
"""The Modbus TCP gateway of the utilities answers for the devices behind it (Modbus Application Protocol V1.1b3).

It has holding registers (function 3) and discrete inputs (2), and nothing can be written. While the simulation is away
its devices do not respond (exception 11).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from isthmus.app.demo.chemical.desk import Change
from isthmus.app.demo.chemical.field.mirror import Mirror
from isthmus.systems.modbus.address import parse

_FORMS: Final = {"float32": ">f", "float64": ">d", "int16": ">h", "int32": ">i", "uint16": ">H"}
_HEAD: Final = struct.Struct(">HHHBB")
"""Transaction, protocol, length of what follows, unit, function (MBAP, 4.1)."""
_SPAN: Final = struct.Struct(">HH")
_DISCRETE, _HOLDING = 2, 3
_MOST: Final = {_DISCRETE: 2000, _HOLDING: 125}
_NO_FUNCTION, _NO_ADDRESS, _NO_VALUE, _NO_RESPONSE = 1, 2, 3, 11


@dataclass(slots=True)
class Device:
    """One unit behind the gateway."""

    registers: bytearray = field(default_factory=bytearray)
    inputs: list[bool] = field(default_factory=list)

    def put(self, address: str, value: float) -> None:
        """Shows a value where its address says."""
        place = parse(address)
        if not place.registers:
            self.inputs += [False] * (place.number + 1 - len(self.inputs))
            self.inputs[place.number] = bool(value)
            return
        form = _FORMS[place.type]
        said = struct.pack(form, value if form in (">f", ">d") else round(value))
        at = 2 * place.number
        self.registers += bytes(max(at + len(said) - len(self.registers), 0))
        self.registers[at : at + len(said)] = said

    def read(self, function: int, first: int, count: int) -> bytes | None:
        """The bytes of the answer; None when it has no such addresses."""
        if function == _HOLDING:
            found = bytes(self.registers[2 * first : 2 * (first + count)])
            return found if len(found) == 2 * count else None
        bits = self.inputs[first : first + count]
        number = sum(1 << i for i, bit in enumerate(bits) if bit)
        return number.to_bytes((count + 7) // 8, "little") if len(bits) == count else None


@dataclass(slots=True)
class Gateway:
    """All devices, and who asks for them."""

    mirror: Mirror
    devices: dict[int, Device] = field(default_factory=dict)
    _callers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, port: int) -> None:
        """Answers on this port of the loopback, until cancelled. Raises OSError when it is taken."""
        server = await asyncio.start_server(self._meet, "127.0.0.1", port)
        try:
            while True:
                self.show(await self.mirror.news())
        finally:
            server.close()
            for writer in self._callers:
                writer.transport.abort()

    def show(self, changes: Iterable[Change]) -> None:
        """Takes new values in."""
        for change in changes:
            address = self.mirror.nodes[change.position].id
            device = self.devices.setdefault(parse(address).unit or 0, Device())
            device.put(address, float(change.value))

    def answer(self, unit: int, function: int, body: bytes) -> bytes:
        """What follows unit and function in the answer to a request; its first byte is the function, or the refusal."""
        refusal = self._refused(unit, function, body)
        if refusal:
            return bytes((function | 0x80, refusal))
        found = self.devices[unit].read(function, *_SPAN.unpack(body))
        return bytes((function | 0x80, _NO_ADDRESS)) if found is None else bytes((function, len(found))) + found

    def _refused(self, unit: int, function: int, body: bytes) -> int:
        if unit not in self.devices or not self.mirror.there:
            return _NO_RESPONSE
        if function not in _MOST:
            return _NO_FUNCTION
        if len(body) != _SPAN.size or not 1 <= _SPAN.unpack(body)[1] <= _MOST[function]:
            return _NO_VALUE
        return 0

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end; what is no Modbus ends it."""
        self._callers.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    transaction, protocol, length, unit, function = _HEAD.unpack(await reader.readexactly(_HEAD.size))
                    if protocol or not 2 <= length <= 254:
                        return
                    said = self.answer(unit, function, await reader.readexactly(length - 2))
                    writer.write(_HEAD.pack(transaction, 0, len(said) + 1, unit, said[0]) + said[1:])
                    await writer.drain()
        finally:
            self._callers.discard(writer)
            writer.close()
