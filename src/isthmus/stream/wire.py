# SPDX-License-Identifier: Apache-2.0
"""One connection to the log's server that never gives up, and its questions and answers as plain values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeAlias

import msgspec
import structlog

from isthmus.core.errors import Disconnected, IsthmusError, LogFull, Refused
from isthmus.core.spared import spared
from isthmus.stream.endpoint import Endpoint

with spared("aiohttp"):
    import nats.errors
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

PATIENCE: Final = 5.0
"""Seconds an answer may take."""

_PENDING: Final = 64 << 20
_FULL: Final = frozenset({10077, 10023, 10047, 10002, 10040})
"""JetStream error codes that mean: no room (stream bytes, server storage, account storage)."""
NOT_FOUND: Final = frozenset({10059, 10037, 10014})
WRONG_LAST: Final = frozenset({10070, 10071, 10164})
"""The message expected another one before it: something is stored already, or something is not."""

Heard: TypeAlias = Callable[[str, str, bytes, bytes], None]
"""Takes the subject of a message, the subject to reply to, its headers as they came, and its body."""

log = structlog.get_logger("isthmus.stream")


class Answered(IsthmusError):
    """JetStream answered with an error of its own."""

    def __init__(self, code: int, description: str, *, where: str = "") -> None:
        self.code = code
        super().__init__(f"{description} ({code})", where=where)


class _Error(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class Ack(msgspec.Struct):
    """What JetStream answers to a published message."""

    seq: int = 0
    duplicate: bool = False
    error: _Error | None = None


read_ack = msgspec.json.Decoder(Ack).decode


def trouble(error: _Error, where: str = "") -> IsthmusError:
    """The error of ours that says what JetStream's says."""
    if error.err_code in _FULL:
        return LogFull(
            error.description, where=where, hint="it goes on when the recorder has purged or the disk has room"
        )
    return Answered(error.err_code, error.description, where=where)


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancels tasks until they are done: in Python 3.11 `wait_for`, and nats-py, can swallow a cancellation."""
    left = {task for task in tasks if task is not None and not task.done() and task is not asyncio.current_task()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.2)


class _Client(Client):  # type: ignore[misc]  # nats-py is untyped
    """nats-py's client; messages of some subscriptions are told at once, without a queue and a task of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[int, Heard] = {}
        """Subscription → who is told."""

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        heard = self.heard.get(sid)
        if heard is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        try:
            heard(subject.decode(), reply.decode(), headers or b"", data)
        except Exception as error:  # as nats-py does it: what goes wrong there must not end the reading of the socket
            await self._error_cb(error)


