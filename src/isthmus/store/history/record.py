# SPDX-License-Identifier: Apache-2.0
"""The recorder follows the log into the history: intake in memory, flushed to segments, the log purged behind it.

A flush runs in a thread, one at a time. While one is under way the next table fills; when that one is full too, the log
is not read further: memory stays bounded and the log keeps what waits. When the disk refuses, the flush is tried again
until it takes; nothing accepted is lost meanwhile, for the log has it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Final
from zlib import crc32

import msgspec
import structlog

from isthmus.core.errors import Disconnected, IsthmusError
from isthmus.core.event import EventKind
from isthmus.store.history.adopt import open_manifest
from isthmus.store.history.flush import flush
from isthmus.store.history.folder import Folder, keep, owned
from isthmus.store.history.heap import give_back
from isthmus.store.history.intake import Cut, Intake
from isthmus.store.history.lists import Lists
from isthmus.store.history.manifest import Manifest
from isthmus.stream.follow import Idle, follow
from isthmus.stream.log import Log, Position

FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 10.0
"""Seconds between two tries of a flush that the disk refused."""

LOOK: Final = 1.0
"""Seconds between two looks at how full the log is."""

UNREAD: Final = 64 << 20
"""Bytes kept of messages that cannot be understood."""

log_ = structlog.get_logger("record")


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """When the recorder flushes and how much of the log it leaves."""

    rows: int = 1_000_000
    """Samples in memory that begin a flush."""
    size: int = 256 << 20
    """Bytes in memory that begin a flush."""
    seconds: float = 60.0
    """Age of the oldest item in memory that begins a flush."""
    margin: float = 60.0
    """Seconds that what is committed stays in the log for other readers, unless the log is more than half full."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What the recorder says of itself."""

    position: Position | None
    """Read up to here."""
    committed: Position | None
    """In segments up to here."""
    rows: int
    """Samples in memory."""
    recorded: int
    """Samples in segments since the start."""
    segments: int
    """Number of the last segment."""
    gaps: int
    """Gaps that history has ever had, with those it is about to write."""
    repeated: int
    """Blocks that came again and were passed over since the start."""
    flushing: bool
    problem: str
    """Why nothing is written at the moment; empty when all is well."""


def nothing() -> None:
    """What `ready` does when nobody waits for it."""


def unsaid(progress: Progress) -> None:
    """What `progress` does when nobody listens."""


async def record(
    log: Log,
    folder: Path,
    *,
    ready: Callable[[], None] = nothing,
    stop: asyncio.Event,
    limits: Limits | None = None,
    progress: Callable[[Progress], None] = unsaid,
) -> None:
    """Records until `stop` is set, then flushes what is in memory and returns.

    `ready` is called once, when following begins; `progress` after every flush and about every second.
    Raises InUse when another recorder writes in `folder`.
    """
    place = Folder(folder)
    give_back()
    with owned(place):
        manifest = await asyncio.to_thread(open_manifest, place)
        try:
            recording = _Recording(log, place, manifest, limits or Limits(), progress)
            ready()
            await recording.run(stop)
        finally:
            manifest.close()


