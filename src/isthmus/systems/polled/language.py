# SPDX-License-Identifier: Apache-2.0
"""What a protocol of polled memory has to say of itself: blocks, what counts as an answer, what its codes mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from isthmus.systems.polled.layout import Spot


class Garbled(Exception):
    """An answer that does not fit its question."""


class Wanted(Protocol):
    """One address that is read, as the wire counts."""

    @property
    def position(self) -> int:
        """In the opened address list."""


W = TypeVar("W", bound=Wanted)


class Block(Protocol[W]):
    """Addresses of one unit that one question reads."""

    @property
    def unit(self) -> int: ...
    @property
    def wanted(self) -> tuple[W, ...]:
        """In order of their start."""

    @property
    def question(self) -> bytes:
        """The request, without its transaction number."""

    @property
    def size(self) -> int:
        """Bytes of data in its answer."""

    def halves(self) -> tuple[Block[W], Block[W]]:
        """The block in two, where it has more than one address."""

    def spots(self, offset: int, answer: int = 0) -> Iterable[Spot]:
        """Where its values stand when its answer, so many others before it, begins at byte `offset`."""


@dataclass(frozen=True, slots=True)
class Language(Generic[W]):
    """A protocol's own part in what is the same for all of them. A code is what a device says in place of data."""

    coalesce: Callable[[Iterable[W]], Sequence[Block[W]]]
    """The fewest blocks that read all of these."""
    contents: Callable[[bytes, bytes, int], bytes | int]
    """(answer, question, bytes of data expected) → the data, or a code above 0; raises Garbled."""
    status: Callable[[int], int]
    """The StatusCode that stands for a code."""
    meaning: Callable[[int], str]
    """What a code says, for a person."""
    called: Callable[[Sequence[int]], str]
    """What units are called: `unit 7`, `units 7, 8`."""
    narrower: frozenset[int]
    """Codes that mean what was asked for: asked for less, the device may answer."""
    never: frozenset[int] = frozenset()
    """Codes that mean all of a block, whatever part of it is asked for."""
    gone: frozenset[int] = frozenset()
    """Codes by which a gateway says that the unit behind it does not answer."""
    hint: str = ""
    """What to look at when nothing answers."""
