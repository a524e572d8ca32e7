# SPDX-License-Identifier: Apache-2.0
"""The intake makes of what follows in the log samples in memory and events, and knows how far it came.

The recorder and every reader share it: a reader's memory tail is what the recorder would record next. Whatever cannot
be understood is handed to `unread` with its bytes and becomes a gap event; nothing disappears in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from isthmus.core import time
from isthmus.core.errors import Damaged, NotFound
from isthmus.core.event import Event, EventKind
from isthmus.core.samples import Samples
from isthmus.core.time import EARLIEST, LATEST
from isthmus.store.history.gaps import LOG, gap
from isthmus.store.history.lists import Lists
from isthmus.store.history.manifest import Oddity
from isthmus.store.history.memory import Memory, Numbers
from isthmus.store.history.state import State
from isthmus.stream.codec import unpack
from isthmus.stream.follow import Hole, Idle, Message, NewStream
from isthmus.stream.happenings import put_aside, read_events
from isthmus.stream.log import Position
from isthmus.stream.names import EVENTS, QUARANTINE, SAMPLES
from isthmus.stream.numbers import Missing, Repeated, Sources

_NOTHING = Numbers(np.zeros(0, np.uint32), np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class Cut:
    """What came between two states."""

    former: State
    new: State
    memory: Memory
    events: tuple[Event, ...]
    """All there were: those of the log and those noticed here."""
    noticed: tuple[Event, ...]
    oddities: tuple[Oddity, ...]

    @property
    def empty(self) -> bool:
        """Nothing to keep but the position."""
        return not (self.memory.rows or self.events)


class Intake:
    """Takes items of the log one after the other, each completely or (when it raises) not at all.

    `unread` gets the bytes of a message that cannot be understood and says where they are now.
    """

    def __init__(self, state: State, lists: Lists, unread: Callable[[Position, bytes], str]) -> None:
        self._lists, self._unread = lists, unread
        self._former = state
        self._sources = Sources(Sources(state.sources).copy())
        self._heard = dict(state.heard)
        self.position = state.position
        self.memory = Memory()
        self.events: dict[str, Event] = {}
        self.oddities: list[Oddity] = []
        self.noticed: list[Event] = []
        self._weight = 0
        """Bytes of the messages that events and oddities came in."""
        self.gaps: set[str] = set()
        """Ids of the gaps that came, noticed here or told by others."""
        self.repeated = 0
        """Blocks that were recorded before and came again."""

    async def take(self, item: Message | Hole | NewStream | Idle) -> None:
        match item:
            case Message():
                await self._message(item)
            case Hole():
                self._hole(item)
            case NewStream():
                self._new_stream(item)

    async def _message(self, message: Message) -> None:
        if message.subject.startswith(SAMPLES):
            await self._samples(message)
        elif message.subject.startswith(EVENTS):
            self._events(message)
        elif message.subject.startswith(QUARANTINE):
            self._weight += 1000 + len(message.data)
            for number, body in enumerate(put_aside(message.data)):  # a ns apart: so each of a message is known again
                self.oddities.append(Oddity(message.position, message.subject, message.stored_at + number, body))
        else:
            self._lose(message, "is of a kind this version does not know")
        self.position = message.position

    async def _samples(self, message: Message) -> None:
        try:
            blocks = unpack(message.data)
        except Damaged as error:
            self._lose(message, f"cannot be read: {error.what}")
            return
        lists = [await self._numbers(block) for block in blocks]
        for block, numbers in zip(blocks, lists, strict=True):
            self._block(message, block, numbers)

    async def _numbers(self, block: Samples) -> Numbers | None:
        """The columns of the block's tag list; None when there is none, or the block cannot be of it."""
        if not len(block):
            return _NOTHING
        if not EARLIEST <= block.seen <= LATEST:
            return None
        try:
            numbers = await self._lists.numbers(block.tags)
        except (NotFound, Damaged):
            return None
        return numbers if int(block.index.max()) < len(numbers.number) else None

    def _block(self, message: Message, block: Samples, numbers: Numbers | None) -> None:
        found = self._sources.check(block)
        if isinstance(found, Repeated):
            self.repeated += 1
            return
        if isinstance(found, Missing):
            self._missing(message, block, found)
        self._heard[block.source] = min(block.seen, LATEST)
        if numbers is None:
            self._lose(message, f"has {len(block)} samples of {block.source} that do not fit a known tag list", block)
        else:
            self.memory.add(block, numbers)

    def _missing(self, message: Message, block: Samples, found: Missing) -> None:
        self._say(
            gap(
                block.source,
                f"{found.count} blocks of samples from {block.source} are not in the log",
                about=(block.epoch, found.first, found.last),
                at=message.stored_at,
                first=self._heard.get(block.source),
                last=block.seen,
                blocks=found.count,
                epoch=block.epoch,
                first_number=found.first,
                last_number=found.last,
            )
        )

    def _events(self, message: Message) -> None:
        events = _read_events(message.data)
        if not events:
            self._lose(message, "holds no event")
        self._weight += 1000 * len(events) + len(message.data)
        for event in events:
            self.events.setdefault(event.id, event)
            if event.kind is EventKind.GAP:
                self.gaps.add(event.id)

    def _lose(self, message: Message, why: str, block: Samples | None = None) -> None:
        """Keeps the bytes of what cannot be recorded and says so."""
        place = self._unread(message.position, bytes(message.data))
        named = message.position.stream, message.position.sequence
        counted = {} if block is None else {"count": len(block)}
        self._say(
            gap(
                LOG if block is None else block.source,
                f"message {message.position.sequence} of the log {why}; its bytes are {place}",
                about=(*named, -1 if block is None else block.number),
                at=message.stored_at,
                first=self._stored_at if block is None else int(block.at.min()),
                last=message.stored_at if block is None else int(block.at.max()),
                sequence=message.position.sequence,
                **counted,
            )
        )

    def _hole(self, hole: Hole) -> None:
        self._say(
            gap(
                LOG,
                f"messages {hole.first} to {hole.last} are not in the log: {hole.why}",
                about=(hole.after.stream, hole.first, hole.last),
                at=time.now(),
                first=self._stored_at,
                last=time.now(),
                messages=hole.last - hole.first + 1,
            )
        )
        self.position = Position(hole.after.stream, hole.last)

    def _new_stream(self, change: NewStream) -> None:
        old, new = change.old, change.new
        self._say(
            gap(
                LOG,
                f"{change.why}: what the log had after message {old.sequence} may be missing",
                about=(old.stream, old.sequence, new.stream, new.sequence),
                at=time.now(),
                first=self._stored_at,
                last=time.now(),
                sequence=old.sequence,
            )
        )
        self.position = new

    def _say(self, event: Event) -> None:
        if event.id not in self.events:
            self.events[event.id] = event
            self.noticed.append(event)
            self._weight += 1000
            self.gaps.add(event.id)

    @property
    def moved(self) -> bool:
        """Whether there is anything to cut."""
        return self.position != self._former.position or bool(self.events)

    @property
    def _stored_at(self) -> int | None:
        """When the log took the last message that was taken here, ns; None when that is not known."""
        return None if self.position is None or self.position.at == 0 else self.position.at

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return self.memory.size + self._weight

    def state(self) -> State:
        """How far it came; the ordinal is that of the last cut."""
        return State(
            position=self.position,
            sources=self._sources.copy(),
            ordinal=self._former.ordinal,
            heard=dict(self._heard),
        )

    def cut(self) -> Cut:
        """Everything since the last cut; what comes next starts from its new state."""
        new = self.state()
        if self.memory.rows or self.events:
            new = msgspec.structs.replace(new, ordinal=new.ordinal + 1)
        cut = Cut(
            self._former, new, self.memory, tuple(self.events.values()), tuple(self.noticed), tuple(self.oddities)
        )
        self._former, self.memory = new, Memory()
        self.events, self.noticed, self.oddities, self._weight = {}, [], [], 0
        return cut


def _read_events(data: bytes) -> Sequence[Event]:
    """The events of a message; none when one is among them that cannot be kept."""
    try:
        events = read_events(data)
        msgspec.json.encode(events)
    except (Damaged, UnicodeError, RecursionError):
        return ()
    return events if all(EARLIEST <= event.at <= LATEST for event in events) else ()
