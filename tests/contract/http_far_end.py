# SPDX-License-Identifier: Apache-2.0
"""The contract suite's far end of the kind `http`: a Node.js server behind a network that can be cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from isthmus.core import time
from isthmus.core.quality import name as named
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.contract.adapters import _BehindNetwork
from tests.peers.network import Network
from tests.peers.web_peer import WebServer


class HttpPeer(_BehindNetwork):
    """Three paths, each of an object with value, time and quality."""

    keeps, timed, tells, pace = False, True, True, 0.12
    again = "isthmus.systems.http.resource:AGAIN"
    hasty: Mapping[str, Any] = {"timeout": "500ms"}
    bad_address = "/tags/nobody#/value"
    bad_configs: Sequence[Mapping[str, Any]] = (
        {},
        {"url": "127.0.0.1:80"},
        {"url": "http://me:secret@127.0.0.1"},
        {"url": "http://127.0.0.1/?unit=3"},
        {"url": "http://127.0.0.1", "time": "at"},
        {"url": "http://127.0.0.1", "every": "soon"},
        {"url": "http://127.0.0.1", "evry": "1s"},
        {"url": "http://10.0.0.1", "token": "in the clear"},
        {"url": "http://127.0.0.1", "headers": {"X": "two\r\nlines"}},
        {"url": "http://127.0.0.1", "user": "me"},
        {"url": "http://127.0.0.1", "redirects": "follow"},
    )
    _names = ("one", "two", "three")

    def __init__(self) -> None:
        self.kind = kinds()["http"]
        self._server = WebServer()
        self._network = Network(self._server.port)
        self._last: dict[int, dict[str, Any]] = {}

    @property
    def config(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._network.port}"
        pace = {"every": "50ms", "timeout": "1m", "changes": True}
        return {"url": f"{url}/tags", "time": "/at", "quality": "/quality", **pace}

    @property
    def addresses(self) -> list[Address]:
        return [Address(f"/{name}#/value", DataType.FLOAT) for name in self._names]

    async def change(self, position: int, value: float, *, quality: int = 0, at: int | None = None) -> None:
        said = {"value": value, "at": time.to_iso(time.now() if at is None else at), "quality": named(quality)}
        self._last[position] = said
        await self._server.page(f"/tags/{self._names[position]}", said)

    async def lose(self) -> None:
        await self._server.do("page", path="/tags/two", gone=True)

    async def find(self) -> None:
        await self._server.page("/tags/two", self._last[1])

    async def kill(self) -> None:
        await self._server.kill()

    async def restart(self) -> None:
        await self._server.start()
        for position in range(3):
            await self.change(position, 0.0)

    async def __aenter__(self) -> Self:
        await self.restart()
        await self._network.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._network.__aexit__()
        await self._server.kill()
