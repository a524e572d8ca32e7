# SPDX-License-Identifier: Apache-2.0
"""The log as its users see it: how full it is, purging, tag lists, revisions, events, quarantine."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from isthmus.core.errors import Damaged, Disconnected, NotFound
from isthmus.core.event import Event
from isthmus.core.tag import TagList
from isthmus.core.time import now
from isthmus.stream import names, streams
from isthmus.stream.endpoint import Endpoint
from isthmus.stream.happenings import QUARANTINED, Parcel, Quarantined, of_events, of_quarantined
from isthmus.stream.wire import PATIENCE, WRONG_LAST, Answered, Wire

__all__ = ["QUARANTINED", "Endpoint", "Log", "LogState", "Position", "Quarantined", "open_log"]

REVISIONS: Final = 32
"""Revisions the log keeps; the ledger and the files beside the segments have all."""

_CACHED: Final = 1024
_PART: Final = 1 << 20
_PARTS: Final = 256


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Up to where a reader has read; committed in the same transaction as what came of it."""

    stream: str
    """Identity of the stream: when it was made."""
    sequence: int
    """Of the last message read; 0: none yet."""
    at: int = 0
    """When the log stored that message, ns: recognises a log that was rolled back and went on. 0: not known."""


class LogState(msgspec.Struct, frozen=True):
    """The stream as it is now."""

    stream: str
    """Its identity: a log that was lost and made anew has another one."""
    first: int
    """Sequence of the oldest message; `last + 1` when there is none."""
    last: int
    """Sequence of the newest message ever stored."""
    bytes: int
    limit: int
    """Bytes at which publishing is refused. The log server lowers it while the disk has no room."""

    @property
    def fill(self) -> float:
        """0 empty, 1 full: publishing is refused."""
        return min(1.0, self.bytes / self.limit) if self.limit > 0 else 0.0

    def lag(self, position: Position | None) -> int:
        """Messages a reader at `position` has not read."""
        done = position.sequence if position is not None and position.stream == self.stream else 0
        return max(0, self.last - max(done, self.first - 1))


class _Kept(msgspec.Struct, frozen=True):
    """How a revision lies in its bucket: so many parts under this key."""

    key: str
    parts: int
    size: int
    check: int


@asynccontextmanager
async def open_log(endpoint: Endpoint, *, name: str = "", wait: float = 10.0) -> AsyncIterator[Log]:
    """The log at `endpoint`, connected; from then on it reconnects by itself.

    Raises Disconnected when it cannot be reached within `wait` seconds, Refused when it does not take us. A JetStream
    server of somebody else's gets the streams made when we are allowed to.
    """
    wire = Wire(endpoint, name)
    await wire.open(wait)
    try:
        log = Log(wire)
        await log.make(wait)
        yield log
    finally:
        await wire.close()


