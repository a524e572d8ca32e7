# SPDX-License-Identifier: Apache-2.0
"""Registers and bits of a test answer the questions that a round asks: what they say goes the way of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from isthmus.core.errors import IsthmusError
from isthmus.systems.changes import Changes
from isthmus.systems.contract import Address, Readings, Spec
from isthmus.systems.modbus import wire
from isthmus.systems.modbus.address import check_address
from isthmus.systems.modbus.blocks import Block, Wanted, coalesce
from isthmus.systems.modbus.source import make_plan
from isthmus.systems.modbus.spec import ModbusSpec
from isthmus.systems.polled.rounds import Round, readings
from isthmus.systems.polled.schedule import Scan


def _words(said: Any) -> Any:
    """Registers in a row: numbers, one number, or their bytes in hexadecimal."""
    if isinstance(said, str):
        data = bytes.fromhex(said)
        if len(data) % 2:
            raise ValueError("a register has two bytes, four hexadecimal digits")
        return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]
    return said if isinstance(said, list) else [said]


def _unsigned(words: list[int]) -> list[int]:
    if not all(-0x8000 <= word <= 0xFFFF for word in words):
        raise ValueError("a register holds 0 to 65535, or -32768 to 32767")
    return [word & 0xFFFF for word in words]


Words = Annotated[list[int], BeforeValidator(_words)]
Bits = Annotated[list[bool], BeforeValidator(lambda said: said if isinstance(said, list) else [said])]


class Registers(Spec):
    """What a device holds, as a test writes it: numbers count as in the addresses."""

    unit: int | None = Field(None, ge=0, le=255, description="The unit it stands behind; without it the system's own.")
    holding: dict[int, Words] = Field(
        default={}, description="Number of the first register → one or more in a row: `{100: [0x42a2, 0]}`."
    )
    input: dict[int, Words] = Field(default={}, description="The same of input registers.")
    coil: dict[int, Bits] = Field(default={}, description="Number of the first coil → one or more in a row.")
    discrete: dict[int, Bits] = Field(default={}, description="The same of discrete inputs.")
    exceptions: dict[str, int] = Field(
        default={}, description="Address → the exception by which the device refuses it: `{holding.104:uint16: 2}`."
    )

    @model_validator(mode="after")
    def _whole(self) -> Registers:
        if not (self.holding or self.input or self.coil or self.discrete or self.exceptions):
            raise ValueError("it holds nothing; write holding: {100: [0x42a2, 0x0000]}")
        for words in (*self.holding.values(), *self.input.values()):
            words[:] = _unsigned(words)
        return self

    def table(self, name: str) -> dict[int, int]:
        """Number → what stands there."""
        said: Mapping[int, Sequence[int]] = getattr(self, name)
        return {start + i: int(value) for start, values in said.items() for i, value in enumerate(values)}


def begin(spec: ModbusSpec, system: str, addresses: Sequence[Address]) -> Callable[[Registers], Readings]:
    """Reads what a device holds in a test, one state after the other."""
    plan = make_plan(tuple(addresses), spec, system)
    changes = Changes(addresses, spec.changes)
    wanted = [one for scan in plan.scans for block in scan.blocks for one in block.wanted]

    def read(given: Registers) -> Readings:
        unit = spec.unit if given.unit is None else given.unit
        of_unit = [one for one in wanted if one.unit == unit]
        done = Round[Wanted]()
        for one, code in _refused(given, of_unit, addresses):
            done.add(Block(unit, one.place.table, (one,)), wire.status(code))
        for table in ("holding", "input", "coil", "discrete"):
            held = {number - spec.first: value for number, value in given.table(table).items()}
            touched = [one for one in of_unit if one.place.table == table and _touched(one, held)]
            for block in coalesce(touched, spec):
                frame = _answer(block, held)
                data = wire.contents(frame, block.question, block.size)
                done.add(block, data)
        if not done.answers:
            raise IsthmusError(f"no tag is read from what is given of unit {unit}", hint=_read_there(of_unit))
        return changes.of(readings(Scan(unit, 1.0, (), 0.0), done))

    return read


def _refused(given: Registers, wanted: Sequence[Wanted], addresses: Sequence[Address]) -> Iterator[tuple[Wanted, int]]:
    for text, code in given.exceptions.items():
        canonical = check_address(text)
        found = [one for one in wanted if canonical in (addresses[one.position].text, _without_unit(one, addresses))]
        if not found:
            raise IsthmusError(f"no tag is read from {text!r}", hint=_read_there(wanted))
        yield from ((one, code) for one in found)


def _without_unit(one: Wanted, addresses: Sequence[Address]) -> str:
    return addresses[one.position].text.partition("/")[2]


def _touched(one: Wanted, held: Mapping[int, int]) -> bool:
    """Whether what is held gives the value; raises IsthmusError when it gives a part of it only."""
    have = [number in held for number in range(one.start, one.end)]
    if any(have) and not all(have):
        missing = one.place.number + have.index(False)
        raise IsthmusError(f"{one.place} takes {one.place.size} registers, and {missing} is not given")
    return all(have)


def _answer(block: Block, held: Mapping[int, int]) -> bytes:
    """The device's answer to the block's question, from the unit's number on; what nobody gave is zero."""
    values = [held.get(block.start + i, 0) for i in range(block.count)]
    if block.wanted[0].place.registers:
        data = b"".join(value.to_bytes(2, "big") for value in values)
    else:
        data = sum(bool(value) << i for i, value in enumerate(values)).to_bytes(block.size, "little")
    return bytes((block.unit, wire.FUNCTIONS[block.table], len(data))) + data


def _read_there(wanted: Sequence[Wanted]) -> str:
    places = sorted({str(one.place) for one in wanted})
    return f"there are {', '.join(places[:5])}{' and more' if len(places) > 5 else ''}" if places else ""
