# SPDX-License-Identifier: Apache-2.0
"""Which registers are read together: as few requests as gaps and the longest block allow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from isthmus.systems.modbus import wire
from isthmus.systems.modbus.address import Place
from isthmus.systems.modbus.decode import Spot
from isthmus.systems.modbus.spec import ModbusSpec


@dataclass(frozen=True, slots=True)
class Wanted:
    """One address that is read, as the wire counts."""

    position: int
    place: Place
    unit: int
    start: int
    order: str

    @property
    def end(self) -> int:
        """The register (or bit) behind its last one."""
        return self.start + self.place.size


@dataclass(frozen=True)
class Block:
    """Addresses of one unit and table that one request reads."""

    unit: int
    table: str
    wanted: tuple[Wanted, ...]
    """In order of their start."""

    @cached_property
    def start(self) -> int:
        return self.wanted[0].start

    @cached_property
    def count(self) -> int:
        return max(wanted.end for wanted in self.wanted) - self.start

    @cached_property
    def question(self) -> bytes:
        """The request, without its transaction number."""
        return wire.question(self.unit, self.table, self.start, self.count)

    @cached_property
    def size(self) -> int:
        """Bytes of data in its answer."""
        return wire.size(self.table, self.count)

    def halves(self) -> tuple[Block, Block]:
        """The block in two, where it has more than one address."""
        middle = len(self.wanted) // 2
        return (
            Block(self.unit, self.table, self.wanted[:middle]),
            Block(self.unit, self.table, self.wanted[middle:]),
        )

    def spots(self, offset: int, answer: int = 0) -> Iterable[Spot]:
        """Where its values stand when its answer, so many others before it, begins at byte `offset`."""
        for one in self.wanted:
            distance = one.start - self.start
            if one.place.registers:
                yield Spot(one.position, one.place, one.order, offset + 2 * distance, answer=answer)
            else:
                yield Spot(one.position, one.place, one.order, offset + distance // 8, distance % 8, answer)


def coalesce(wanted: Iterable[Wanted], spec: ModbusSpec) -> list[Block]:
    """The blocks that read all of `wanted`: none longer than the spec's, none across a gap wider than it."""
    blocks: list[Block] = []
    group: list[Wanted] = []
    for one in sorted(wanted, key=lambda w: (w.unit, w.place.table, w.start, w.end)):
        if group and not _fits(group, one, spec):
            blocks.append(_block(group))
            group = []
        group.append(one)
    return [*blocks, _block(group)] if group else blocks


def _fits(group: Sequence[Wanted], one: Wanted, spec: ModbusSpec) -> bool:
    first = group[0]
    if (first.unit, first.place.table) != (one.unit, one.place.table):
        return False
    most, gap = (spec.block, spec.gap) if one.place.registers else (16 * spec.block, 16 * spec.gap)
    end = max(wanted.end for wanted in group)
    return one.start - end <= gap and max(end, one.end) - first.start <= most


def _block(group: Sequence[Wanted]) -> Block:
    return Block(group[0].unit, group[0].place.table, tuple(group))
