# SPDX-License-Identifier: Apache-2.0
"""Live values over a WebSocket: what changed, twice a second, for the tags a client asked for.

The client says `{"match": ["reactor-1/**", ...]}` (none: all tags) and may say it again at any time; `since` is the
page it saw last and `life` the life of the server that gave it: of another life, or without one, it gets all that is
known. Each message is a `Page`. A client that reads slowly gets fewer pages, and still the newest value of everything:
nothing waits for it in memory.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from isthmus.app.api.picture import Picture, Subscription
from isthmus.app.api.plant import applied

LONGEST_ASKING: Final = 10_000
"""Patterns one client may ask for."""

LONGEST_PATTERN: Final = 400


class Asking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client wants to see."""

    match: tuple[str, ...] = ()
    since: int = 0
    life: str = ""


class _Client:
    """One open page."""

    def __init__(self, picture: Picture, socket: WebSocket[Any, Any, Any]) -> None:
        self._picture, self._socket = picture, socket
        self._asking = Asking()
        self._asked = asyncio.Event()
        self._wanted: Subscription | None = None

    async def listen(self) -> None:
        """Takes what the client asks for until it is gone; raises msgspec.ValidationError on anything else."""
        while True:
            text = await self._socket.receive_data(mode="text")
            asking = msgspec.json.decode(text, type=Asking)
            if len(asking.match) > LONGEST_ASKING or any(len(one) > LONGEST_PATTERN for one in asking.match):
                raise msgspec.ValidationError("too many patterns, or too long ones")
            self._asking, self._wanted = asking, None
            self._asked.set()

    async def speak(self) -> None:
        """Sends pages for as long as it is asked to."""
        await self._asked.wait()
        since = -1
        while True:
            if self._wanted is None or self._wanted.revision != self._picture.watch.revision:
                fresh = self._wanted is None
                self._wanted = self._picture.subscription(applied(self._picture), self._asking.match)
                since = self._since() if fresh else 0
                self._asked.clear()
            page = self._picture.page  # it may be turned many times before a slow client has taken this one
            await self._socket.send_data(self._picture.encoded(self._wanted, since), mode="text")
            since = page
            await self._news(since)

    def _since(self) -> int:
        """The page it saw last; 0 where that was a page of another life of the server."""
        asking, picture = self._asking, self._picture
        return asking.since if asking.life == picture.life and asking.since <= picture.page else 0

    async def _news(self, since: int) -> None:
        """Until there is a newer page or another question."""
        waiting = [asyncio.ensure_future(each) for each in (self._picture.after(since), self._asked.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()


@websocket("/api/live")
async def live(socket: WebSocket[Any, Any, Any], picture: Picture) -> None:
    await socket.accept()
    client = _Client(picture, socket)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(client.listen())
            group.create_task(client.speak())
    except* WebSocketDisconnect:
        pass
    except* msgspec.MsgspecError as errors:
        with suppress(WebSocketDisconnect, RuntimeError):
            await socket.close(code=1007, reason=str(errors.exceptions[0])[:100])
