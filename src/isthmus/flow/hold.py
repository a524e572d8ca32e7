# SPDX-License-Identifier: Apache-2.0
"""What a collector has and the log does not have yet: bounded, and nothing leaves it in silence.

When the log is away or full, samples wait here. At the bound each source's overflow policy applies: `discard-oldest`
drops the oldest that wait, counts them and owes a gap event per source; `wait` makes the source wait for room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Samples
from isthmus.systems.contract import Oddity, nothing

Overflow = Literal["discard-oldest", "wait"]

LIMIT: Final = 256 << 20
"""Bytes of samples a collector holds."""

EVENTS: Final = 1000
"""Events kept of what was discarded; of more than these the oldest go."""

_FIXED: Final = 25
"""Bytes of one sample without integer and text: index, at, quality, mark, value."""

_OTHER: Final = 200
"""Bytes of an event, or of what is put aside, besides its texts."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one hand-over of a source brought: in the log as a whole before `done` is called."""

    samples: tuple[Samples, ...] = ()
    events: tuple[Event, ...] = ()
    oddities: tuple[tuple[str, Oddity], ...] = ()
    done: Callable[[], None] = nothing

    def size(self) -> int:
        """Bytes it takes, about."""
        put_aside = sum(_OTHER + len(oddity.reason) + len(oddity.payload) for _, oddity in self.oddities)
        return sum(map(weight, self.samples)) + sum(map(spoken, self.events)) + put_aside


@dataclass(slots=True)
class Discarded:
    """Samples of one source that the bound cost us and that no gap event tells of yet."""

    count: int
    first: int
    last: int

    def add(self, other: Discarded) -> None:
        self.count += other.count
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)


@dataclass(slots=True)
class Hold:
    """The queue between the sources of a collector and the log."""

    limit: int = LIMIT
    size: int = 0
    discarded: int = 0
    """Samples discarded since the start."""
    _queue: deque[tuple[Waiting, int, bool]] = field(default_factory=deque)
    """With their sizes, and whether their source waits for room: what it gave is never discarded."""
    _owed: dict[str, Discarded] = field(default_factory=dict)
    _unread: dict[str, int] = field(default_factory=dict)
    """By source, what was to be put aside and was discarded, and no event tells of yet."""
    _kept: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS))
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, waiting: Waiting, overflow: Overflow) -> None:
        """Queues `waiting`; at the bound waits for room or discards the oldest, as `overflow` says."""
        size = waiting.size()
        while overflow == "wait" and self._queue and self.size + size > self.limit:
            self._room.clear()
            await self._room.wait()
        self._queue.append((waiting, size, overflow == "wait"))
        self.size += size
        while self.size > self.limit and len(self._queue) > 1 and self._discard():
            pass
        self._changed.set()

    def _discard(self) -> bool:
        """Discards the oldest that may be; False when none may."""
        place = next((place for place, (*_, kept) in enumerate(self._queue) if not kept), None)
        if place is None:
            return False
        oldest, size, _ = self._queue[place]
        del self._queue[place]
        self.size -= size
        self.lose(oldest.samples)
        for source, _ in oldest.oddities:
            self._unread[source] = self._unread.get(source, 0) + 1
        self._kept.extend(oldest.events)  # small, and the story of what went wrong
        oldest.done()
        return True

    def lose(self, blocks: Sequence[Samples]) -> None:
        """Counts samples that will not reach the log; a gap event is owed."""
        for samples in blocks:
            if len(samples):
                lost = Discarded(len(samples), int(samples.at.min()), int(samples.at.max()))
                self._owed.setdefault(samples.source, Discarded(0, lost.first, lost.last)).add(lost)
                self.discarded += lost.count

    async def filled(self) -> None:
        """Waits until there is something to take."""
        while not self._queue:
            self._changed.clear()
            await self._changed.wait()

    def take(self, most: int) -> Sequence[Waiting]:
        """The first Waiting, and more while they fit into `most` bytes; wait for `filled` before."""
        first, size, _ = self._queue.popleft()
        taken = [first]
        while self._queue and size + self._queue[0][1] <= most:
            waiting, more, _ = self._queue.popleft()
            taken.append(waiting)
            size += more
        self.size -= size
        self._room.set()
        return taken

    def owed(self, epoch: int, now: int) -> list[Event]:
        """What tells of all that was discarded since the last call, and the events that came with it."""
        events = [*self._kept, *(_gap(source, lost, epoch, now) for source, lost in self._owed.items())]
        events += [_forgotten(source, count, epoch, now) for source, count in self._unread.items()]
        self._kept.clear()
        self._owed.clear()
        self._unread.clear()
        return events

    def __len__(self) -> int:
        return len(self._queue)


def weight(samples: Samples) -> int:
    """Bytes the samples take, about."""
    size = len(samples) * (_FIXED + 8 * (samples.integer is not None))
    return size + (sum(len(text) for text in samples.text if text) if samples.text is not None else 0)


def spoken(event: Event) -> int:
    """Bytes an event takes, about."""
    details = (len(one) if isinstance(one, str) else 8 for one in event.details.values())
    return _OTHER + len(event.message) + sum(details)


def _gap(source: str, lost: Discarded, epoch: int, now: int) -> Event:
    return Event(
        id=f"overflow-{source}-{epoch}-{now}",
        kind=EventKind.GAP,
        severity=Severity.ERROR,
        source=source,
        at=now,
        message=f"{lost.count} samples of {source} were discarded: the log was away or full and the hold was full",
        details={"cause": "overflow", "count": lost.count, "first": lost.first, "last": lost.last},
    )


def _forgotten(source: str, count: int, epoch: int, now: int) -> Event:
    return Event(
        id=f"forgotten-{source}-{epoch}-{now}",
        kind=EventKind.QUARANTINE,
        severity=Severity.ERROR,
        source=source,
        at=now,
        message=f"{count} things of {source} that could not be read were discarded instead of put aside: "
        "the log was away or full and the hold was full",
        details={"cause": "overflow", "count": count},
    )
