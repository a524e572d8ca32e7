# SPDX-License-Identifier: Apache-2.0
"""Samples reach the log in strict order, each once, and their sender learns when they are on disk.

A bounded window of messages is on its way at a time. Every message says which one must lie before it, so the server
itself refuses anything out of order or a second time, however late it arrives and whatever a connection still held:

- the first of a run names the sequence of our newest message (`Nats-Expected-Last-Subject-Sequence`; only we write
  to our subject),
- each further one names its predecessor (`Nats-Expected-Last-Msg-Id`), which also fails when another collector's
  message came between: then a new run begins.

After any trouble (an error, silence, a new connection) we read our newest message in the log: what is up to it is
acknowledged, the rest goes out again from there. Nothing relies on the log's de-duplication window.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog

from isthmus.core.errors import Disconnected, InUse, IsthmusError, LogFull, Refused
from isthmus.core.samples import Samples
from isthmus.core.tag import TagList
from isthmus.stream import codec, names
from isthmus.stream.log import Log
from isthmus.stream.wire import WRONG_LAST, Ack, Answered, end, read_ack, trouble

LARGEST: Final = (4 << 20) - 4096
"""Bytes one message may have: the server's `max_payload`, less the headers."""

SILENCE: Final = 5.0
"""Seconds without an acknowledgement after which we look what the log has."""

LOOK: Final = 1.0
"""Seconds between two looks whether it is silent."""

_LISTS: Final = 1024
_TOO_LARGE: Final = 10054
"""The message is larger than this stream takes: the one refusal of JetStream that no waiting changes."""

log_ = structlog.get_logger("isthmus.stream")


@dataclass(frozen=True, slots=True)
class Backlog:
    """What was sent and is not acknowledged."""

    messages: int
    samples: int
    bytes: int
    oldest: float
    """Seconds the oldest has waited."""


@dataclass(slots=True)
class _Sending:
    number: int
    message: bytes
    rows: int
    future: asyncio.Future[int]
    given: float
    """When it was given to us, on the loop's clock."""
    since: float
    """When it was last put on its way."""


@dataclass(frozen=True, slots=True)
class _Newest:
    """What the newest message on our subject is."""

    epoch: int
    session: str
    number: int
    sequence: int


