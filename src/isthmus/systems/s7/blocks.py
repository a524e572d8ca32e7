# SPDX-License-Identifier: Apache-2.0
"""Which bytes are read together: neighbours as one item, items as few questions as the controller's messages allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from isthmus.systems.s7 import wire
from isthmus.systems.s7.address import Place
from isthmus.systems.s7.decode import Spot
from isthmus.systems.s7.wire import Span


@dataclass(frozen=True, slots=True)
class Wanted:
    """One address that is read."""

    position: int
    place: Place

    @property
    def end(self) -> int:
        """The byte behind its last one."""
        return self.place.byte + self.place.size


@dataclass(frozen=True, slots=True)
class Room:
    """What one question may hold."""

    message: int
    """Bytes of a message, agreed with the controller."""
    gap: int
    """Bytes that nobody asked for, read between two that are."""

    @property
    def longest(self) -> int:
        """Bytes that one item can bring."""
        return self.message - wire.ANSWER_HEAD - wire.ITEM_HEAD


@dataclass(frozen=True)
class Block:
    """Addresses that one question reads, as one or more items."""

    wanted: tuple[Wanted, ...]
    """In order of area, block and first byte."""
    room: Room
    unit: int = 0
    """There is one controller behind a connection."""

    @cached_property
    def items(self) -> list[tuple[Span, list[Wanted]]]:
        return [(_span(group), group) for group in _groups(self.wanted, self.room)]

    @cached_property
    def question(self) -> bytes:
        """The request, without its number."""
        return wire.question([span for span, _ in self.items])

    @cached_property
    def size(self) -> int:
        """Bytes of data in its answer."""
        return sum(span.count for span, _ in self.items)

    @property
    def fits(self) -> bool:
        """Question and answer are messages that the controller takes, with as many items as it takes."""
        spans = [span for span, _ in self.items]
        asked = wire.QUESTION_HEAD + wire.ITEM * len(spans)
        answered = wire.ANSWER_HEAD + sum(span.padded for span in spans)
        return len(spans) <= wire.MOST_ITEMS and max(asked, answered) <= self.room.message

    def halves(self) -> tuple[Block, Block]:
        """The block in two, where it has more than one address."""
        middle = len(self.wanted) // 2
        return Block(self.wanted[:middle], self.room), Block(self.wanted[middle:], self.room)

    def spots(self, offset: int, answer: int = 0) -> Iterable[Spot]:
        """Where its values stand when its answer, so many others before it, begins at byte `offset`."""
        for span, group in self.items:
            for one in group:
                yield Spot(one.position, one.place, offset + one.place.byte - span.start, answer)
            offset += span.count


def coalesce(wanted: Iterable[Wanted], room: Room) -> list[Block]:
    """The blocks that read all of `wanted`, each of which fits into a message by itself."""
    ordered = sorted(wanted, key=lambda w: (w.place.area, w.place.block, w.place.byte, w.end))
    blocks: list[Block] = []
    for group in _groups(ordered, room):
        if blocks and (longer := Block((*blocks[-1].wanted, *group), room)).fits:
            blocks[-1] = longer
        else:
            blocks.append(Block(tuple(group), room))
    return blocks


def _groups(ordered: Iterable[Wanted], room: Room) -> Iterator[list[Wanted]]:
    """Addresses in their order, those together that are one item."""
    group: list[Wanted] = []
    end = 0
    for one in ordered:
        if group and not _near(group[0], end, one, room):
            yield group
            group = []
        end = max(end, one.end) if group else one.end
        group.append(one)
    if group:
        yield group


def _near(first: Wanted, end: int, one: Wanted, room: Room) -> bool:
    same = (first.place.area, first.place.block) == (one.place.area, one.place.block)
    return same and one.place.byte - end <= room.gap and max(end, one.end) - first.place.byte <= room.longest


def _span(group: list[Wanted]) -> Span:
    first = group[0].place
    return Span(first.area, first.block, first.byte, max(one.end for one in group) - first.byte)