class Wire:
    """A connection that reconnects for ever. `lives` counts the connections made; `watchers` are told of each."""

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self.endpoint, self.name = endpoint, name
        self.client = _Client()
        self.lives = 0
        self.watchers: list[Callable[[], None]] = []
        self.refused = ""
        self._refusal = asyncio.Event()

    async def open(self, wait: float) -> None:
        """Connects; raises Disconnected when that takes longer than `wait` seconds, Refused on a wrong password."""
        place = self.endpoint
        opening = asyncio.create_task(
            self.client.connect(
                place.url.split(","),
                user=place.user or None,
                password=place.password or None,
                inbox_prefix=place.inbox,
                name=f"isthmus {self.name}".strip(),
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.1,
                connect_timeout=2,
                ping_interval=5,
                max_outstanding_pings=3,
                pending_size=_PENDING,
                error_cb=self._trouble,
                reconnected_cb=self._reconnected,
                closed_cb=self._closed,
            )
        )
        refusing = asyncio.create_task(self._refusal.wait())
        try:
            await asyncio.wait((opening, refusing), timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            if not opening.done() or opening.exception() is not None:
                raise self._unreachable(wait)
        except BaseException:
            await end(opening)
            await self.close()
            raise
        finally:
            await end(refusing)
        self.lives += 1

    def _unreachable(self, wait: float) -> IsthmusError:
        if self.refused:
            return Refused(f"the log does not take us: {self.refused}", where=self.endpoint.url)
        return Disconnected(f"no answer within {wait:g} s", where=self.endpoint.url, hint="is the log running?")

    async def _trouble(self, error: Exception) -> None:
        if "authorization" in str(error).lower():  # nats-py has a class for it and raises plain errors too
            self.refused = str(error)
            self._refusal.set()
        level = log.warning if "permissions violation" in str(error).lower() else log.debug
        level("trouble with the log", error=str(error) or repr(error), name=self.name)

    async def _closed(self) -> None:
        self._tell()

    async def _reconnected(self) -> None:
        self.lives += 1
        self._tell()

    def _tell(self) -> None:
        for watcher in tuple(self.watchers):
            watcher()

    @property
    def up(self) -> bool:
        """Whether the connection stands now."""
        return bool(self.client.is_connected)

    @property
    def closed(self) -> bool:
        """Whether it will never stand again: closed by us, or the server refused us."""
        return bool(self.client.is_closed)

    async def close(self) -> None:
        """Closes, within a few seconds, whatever the state."""
        client = self.client
        with suppress(TimeoutError, OSError, nats.errors.Error):
            async with asyncio.timeout(3):
                await client.close()
        # A reconnection that missed its cancellation would go on for ever.
        await end(client._reconnection_task, client._reading_task, client._flusher_task, client._ping_interval_task)

    @asynccontextmanager
    async def listening(self, subject: str, heard: Heard) -> AsyncIterator[None]:
        """`heard` is told every message to `subject`, as it comes, while the block runs."""
        subscription = await self.listen(subject, heard)
        try:
            yield
        finally:
            await self.unlisten(subscription)

    async def listen(self, subject: str, heard: Heard) -> Subscription:
        """`heard` is told every message to `subject`, as it comes, until `unlisten`."""
        subscription = await self.client.subscribe(subject)
        self.client.heard[subscription._id] = heard
        return subscription

    async def unlisten(self, subscription: Subscription) -> None:
        """Nobody is told any more."""
        del self.client.heard[subscription._id]
        with suppress(nats.errors.Error, OSError):
            await subscription.unsubscribe()

    def publish(self, subject: str, body: bytes, reply: str, headers: Mapping[str, str]) -> None:
        """Writes a message to the socket, after all that was given before; raises Disconnected when there is none.

        nats-py would leave the writing to a task. What the socket does not take waits in memory: bound what you send.
        """
        client = self.client
        if not client.is_connected or client._transport is None:
            raise Disconnected("the connection is gone", where=self.endpoint.url)
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"NATS/1.0\r\n{fields}\r\n".encode()
        line = f"HPUB {subject} {reply} {len(head)} {len(head) + len(body)}\r\n".encode()
        waiting, client._pending, client._pending_data_size = client._pending, [], 0
        client._transport.write(b"".join((*waiting, line, head, body, b"\r\n")))

    async def ask(self, subject: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None,
                  patience: float = PATIENCE) -> Msg:  # fmt: skip
        """The raw answer; raises Disconnected when none comes in time."""
        task = asyncio.current_task()
        cancelled = task.cancelling() if task is not None else 0
        try:
            answer = await self.client.request(subject, body, timeout=patience, headers=headers and dict(headers))
        except (nats.errors.Error, TimeoutError, OSError) as error:
            what = str(error) or type(error).__name__
            raise Disconnected(f"the log does not answer {subject}: {what}", where=self.endpoint.url) from error
        if task is not None and task.cancelling() > cancelled:  # Python 3.11's wait_for takes the answer instead
            raise asyncio.CancelledError
        return answer

    async def api(self, verb: str, body: object = None, *, patience: float = PATIENCE) -> dict[str, Any]:
        """The answer of JetStream's API; raises Answered with its error, LogFull for lack of room."""
        raw = b"" if body is None else msgspec.json.encode(body)
        answer: dict[str, Any] = msgspec.json.decode((await self.ask(f"$JS.API.{verb}", raw, patience=patience)).data)
        if "error" in answer:
            raise trouble(msgspec.convert(answer["error"], _Error), verb)
        return answer

    async def put(self, subject: str, body: bytes, headers: Mapping[str, str] | None = None, *,
                  patience: float = PATIENCE) -> Ack:  # fmt: skip
        """Publishes one message and waits until it is on disk; raises Disconnected, LogFull or Answered."""
        ack = read_ack((await self.ask(subject, body, headers=headers, patience=patience)).data)
        if ack.error is not None:
            raise trouble(ack.error, subject)
        return ack

    async def last(self, stream: str, subject: str) -> Msg | None:
        """The newest message of a subject, None when there is none."""
        return self._found(await self.ask(f"$JS.API.DIRECT.GET.{stream}.{subject}"))

    async def at(self, stream: str, sequence: int) -> Msg | None:
        """The message with this sequence, None when there is none."""
        return self._found(await self.ask(f"$JS.API.DIRECT.GET.{stream}", b'{"seq":%d}' % sequence))

    def _found(self, message: Msg) -> Msg | None:
        status = (message.headers or {}).get("Status")
        if status is None:
            return message
        if status == "404":
            return None
        raise Disconnected(f"the log answers {status}", where=self.endpoint.url)
