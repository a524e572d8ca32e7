# SPDX-License-Identifier: Apache-2.0
"""Following a running plant's last values: from what history knows, through every message of the log, for ever.

Goes on by itself when the log comes back, also on another port, and when a new revision is applied.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.app.run.access import reader
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import Damaged, Disconnected, IsthmusError, NotFound, Refused
from isthmus.core.event import Event, EventKind
from isthmus.core.quality import Mark
from isthmus.core.samples import Samples, Value, plain
from isthmus.core.tag import TagList
from isthmus.operations.live import Latest, Live
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.read import open_history
from isthmus.store.ledger.files import RevisionFiles
from isthmus.stream import codec, names
from isthmus.stream.endpoint import Endpoint
from isthmus.stream.follow import Hole, Message, NewStream, follow
from isthmus.stream.happenings import read_events
from isthmus.stream.log import Log, Position, open_log

AGAIN: Final = 0.5
"""Seconds between two tries to find the log again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One sample of a watched tag, as it came."""

    setting: TagSetting
    value: Value
    at: int
    seen: int
    quality: int
    mark: int


@dataclass(frozen=True, slots=True)
class News:
    """What one look at the log brought; often nothing."""

    samples: Iterable[Seen] = ()
    """Of the watched tags; made while they are asked for, once."""
    changed: Sequence[NDArray[np.intp]] = ()
    """Numbers of the tags whose last value is new, block by block."""
    event: Event | None = None
    note: str = ""
    away: bool = False
    """The log does not answer."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The watched tags of a system became stale, or are heard of again."""

    system: str
    stale: bool
    tags: int
    at: int
    why: str
    """What the system's collector said last of its connection; often nothing."""


