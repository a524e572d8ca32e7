# SPDX-License-Identifier: Apache-2.0
"""Bytes of a controller in a test are taken apart like those that one question brought."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from pydantic import Field, field_validator

from isthmus.core.errors import IsthmusError
from isthmus.systems.captured import Hexadecimal
from isthmus.systems.changes import Changes
from isthmus.systems.contract import Address, Readings, Spec
from isthmus.systems.polled.rounds import Round, readings
from isthmus.systems.polled.schedule import Scan
from isthmus.systems.s7.address import parse
from isthmus.systems.s7.blocks import Block, Room, Wanted
from isthmus.systems.s7.spec import S7Spec

ROOM: Final = Room(65_535, 0)
"""No message has to be agreed with anybody."""
_START = re.compile(r"(?:db(\d{1,5})\.|([iqm]))(\d{1,5})")

Held = dict[tuple[str, int, int], int]
"""(area, block, byte) → what stands there."""


class Memory(Spec):
    """What a controller holds, as a test writes it."""

    memory: dict[str, Hexadecimal] = Field(
        min_length=1, description="Where the first byte stands → bytes in hexadecimal: `{db10.0: 42 c8 00 00, i0: 08}`."
    )

    @field_validator("memory")
    @classmethod
    def _placed(cls, memory: dict[str, str]) -> dict[str, str]:
        for place in memory:
            if _START.fullmatch(place) is None:
                raise ValueError(f"{place[:40]!r} is no place of a byte; write db10.0, m4, i0, q2")
        return memory

    def held(self) -> Held:
        """Every byte that is given."""
        found: Held = {}
        for place, hexadecimal in self.memory.items():
            match = _START.fullmatch(place)
            assert match is not None  # by `_placed`
            area, block, first = match[2] or "db", int(match[1] or 0), int(match[3])
            found |= {(area, block, first + i): byte for i, byte in enumerate(bytes.fromhex(hexadecimal))}
        return found


def begin(spec: S7Spec, system: str, addresses: Sequence[Address]) -> Callable[[Memory], Readings]:
    """Reads what a controller holds in a test, one state after the other."""
    changes = Changes(addresses, spec.changes)
    wanted = [Wanted(i, parse(address.text)) for i, address in enumerate(addresses)]

    def read(given: Memory) -> Readings:
        held, done = given.held(), Round[Wanted]()
        for one in wanted:
            places = [(one.place.area, one.place.block, byte) for byte in range(one.place.byte, one.end)]
            have = [place in held for place in places]
            if all(have):
                done.add(Block((one,), ROOM), bytes(held[place] for place in places))
            elif any(have):
                missing = one.place.byte + have.index(False)
                raise IsthmusError(f"{one.place} takes {one.place.size} bytes, and byte {missing} is not given")
        if not done.answers:
            raise IsthmusError(f"no tag of {system} is read from these bytes")
        return changes.of(readings(Scan(0, 1.0, (), 0.0), done))

    return read
