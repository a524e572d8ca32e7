# SPDX-License-Identifier: Apache-2.0
"""Which rows of a table are new: a watermark that moves, and the rows behind it that may be met again.

Rows come in the order of (order, key). Those beyond the watermark are new. A row may become visible behind it: its
transaction had its number before another one's and ended after it, or somebody entered it late. So a stretch behind
the watermark is read again and what is not remembered there is new. The stretch begins, at its `floor`, where the
watermark stood `look_back` before we looked there last: a row that was numbered since then sorts behind that, whatever
kind of thing `order` is. (Measured from the last look and not from now, so that time during which we were away does
not count.) A row in the future is taken and remembered, and does not move the watermark: a year typed wrongly would
hide all others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import msgspec

from isthmus.core import time
from isthmus.systems.sql.account import Entry, Known, Standing, Taken

MOST: Final = 20_000
"""Rows remembered of a table."""
MOST_EARLY: Final = 1_000
"""Rows in the future that are remembered; with more of them the future is where the table lives."""
FUTURE: Final = 24 * 3600 * time.SECOND
"""How far the order of a row may lie ahead of our clock before it does not move the watermark: more than time zones
and clocks can be apart."""

Place = tuple[Any, ...]
"""Values of columns: numbers and texts."""

_pack: Final = msgspec.msgpack.encode


def pack(place: Sequence[Any]) -> bytes:
    """A place as bytes, the same for the same."""
    return _pack(list(place))


def unpack(packed: bytes) -> Place | None:
    """What `pack` made; None of nothing."""
    return tuple(msgspec.msgpack.decode(packed)) if packed else None


@dataclass(slots=True)
class Window:
    """One table: its watermark, its floor, and the rows in between."""

    look_back: int
    """ns."""
    mark: bytes = b""
    floor: bytes = b""
    beyond: bool = False
    """So many rows lie at the floor itself that they are not remembered: what is read again begins beyond it."""
    looked: int = 0
    """When we last looked behind the watermark, ns by our clock."""
    cut: bool = False
    """`look_back` holds more rows than are remembered: the floor is higher than it says."""
    _taken: dict[bytes, Taken] = field(default_factory=dict)
    """In the order in which we met them, but those of the future."""
    _edge: dict[bytes, Taken] = field(default_factory=dict)
    """Those that lie at the floor itself."""
    _early: dict[bytes, Taken] = field(default_factory=dict)
    _new: list[Taken] = field(default_factory=list)
    _gone: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, known: Known | None, look_back: int) -> Window:
        """As it was left."""
        window = cls(look_back)
        if known is not None:
            window.mark, window.floor, window.beyond = known.mark, known.floor, known.beyond
            for one in known.taken:
                window._place(one)
            window.looked = max((one.seen for one in known.taken), default=0)
        return window

    def _place(self, one: Taken) -> None:
        at_floor = one.place == self.floor and not self.beyond
        home = self._early if one.standing == Standing.EARLY else self._edge if at_floor else self._taken
        home[one.row] = one

    @property
    def early(self) -> int:
        """Rows of the future that are met at every look."""
        return len(self._early)

    @property
    def behind(self) -> int:
        """Rows that are met when we look behind the watermark."""
        return len(self._taken) + len(self._edge)

    def near(self, most: int) -> bytes:
        """The place in order of the row that moved the watermark, about so many rows ago; the floor where none is."""
        last = islice(reversed(self._taken.values()), most)
        places = [one.place for one in last if one.standing == Standing.AHEAD]
        return places[-1] if places else self.floor

    def begin(self, mark: Place, floor: Place) -> None:
        """Everything up to there does not count."""
        self.mark, self.floor, self.beyond = pack(mark), pack(floor), True

    def take(self, order: Place, key: Place, now: int, *, late: bool, waits: bool) -> bytes | None:
        """Takes a row that was met; what identifies it where it is new, None where it was taken before.

        `late`: it was met behind the watermark. `waits`: the watermark is not to move to it.
        """
        packed, place = pack((*order, *key)), pack(order)
        row = hashlib.blake2b(packed, digest_size=16).digest()
        waits = waits and len(self._early) < MOST_EARLY
        if not late and not waits:
            self.mark = packed
        if row in self._early:
            if not waits:  # the watermark reaches it
                del self._early[row]
                self._remember(Taken(row, place, now, Standing.LATE if late else Standing.AHEAD))
            return None
        if row in self._taken or row in self._edge:
            return None
        self._remember(Taken(row, place, now, Standing.EARLY if waits else Standing.LATE if late else Standing.AHEAD))
        return row

    def _remember(self, one: Taken) -> None:
        self._place(one)
        self._new.append(one)

    def trim(self) -> None:
        """Forgets what lies too far back to be met again."""
        forgotten = self._old()
        floor = next((one.place for one in reversed(forgotten) if one.standing == Standing.AHEAD), self.floor)
        if floor != self.floor:
            forgotten += self._edge.values()
            self.floor, self.beyond, self._edge = floor, False, {}
        for one in forgotten:
            if one.place == self.floor and not self.beyond:
                self._edge[one.row] = one
            else:
                self._gone.append(one.row)
        if len(self._edge) > MOST:
            self._gone += self._edge
            self._edge, self.beyond = {}, True

    def _old(self) -> list[Taken]:
        """What was met before the look-back, or is more than can be remembered; it is out of the way."""
        limit, over, old = self.looked - self.look_back, len(self._taken) - MOST, list[Taken]()
        for count, one in enumerate(self._taken.values()):
            if one.seen >= limit and count >= over:
                break
            self.cut = self.cut or one.seen >= limit
            old.append(one)
        for one in old:
            del self._taken[one.row]
        return old

    def entry(self) -> Entry:
        """What changed since the last one."""
        entry = Entry(self.mark, self.floor, self.beyond, tuple(self._new), tuple(self._gone))
        self._new, self._gone = [], []
        return entry