class Publisher:
    """Publishes one collector's samples. Get one from `Publisher.open`."""

    def __init__(self, log: Log, site: str, collector: str, epoch: int, window: int) -> None:
        self.epoch = epoch
        """Use this one in Samples: later than any the log has of this collector, also when the clock went back."""
        self._log, self._wire, self._window = log, log.wire, window
        self._subject = names.samples_subject(site, collector)
        self._prefix = f"{names.token(site)}.{names.token(collector)}"
        self._inbox = self._wire.client.new_inbox()
        self._session = secrets.token_hex(4)
        """Part of every message's id: two publishers never share one, even if they were given the same epoch."""
        self._waiting: deque[_Sending] = deque()
        self._flying = 0
        """So many of `_waiting`, from its left, are on their way."""
        self._allowed = window
        """At most so many may be on their way now: fewer while others' messages come between ours."""
        self._run = 0
        """Answers to an earlier run do not count as trouble."""
        self._given = self._stored = 0
        """Number of the message given to us last, of the newest one known to be in the log."""
        self._sequence = 0
        """Sequence of the newest message on our subject."""
        self._told = 0
        """What the log said is the sequence of our newest message: it knows even when it cannot read that any more."""
        self._sure = False
        """Whether `_sequence` is known; otherwise the log has to be asked."""
        self._lists: dict[str, TagList] = {}
        self._lists_life = 0
        self._room, self._wake = asyncio.Event(), asyncio.Event()
        self._failed: IsthmusError | None = None
        self._refusals = 0
        self._hurt = False
        """The log refused for a reason that may pass: wait a little before the next try."""

    @classmethod
    @asynccontextmanager
    async def open(cls, log: Log, site: str, collector: str, epoch: int, window: int = 16) -> AsyncIterator[Publisher]:
        """A publisher for one start of a collector, at most `window` messages unacknowledged.

        Leaving cancels what is not acknowledged: wait for the futures first. Raises Disconnected when the log is away.
        """
        publisher = cls(log, site, collector, epoch, window)
        async with log.wire.listening(f"{publisher._inbox}.*.*", publisher._answered):
            log.wire.watchers.append(publisher._reconnected)
            try:
                await publisher._begin()
                tending = asyncio.create_task(publisher._tend())
                try:
                    yield publisher
                finally:
                    await end(tending)
            finally:
                log.wire.watchers.remove(publisher._reconnected)
                publisher._give_up(None)

    @property
    def backlog(self) -> Backlog:
        """What was sent and is not acknowledged."""
        waiting = self._waiting
        oldest = asyncio.get_running_loop().time() - waiting[0].given if waiting else 0.0
        return Backlog(len(waiting), sum(w.rows for w in waiting), sum(len(w.message) for w in waiting), oldest)

    async def keep_list(self, tags: TagList) -> None:
        """Keeps a tag list in the log before samples that refer to it, and again whenever the log is another one.

        Returns once it is on disk, however long the log is away; raises LogFull.
        """
        self._lists[tags.digest] = tags
        while len(self._lists) > _LISTS:
            del self._lists[next(iter(self._lists))]
        while True:
            self._check()
            try:
                await self._log.keep_list(tags)
                return
            except (Disconnected, Answered):
                await asyncio.sleep(0.2)

    async def send(self, samples: Sequence[Samples]) -> asyncio.Future[int]:
        """Sends samples of one or several sources as one message; waits only while the window is full.

        The future is done once the log has the message on disk, however long the log is away; its result is a sequence
        of the log at or after the message's. It raises LogFull when the log refuses for lack of room: these samples and
        all sent after them are not in the log, send them again, in the same order. `send` itself raises LogFull when
        that happens while it waits, Refused for more than `LARGEST` bytes, InUse when another collector of the same
        name has taken over.
        """
        message = codec.pack(samples)
        if len(message) > LARGEST:
            raise Refused(f"{len(message)} bytes in one message", hint=f"send at most {LARGEST} at once")
        await self._for_room()
        loop = asyncio.get_running_loop()
        self._given += 1
        rows, now = sum(map(len, samples)), loop.time()
        sending = _Sending(self._given, message, rows, loop.create_future(), now, now)
        self._waiting.append(sending)
        if self._sure:
            self._launch()
        return sending.future

    async def _for_room(self) -> None:
        """Waits for room in the window; what would then go past a refused message is refused like it."""
        refusals = self._refusals
        while len(self._waiting) >= self._window:
            self._check()
            self._room.clear()
            await self._room.wait()
            if self._refusals != refusals:
                raise LogFull("what was sent before was refused", where=self._subject)
        self._check()

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _launch(self) -> None:
        """Puts on its way what may go. Nothing can come between, so the order of the bytes is the window's."""
        while self._sure and self._wire.up and self._flying < min(len(self._waiting), self._allowed):
            sending = self._waiting[self._flying]
            if self._flying == 0:
                headers = {"Nats-Expected-Last-Subject-Sequence": str(self._sequence)}
            else:
                headers = {"Nats-Expected-Last-Msg-Id": self._id(self._waiting[self._flying - 1].number)}
            headers["Nats-Msg-Id"] = self._id(sending.number)
            sending.since = asyncio.get_running_loop().time()
            self._flying += 1
            try:
                reply = f"{self._inbox}.{self._run}.{sending.number}"
                self._wire.publish(self._subject, sending.message, reply, headers)
            except (Disconnected, OSError):
                self._doubt()

    def _id(self, number: int) -> str:
        return f"{self._prefix}.{self.epoch}.{self._session}.{number}"

    def _doubt(self) -> None:
        """What is in the log is not known any more: ask it before anything else is sent."""
        self._sure = False
        self._wake.set()

    def _reconnected(self) -> None:
        self._doubt()

    def _answered(self, subject: str, _reply: str, _headers: bytes, body: bytes) -> None:
        run, _, number = subject[len(self._inbox) + 1 :].partition(".")
        if not body:  # 503: no stream listens, or not yet
            if int(run) == self._run:
                self._doubt()
            return
        ack = read_ack(body)
        if ack.error is None:
            self._store(int(number), ack.seq)
            self._launch()
        elif int(run) == self._run:
            self._refused(int(number), ack)

    def _store(self, number: int, sequence: int) -> None:
        """Everything up to message `number` is on disk, because nothing can be stored before its predecessor."""
        if number > self._stored:
            self._stored, self._sequence, self._told = number, sequence, 0
        while self._waiting and self._waiting[0].number <= number:
            done = self._waiting.popleft()
            self._flying = max(0, self._flying - 1)
            self._allowed = min(self._window, self._allowed + 1)
            if not done.future.done():
                done.future.set_result(sequence)
        self._room.set()

    def _refused(self, number: int, ack: Ack) -> None:
        assert ack.error is not None
        self._run += 1
        error = trouble(ack.error, self._subject)
        if isinstance(error, LogFull):
            self._refusals += 1
            self._give_up(error)
        elif ack.error.err_code in WRONG_LAST:
            last = ack.error.description.removeprefix("wrong last sequence: ")
            self._told = int(last) if last.isdigit() else self._told
            self._allowed = max(1, self._allowed // 4)
        elif ack.error.err_code == _TOO_LARGE:
            self._drop(number, Refused(error.what, where=self._subject))
        else:
            log_.warning("the log does not take a message now", error=str(error), subject=self._subject)
            self._hurt = True
        self._doubt()

    def _drop(self, number: int, error: IsthmusError) -> None:
        for sending in self._waiting:
            if sending.number == number:
                self._waiting.remove(sending)
                if not sending.future.done():
                    sending.future.set_exception(error)
                break
        self._room.set()

    def _give_up(self, error: IsthmusError | None) -> None:
        """Lets go of everything that waits."""
        waiting, self._waiting = self._waiting, deque()
        self._flying = 0
        for sending in waiting:
            if sending.future.done():
                continue
            if error is None:
                sending.future.cancel()
            else:
                sending.future.set_exception(error)
        self._room.set()

    async def _begin(self) -> None:
        found = await self._newest()
        if found is not None:
            self.epoch = max(self.epoch, found.epoch + 1)
            self._sequence = found.sequence
        self._lists_life, self._sure = self._wire.lives, True

    async def _newest(self) -> _Newest | None:
        """The newest message on our subject, ours or not."""
        found = await self._wire.last(names.STREAM, self._subject)
        if found is None:
            return None
        headers = found.headers or {}
        epoch, session, number = ("...." + headers.get("Nats-Msg-Id", "")).rsplit(".", 3)[1:]
        known = epoch.isdigit() and number.isdigit()
        sequence = int(headers["Nats-Sequence"])
        return _Newest(int(epoch), session, int(number), sequence) if known else _Newest(0, "", 0, sequence)

    async def _tend(self) -> None:
        """Asks the log when in doubt, and begins to doubt when it is silent."""
        while True:
            self._wake.clear()
            if not self._sure:
                if self._hurt:
                    self._hurt = False
                    await asyncio.sleep(0.5)
                await self._settle()
                self._launch()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._wake.wait()
            if self._flying and asyncio.get_running_loop().time() - self._waiting[0].since > SILENCE:
                self._doubt()

    async def _settle(self) -> None:
        """Learns what the log has of ours; returns when it is known, or when we may not go on."""
        delay = 0.02
        while self._failed is None:
            self._run += 1
            self._flying = 0
            life = self._wire.lives
            try:
                if self._wire.closed:
                    raise Refused(f"the log does not take us any more: {self._wire.refused}", where=self._subject)
                if self._wire.up:
                    await self._keep_lists(life)
                    found = await self._newest()
                    if life == self._wire.lives:
                        self._take(found)
                        return
            except (Disconnected, Answered, LogFull) as error:
                log_.debug("the log does not answer yet", error=str(error))
            except IsthmusError as error:
                self._fail(error)
                return
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._wake.wait()
            delay = min(1.0, delay * 2)

    def _take(self, found: _Newest | None) -> None:
        newest = found or _Newest(0, "", 0, 0)
        number, sequence = newest.number, newest.sequence
        if newest.session == self._session:
            if number < self._stored:
                log_.error("the log lost what it had accepted", subject=self._subject, had=self._stored, has=number)
            self._stored = 0
            self._store(number, sequence)
        elif newest.epoch >= self.epoch:
            self._fail(InUse("another collector of this name publishes", where=self._subject))
            return
        self._sequence, self._told = max(sequence, self._told), 0
        self._sure = True

    def _fail(self, error: IsthmusError) -> None:
        self._failed = error
        self._give_up(error)

    async def _keep_lists(self, life: int) -> None:
        if life != self._lists_life:
            for tags in tuple(self._lists.values()):
                await self._log.keep_list(tags)
            self._lists_life = life
