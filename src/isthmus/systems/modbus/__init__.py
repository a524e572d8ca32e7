# SPDX-License-Identifier: Apache-2.0
"""Modbus TCP: registers read in coalesced blocks on a schedule, one question in flight per device or gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.core.errors import IsthmusError
from isthmus.systems.contract import Kind, Replay, Surroundings
from isthmus.systems.hosts import known_as
from isthmus.systems.modbus.address import PATTERN, check_address, check_write, parse
from isthmus.systems.modbus.spec import PORT, ModbusSpec

_TEST = """\
holding: {100: [0x42a2, 0x0000], 102: 17}
"""


def _connect(spec: ModbusSpec, surroundings: Surroundings) -> Any:
    from isthmus.systems.modbus.source import ModbusSource

    return ModbusSource(spec, surroundings)


def _fit(spec: ModbusSpec, text: str) -> None:
    place = parse(text)
    if place.number < spec.first:
        raise IsthmusError(f"{text!r} lies before the system's first: {spec.first}", hint="numbers count from there")
    if place.number - spec.first + place.size > 0x1_0000:
        raise IsthmusError(f"{text!r} ends behind the last address, {0xFFFF + spec.first}")


def _replay() -> Replay:
    from isthmus.systems.modbus.replay import Registers, begin

    return Replay(Registers, begin, _TEST)


def _device(config: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"the Modbus device at {known_as(config['host'])}:{config.get('port', PORT)}",) if "host" in config else ()


KIND = Kind(
    name="modbus",
    title="Modbus TCP device or gateway",
    spec=ModbusSpec,
    connect=_connect,
    check_address=check_address,
    check_fit=_fit,
    check_write=check_write,
    powers=("reads", "writes"),
    replay=_replay,
    sole=_device,
    sole_hint="each opens a connection of its own, and many devices take only one: make them one system, and say the "
    "unit in its addresses, 2/holding.100:int16",
    tested=("libmodbus (a server in C)",),
    pattern=PATTERN,
    addresses="""\
An address is one line, `unit/table.number:type:order`, of which only table and number are needed:

| address | is |
| --- | --- |
| `holding.100` | the holding register 100 as an unsigned number of 16 bits (`:uint16`) |
| `holding.100:float32` | a float in the registers 100 and 101; also `float64` in four |
| `holding.100:int32` | a number with sign; also `int16`, `int64`, and without sign `uint16`, `uint32`, `uint64` |
| `input.30:int32:CDAB` | an input register pair, low register first; without an order the system's `order` counts |
| `7/holding.100:float32` | the same of unit 7 behind the gateway; without a unit the system's `unit` counts |
| `holding.40:bit3`, `holding.40:bits4-7` | one bit (0 is the lowest), a field of bits as an unsigned number |
| `holding.41:int8`, `holding.41:uint8-high` | the low byte of a register with or without sign, and its high byte |
| `holding.50:text20` | 20 bytes of text in 10 registers, up to the first NUL |
| `coil.12`, `discrete.3` | a coil, a discrete input: one bit |

A text loses the blanks at its end and is read as UTF-8, or as Latin-1 where it is none.

Numbers count from 0, as on the wire; for manuals that count from 1, say `first: 1` of the system. What a manual calls
40101 is `holding.100`. Scale and offset are said of the tag: `{address: "holding.100:int16", scale: 0.1, unit: Cel}`.

Modbus has no time: samples have the time at which the answer came. It has no quality either: an answer is Good; an
exception of the device is BadNodeIdUnknown (2, no such address), BadNotSupported (1), BadOutOfRange (3),
BadDeviceFailure (4, 8), BadResourceUnavailable (5, 6, busy) or BadNoCommunication (10, 11, a gateway without its unit),
no answer is BadTimeout, and one that does not fit its question is BadDecodingError, its bytes in quarantine. An address
that a device refuses harms only itself: it is named in an event and tried again every 30 s.

Each unit and interval has its own phase, so that many devices do not speak at once. A device that cannot keep up is
read as often as it can be, and an `overrun` event says how many readings were left out; what nobody read while the
device was away is a gap. Units of one gateway belong
into one system: it has one connection with one request in flight. A unit that stays silent is asked less often, down to
every 30 s, and the others keep their schedule. Modbus RTU needs a gateway.

The driver can write: holding registers and coils, all of the types above, each value read back, ahead of what is to be
read. A field of bits is changed by the device itself where it knows function 22; where it does not, the register is
read, changed and written, and what somebody else changes between is lost. Nothing in Isthmus asks it to yet: there is
no command that writes, and a tag's `write:` is only checked. A tag at an input register or a discrete input cannot have
one.
""",
    example="""\
systems:
  meters:
    kind: modbus
    host: 10.20.0.31
    every: 1s

assets:
  utilities/meter-{1..4}:
    system: meters
    tags:
      power: {address: "{n}/holding.100:float32", unit: kW}
      energy: {address: "{n}/holding.110:uint64", type: unsigned, unit: W.h, every: 10s}
      temperature: {address: "{n}/input.7:int16", scale: 0.1, unit: Cel}
      breaker-closed: {address: "{n}/coil.3", type: boolean}
      phase-fault: {address: "{n}/holding.120:bit5", type: boolean}
""",
)
