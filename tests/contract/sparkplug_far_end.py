# SPDX-License-Identifier: Apache-2.0
"""A Sparkplug edge node of Tahu's JavaScript library on a mosquitto, behind a network that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from isthmus.core import time
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.peers.mosquitto import Mosquitto
from tests.peers.network import Network
from tests.peers.sparkplug_peer import SparkplugPeer, metric

NAMES = ("one", "Two/inner value", "three")
QUALITY = {0: 192, 0x8000_0000: 0, 0x4000_0000: 64, 0x808C_0000: 16}


class SparkplugFarEnd:
    """Two metrics of a device and one of the edge node itself."""

    keeps, timed, tells, pace = False, True, True, 0.0
    again = "isthmus.systems.sparkplug.source:AGAIN"
    hasty: Mapping[str, Any] = {"patience": "1s", "keep_alive": "1s"}
    bad_address = "plant/gateway/meter 1:nobody"
    bad_configs: Sequence[Mapping[str, Any]] = (
        {},
        {"url": "http://127.0.0.1"},
        {"url": "mqtt://127.0.0.1", "host": "a/b"},
        {"url": "mqtt://127.0.0.1", "reorder": "soon"},
        {"url": "mqtt://127.0.0.1", "rebirth": "0s"},
        {"url": "mqtt://127.0.0.1", "hsot": "me"},
    )

    def __init__(self, folder: Path) -> None:
        self.kind = kinds()["sparkplug"]
        self._broker = Mosquitto(folder / "broker")
        self._network = Network(self._broker.port)
        one, two, three = (metric(name, 0.0, alias=alias) for alias, name in enumerate(NAMES, 1))
        edge = {"group": "plant", "node": "gateway", "metrics": [three], "devices": {"meter 1": [one, two]}}
        self._edge = SparkplugPeer(folder / "edge", self._broker.url, edge=edge)
        self._births = 1

    @property
    def config(self) -> dict[str, Any]:
        url = f"mqtt://127.0.0.1:{self._network.port}"
        return {"url": url, "patience": "1m", "keep_alive": "1m", "rebirth": "1s"}

    @property
    def addresses(self) -> list[Address]:
        places = ("plant/gateway/meter 1", "plant/gateway/meter 1", "plant/gateway")
        return [Address(f"{place}:{name}", DataType.FLOAT) for place, name in zip(places, NAMES, strict=True)]

    async def change(self, position: int, value: float, *, quality: int = 0, at: int | None = None) -> None:
        device = "meter 1" if position < 2 else ""
        stamp = (time.now() if at is None else at) // time.MILLISECOND
        said = metric(NAMES[position], value, timestamp=stamp)
        said |= {"quality": QUALITY[quality]} if quality else {}
        await self._edge.do("data", device=device, metrics=[said])

    async def lose(self) -> None:
        await self._edge.do("define", device="meter 1", metrics=[metric("one", 0.0, alias=1)])

    async def find(self) -> None:
        some = [metric(name, 0.0, alias=alias) for alias, name in enumerate(NAMES[:2], 1)]
        await self._edge.do("define", device="meter 1", metrics=some)

    async def kill(self) -> None:
        self._births = (await self._edge.do("counts"))["births"]
        await asyncio.to_thread(self._broker.kill)

    async def restart(self) -> None:
        await asyncio.to_thread(self._broker.start)
        await self._edge.born(self._births + 1)

    async def cut(self) -> None:
        self._network.cut()

    async def freeze(self) -> None:
        self._network.freeze()

    async def mend(self) -> None:
        self._network.mend()

    async def unacknowledged(self) -> int | None:
        return None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._broker.start)
        await self._network.__aenter__()
        await self._edge.__aenter__()
        await self._edge.born()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._edge.__aexit__()
        await self._network.__aexit__()
        await asyncio.to_thread(self._broker.__exit__)