@dataclass(slots=True)
class _Recording:
    """One run of the recorder: the intake, and at most one flush under way."""

    log: Log
    folder: Folder
    manifest: Manifest
    limits: Limits
    progress: Callable[[Progress], None]
    intake: Intake = field(init=False)
    flushing: asyncio.Task[None] | None = None
    committed: Position | None = field(init=False)
    recorded: int = 0
    segments: int = field(init=False)
    since: float | None = None
    """When the oldest item in memory came (monotonic)."""
    said: float = 0.0
    looked: float = 0.0
    """When the log was last looked at for purging (monotonic)."""
    problem: str = ""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    behind: deque[tuple[float, Position]] = field(default_factory=deque)
    """When (monotonic) which position was committed: what the purge goes by."""

    def __post_init__(self) -> None:
        state = self.manifest.state()
        self.intake = Intake(state, Lists(self.folder, self.log, keeping=True), self._keep_unread)
        self.intake.gaps |= {event.id for event in self.manifest.events(kind=EventKind.GAP)}
        self.committed, self.segments = state.position, state.ordinal
        if state.position is not None:
            self.behind.append((monotonic(), state.position))

    def _keep_unread(self, position: Position, data: bytes) -> str:
        name = f"message-{position.sequence}-{crc32(data):08x}.bin"
        if sum(path.stat().st_size for path in self.folder.damaged.glob("message-*")) + len(data) > UNREAD:
            return "not kept: history/damaged is full of such"
        try:
            keep(self.folder.damaged / name, data)
        except OSError as error:
            return f"not kept: {error}"
        return f"kept as history/damaged/{name}"

    async def run(self, stop: asyncio.Event) -> None:
        following = asyncio.create_task(self._follow())
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((following, stopped), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.stopping.set()
            stopped.cancel()
            await _ended(following)
            if self.flushing is not None:
                await asyncio.wait((self.flushing,))
        if not following.cancelled():
            following.result()
        await self._finish()

    async def _follow(self) -> None:
        while not self.stopping.is_set():
            try:
                async with aclosing(follow(self.log, self.intake.position)) as items:
                    async for item in items:
                        await self.intake.take(item)
                        await self._flush_if_due()
                        await self._purge_if_due()
                        self._say(now=isinstance(item, Idle))
                        if self.stopping.is_set():
                            return
            except Disconnected as error:
                log_.warning("log is away", problem=str(error))
                await asyncio.sleep(FIRST_WAIT)

    async def _flush_if_due(self) -> None:
        if self.since is None and self.intake.moved:
            self.since = monotonic()
        if self.flushing is not None and self.flushing.done():
            self._settle(self.flushing)
        full = self.intake.memory.rows >= self.limits.rows or self.intake.size >= self.limits.size
        old = self.since is not None and monotonic() - self.since >= self.limits.seconds
        if not (full or old):
            return
        if self.flushing is not None:
            if not full:
                return
            await asyncio.wait((self.flushing,))
            self._settle(self.flushing)
        self._begin()

    def _begin(self) -> None:
        self.since = None
        self.flushing = asyncio.create_task(self._flush(self.intake.cut()))

    def _settle(self, task: asyncio.Task[None]) -> None:
        self.flushing = None
        task.result()

    async def _finish(self) -> None:
        """The flush under way and a last one, so that a clean stop leaves nothing to follow again."""
        if self.flushing is not None:
            self._settle(self.flushing)
        if self.intake.moved and not self.problem:
            await self._flush(self.intake.cut())
        self._say(now=True)

    async def _flush(self, cut: Cut) -> None:
        if not await self._written(cut):
            return
        self.committed, self.segments = cut.new.position, cut.new.ordinal
        self.recorded += cut.memory.rows
        if cut.new.position is not None:
            self.behind.append((monotonic(), cut.new.position))
        self._say(now=True)
        await self._tell(cut)

    async def _written(self, cut: Cut) -> bool:
        """Tries until the disk has it; gives up only when stopping, for then the log keeps it for the next start."""
        wait = FIRST_WAIT
        while True:
            try:
                await asyncio.to_thread(flush, self.folder, self.manifest, cut)
            except (OSError, sqlite3.OperationalError) as error:
                self.problem = f"cannot write history: {error}; the log keeps what is not written"
                log_.error("flush refused", problem=str(error), rows=cut.memory.rows, again_in=wait)
            else:
                self.problem = ""
                return True
            self._say(now=True)
            if self.stopping.is_set():
                return False
            await _either(self.stopping, wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def _tell(self, cut: Cut) -> None:
        """Gaps that were noticed here go into the log for everyone; the intake knows them again by their id."""
        for event in cut.noticed:
            try:
                await self.log.emit(event, patience=2)
            except IsthmusError as error:
                log_.warning("gap not told to others", event=event.id, problem=str(error))

    async def _purge_if_due(self) -> None:
        if monotonic() - self.looked < LOOK:
            return
        self.looked = monotonic()
        try:
            await self._purge()
        except IsthmusError as error:
            log_.warning("purge put off", problem=str(error))

    async def _purge(self) -> None:
        """Purges the log up to what was committed a margin ago; when it is half full, all that is committed."""
        state, upto = await self.log.state(), None
        while self.behind and (state.fill > 0.5 or monotonic() - self.behind[0][0] >= self.limits.margin):
            upto = self.behind.popleft()[1]
        if upto is not None and upto.stream == state.stream and upto.sequence >= state.first:
            await self.log.purge(upto.sequence)

    def _say(self, *, now: bool = False) -> None:
        if not now and monotonic() - self.said < 1:
            return
        self.said = monotonic()
        self.progress(
            Progress(
                position=self.intake.position,
                committed=self.committed,
                rows=self.intake.memory.rows,
                recorded=self.recorded,
                segments=self.segments,
                gaps=len(self.intake.gaps),
                repeated=self.intake.repeated,
                flushing=self.flushing is not None,
                problem=self.problem,
            )
        )


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancels until it is over: nats-py swallows one that comes while it flushes."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=1)


async def _either(event: asyncio.Event, seconds: float) -> None:
    """Until the event or for so many seconds, whichever is first."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