@dataclass(slots=True)
class Watch:
    """The tags being watched, and their last values."""

    place: Place
    wanted: Callable[[str], object]
    """Whether a tag path is watched."""
    settings: tuple[TagSetting, ...] = ()
    live: Live = field(default_factory=Live)
    applied: Revision | None = None
    """The revision that runs; None before following begins."""
    revision: int = 0
    """Its number."""
    plant: str = ""
    """`enterprise/site`, which every path begins with."""
    _by_number: dict[int, TagSetting] = field(default_factory=dict)
    _by_path: dict[str, TagSetting] = field(default_factory=dict)
    _tags: Counter[str] = field(default_factory=Counter)
    """System → how many of its tags are watched."""
    _stale: set[str] = field(default_factory=set)
    _why: dict[str, str] = field(default_factory=dict)
    _position: Position | None = None
    _endpoint: Endpoint | None = None

    def latest(self, setting: TagSetting) -> Latest | None:
        return self.live.latest(setting.tag.number, setting.tag.type, monotonic_ns())

    def turns(self) -> list[Turn]:
        """The systems that became stale, or are heard of again, since this was asked last."""
        now = monotonic_ns()
        stale = {system for system in self._tags if self.live.silent(system, now)}
        turned = sorted((stale ^ self._stale) & self._tags.keys())
        self._stale = stale
        return [Turn(name, name in stale, self._tags[name], time.now(), self._why.get(name, "")) for name in turned]

    def describe(self) -> Iterator[Seen]:
        """The last value of every watched tag that has one."""
        return self._described(self.settings)

    def _described(self, settings: Iterable[TagSetting]) -> Iterator[Seen]:
        for setting in settings:
            latest = self.latest(setting)
            if latest is not None:
                yield Seen(setting, latest.value, latest.time, latest.seen, latest.quality, latest.mark)

    def take_revision(self, revision: Revision) -> None:
        """From now on the tags of this revision are watched."""
        self.applied, self.revision, self.plant = revision, revision.number, revision.plant
        self.settings = tuple(
            sorted((s for s in revision.tags if self.wanted(s.tag.path)), key=lambda setting: setting.tag.path)
        )
        self._by_number = {setting.tag.number: setting for setting in self.settings}
        self._by_path = {setting.tag.path: setting for setting in self.settings}
        self._tags = Counter(setting.system for setting in self.settings)
        for system in revision.systems:
            numbers = [setting.tag.number for setting in revision.of_system(system.name)]
            self.live.expect(system.name, numbers, monotonic_ns())

    async def follow(self) -> AsyncGenerator[News, None]:
        """What comes, about twice a second if nothing does; the first when the last values are known.

        Raises NotFound when the plant does not run when it begins.
        """
        self.take_revision(revision_of(self.place))
        self._endpoint = reader(self.place)
        while True:
            try:
                async with open_log(self._endpoint, name="watch") as log:
                    if self._position is None:
                        await self._begin(log)
                        yield News()
                    async with aclosing(self._read(log)) as items:
                        async for news in items:
                            yield news
            except (Disconnected, Refused) as error:
                yield News(note=str(error), away=True)
            await asyncio.sleep(AGAIN)
            self._find_again()

    def _find_again(self) -> None:
        try:
            self._endpoint = reader(self.place)
        except (NotFound, Damaged):
            return  # it does not run at the moment: try the one of last time

    async def _begin(self, log: Log) -> None:
        async with open_history(self.place.history, log) as history:
            self.live.begin(history.last())
            self._position = history.position

    async def _read(self, log: Log) -> AsyncGenerator[News, None]:
        """Until the log is to be found somewhere else."""
        async with aclosing(follow(log, self._position)) as items:
            async for item in items:
                self._take_newer()
                if isinstance(item, Message):
                    self._position = item.position
                    for event in _events(item):
                        yield await self._told(event)
                    yield await self._take(log, item)
                elif isinstance(item, Hole | NewStream):
                    yield News(note=f"the log has a gap: {item.why}")
                else:
                    yield News(away=item.away)
                    if item.away and self._moved():
                        return

    def _moved(self) -> bool:
        try:
            return reader(self.place) != self._endpoint
        except IsthmusError:
            return False

    def _take_newer(self) -> None:
        pointed = RevisionFiles(self.place.revisions).pointed()
        if pointed is not None and pointed.number != self.revision:
            self.take_revision(revision_of(self.place))

    async def _told(self, event: Event) -> News:
        """What an event changes."""
        self.live.note(event)
        if event.kind is EventKind.CONNECTION:
            self._why[event.source] = event.message
        return await self._corrected(event) if event.kind is EventKind.CORRECTION else News(event=event)

    async def _take(self, log: Log, message: Message) -> News:
        if not message.subject.startswith(names.SAMPLES):
            return News()
        try:
            blocks = [(block, await log.tag_list(block.tags)) for block in codec.unpack(message.data)]
        except (Damaged, NotFound) as error:
            return News(note=str(error))
        changed = [self.live.apply(block, tags, monotonic_ns()) for block, tags in blocks]
        return News(samples=(seen for block, tags in blocks for seen in self._seen(block, tags)), changed=changed)

    async def _corrected(self, event: Event) -> News:
        """A corrected last value is read from the history: only the event of it went through the log."""
        setting, last = self._by_path.get(event.source), event.details.get("last")
        known = self.latest(setting) if setting is not None else None
        if setting is None or not isinstance(last, int) or (known is not None and last < known.time):
            return News(event=event)
        try:
            async with open_history(self.place.history) as history:
                changed = self.live.correct(history.last([setting.tag.number]))
        except IsthmusError as error:
            return News(event=event, note=str(error))
        return News(samples=self._described([setting] if len(changed) else []), changed=[changed], event=event)

    def _seen(self, block: Samples, tags: TagList) -> Iterator[Seen]:
        numbers = [tags.tags[index].number for index in block.index.tolist()]
        for row, number in enumerate(numbers):
            setting = self._by_number.get(number)
            if setting is None or block.mark[row] & Mark.HISTORICAL:
                continue
            text = block.text[row] if block.text is not None else None
            integer = int(block.integer[row]) if block.integer is not None else 0
            value = plain(setting.tag.type, float(block.value[row]), integer, text)
            yield Seen(
                setting=setting,
                value=value if value is not None else text,
                at=int(block.at[row]),
                seen=block.seen,
                quality=int(block.quality[row]),
                mark=int(block.mark[row]),
            )


def _events(message: Message) -> Sequence[Event]:
    """The events of a message; none of others, and of one that cannot be read: the recorder tells of it."""
    if not message.subject.startswith(names.EVENTS):
        return ()
    try:
        return read_events(message.data)
    except Damaged:
        return ()