class Log:
    """The log, connected. Every call raises Disconnected when no answer comes in time; try again later."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._lists: dict[str, TagList] = {}

    async def make(self, wait: float = 10.0) -> None:
        """Waits until the streams are there, making them if nobody else does."""
        try:
            async with asyncio.timeout(wait):
                await streams.await_them(self.wire)
        except TimeoutError:
            raise Disconnected(
                "the log's streams are not there and we may not make them", where=self.wire.endpoint.url
            ) from None

    async def state(self, *, patience: float = PATIENCE) -> LogState:
        """The stream as it is now."""
        return state_of(await self.wire.api(f"STREAM.INFO.{names.STREAM}", patience=patience))

    async def purge(self, upto: int) -> None:
        """Removes every message up to and including sequence `upto`: only what is kept elsewhere."""
        await self.wire.api(f"STREAM.PURGE.{names.STREAM}", {"seq": upto + 1}, patience=30)

    async def keep_list(self, tags: TagList) -> None:
        """Keeps a tag list without age limit. Publishers use `Publisher.keep_list`: it does so again in a new log."""
        await self._keep(names.LISTS, tags.digest, tags.packed)
        self._cache(tags.digest, tags)

    async def tag_list(self, digest: str) -> TagList:
        """The tag list of this digest; raises NotFound when the log does not have it, Damaged when it is another."""
        if (known := self._lists.get(digest)) is not None:
            return known
        found = await self.wire.last(names.bucket_stream(names.LISTS), names.bucket_subject(names.LISTS, digest))
        if found is None:
            raise NotFound(f"the log has no tag list {digest}")
        try:
            tags = TagList.unpack(found.data)
        except (msgspec.DecodeError, ValueError) as error:
            raise Damaged(f"tag list {digest} cannot be read: {error}") from error
        if tags.digest != digest:
            raise Damaged(f"tag list {digest} is not the one that was kept")
        self._cache(digest, tags)
        return tags

    def _cache(self, digest: str, tags: TagList) -> None:
        self._lists[digest] = tags
        while len(self._lists) > _CACHED:
            del self._lists[next(iter(self._lists))]

    async def _keep(self, bucket: str, key: str, value: bytes) -> None:
        """Creates a key that is the same for ever: that it is there already is as good."""
        try:
            headers = {"Nats-Expected-Last-Subject-Sequence": "0"}
            await self.wire.put(names.bucket_subject(bucket, key), value, headers)
        except Answered as error:
            if error.code not in WRONG_LAST:
                raise

    async def emit(self, event: Event, *, patience: float = 10.0) -> None:
        """Puts an event into the log; returns once it is on disk.

        Tries again for `patience` seconds, then raises Disconnected; raises LogFull at once. Emitted twice, within the
        log's de-duplication window it is there once; after it, readers know it by its `id`.
        """
        (parcel,) = of_events((event,))
        await self.put(parcel, patience=patience)

    async def quarantine(self, source: str, reason: str, payload: bytes, *, patience: float = 10.0) -> None:
        """Puts aside what could not be understood, cut to `QUARANTINED` bytes; raises as `emit` does."""
        (parcel,) = of_quarantined((Quarantined.of(source, reason, payload, now()),))
        await self.put(parcel, patience=patience)

    async def put(self, parcel: Parcel, *, patience: float = 10.0) -> None:
        """Puts events, or what could not be understood, into the log: all or none; raises as `emit` does."""
        await self._put_surely(parcel.subject, parcel.body, {"Nats-Msg-Id": parcel.id}, patience)

    async def _put_surely(self, subject: str, body: bytes, headers: dict[str, str], patience: float) -> None:
        end = asyncio.get_running_loop().time() + patience
        while True:
            try:
                await self.wire.put(subject, body, headers, patience=min(patience, 3.0))
                return
            except Disconnected:
                if self.wire.closed or asyncio.get_running_loop().time() >= end:
                    raise
                await asyncio.sleep(0.1)

    async def keep_revision(self, number: int, content: bytes) -> None:
        """Keeps a revision and makes it the newest; of those kept before, the last `REVISIONS` stay."""
        packed = zlib.compress(content, 6)
        check = zlib.crc32(packed)
        kept = _Kept(f"{number}.{check:08x}", -(-len(packed) // _PART), len(packed), check)
        for part in range(kept.parts):
            key = f"{kept.key}.{part}"
            await self._keep(names.REVISIONS, key, packed[part * _PART : (part + 1) * _PART])
        head = msgspec.json.encode(kept)
        await self.wire.put(names.bucket_subject(names.REVISIONS, f"{number}.head"), head)
        await self.wire.put(names.bucket_subject(names.REVISIONS, "newest"), head)
        await streams.forget_revisions(self.wire, number - REVISIONS)

    async def revision(self, number: int | None = None) -> bytes:
        """The content of revision `number`, or of the newest; raises NotFound, or Damaged when it is not whole."""
        key = "newest" if number is None else f"{number}.head"
        stream = names.bucket_stream(names.REVISIONS)
        found = await self.wire.last(stream, names.bucket_subject(names.REVISIONS, key))
        if found is None:
            raise NotFound("the log has no revision" if number is None else f"the log has no revision {number}")
        try:
            kept = msgspec.json.decode(found.data, type=_Kept)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Damaged(f"revision {key} cannot be read: {error}") from error
        parts = []
        for part in range(min(kept.parts, _PARTS)):
            piece = await self.wire.last(stream, names.bucket_subject(names.REVISIONS, f"{kept.key}.{part}"))
            parts.append(b"" if piece is None else piece.data)
        packed = b"".join(parts)
        if len(packed) != kept.size or zlib.crc32(packed) != kept.check:
            raise Damaged(f"revision {kept.key} in the log is not whole", hint="apply it again")
        return zlib.decompress(packed)


def state_of(info: dict[str, object]) -> LogState:
    """The state in JetStream's answer to STREAM.INFO."""
    answer = msgspec.convert(info, _Info)
    state, limit = answer.state, answer.config.max_bytes
    return LogState(answer.created, max(1, state.first_seq), state.last_seq, state.bytes, max(0, limit))


class _InfoState(msgspec.Struct):
    first_seq: int
    last_seq: int
    bytes: int


class _InfoConfig(msgspec.Struct):
    max_bytes: int


class _Info(msgspec.Struct):
    created: str
    state: _InfoState
    config: _InfoConfig
