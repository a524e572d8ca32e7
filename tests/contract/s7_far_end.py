# SPDX-License-Identifier: Apache-2.0
"""The contract suite's far end of the kind `s7`: python-snap7's server behind a network that can be cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.contract.adapters import _BehindNetwork
from tests.peers.network import Network
from tests.peers.s7_peer import S7Server


class S7Peer(_BehindNetwork):
    """Three floats, the second in a data block of its own, which can go."""

    keeps, timed, tells, pace = False, False, True, 0.12
    again = "isthmus.systems.polled.rounds:AGAIN"
    hasty: Mapping[str, Any] = {"timeout": "500ms"}
    bad_address = "db9.0:real"
    bad_configs: Sequence[Mapping[str, Any]] = (
        {},
        {"host": "tcp://127.0.0.1"},
        {"host": "127.0.0.1:102"},
        {"host": "127.0.0.1", "slto": 1},
        {"host": "127.0.0.1", "slot": 32},
        {"host": "127.0.0.1", "every": "soon"},
        {"host": "127.0.0.1", "message": 100},
        {"host": "127.0.0.1", "tsap": "200"},
        {"host": "127.0.0.1", "connection": "hmi"},
    )
    _places = ((1, 0), (2, 4), (1, 8))

    def __init__(self) -> None:
        self.kind = kinds()["s7"]
        self._server = S7Server(db1=12, db2=8)

    @property
    def config(self) -> dict[str, Any]:
        network = {"host": "127.0.0.1", "port": self._network.port}
        return {**network, "every": "50ms", "timeout": "1m", "changes": True}

    @property
    def addresses(self) -> list[Address]:
        return [Address(f"db{block}.{byte}:real", DataType.FLOAT) for block, byte in self._places]

    async def change(self, position: int, value: float, *, quality: int = 0, at: int | None = None) -> None:
        await self._server.set_real(*self._places[position], value)

    async def lose(self) -> None:
        await self._server.do("drop 2")

    async def find(self) -> None:
        await self._server.do(f"block 2 {'00' * 8}")

    async def kill(self) -> None:
        await self._server.kill()

    async def restart(self) -> None:
        await self._server.start()

    async def __aenter__(self) -> Self:
        await self.restart()
        self._network = await Network(self._server.port).__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._network.__aexit__()
        await self._server.kill()
