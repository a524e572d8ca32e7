# SPDX-License-Identifier: Apache-2.0
"""What the contract suite needs to know of a kind of system: one `Peer` each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from isthmus.core import time
from isthmus.core.quality import name as named
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address, Kind
from isthmus.systems.registry import kinds
from tests.peers import modbus_peer
from tests.peers.mosquitto import Mosquitto
from tests.peers.network import Network
from tests.peers.opcua_peer import Server


class Peer(Protocol):
    """A real far end of one kind that the suite can drive."""

    kind: Kind
    bad_address: str
    """One the far end does not have."""
    bad_configs: Sequence[Mapping[str, Any]]
    """Configurations the Spec must refuse."""
    pace: float
    """Seconds between two changes that the far end reports as two."""
    keeps: bool
    """What it sends during a short cut of the network reaches us afterwards."""
    timed: bool
    """It gives each value a time and a quality of its own."""
    tells: bool
    """It says that an address is gone while it is watched."""
    again: str
    """What holds the seconds until a refused address is tried again: `module:name`."""
    hasty: Mapping[str, Any]
    """What is configured besides where a silent far end has to be missed soon: a busy computer may then miss it too."""

    @property
    def config(self) -> dict[str, Any]: ...

    @property
    def addresses(self) -> list[Address]:
        """Three addresses of floats."""

    async def change(self, position: int, value: float, *, quality: int = 0, at: int | None = None) -> None:
        """Gives the far end a new value, with a device time (ns) where one is given."""

    async def lose(self) -> None:
        """The far end no longer has its second address."""

    async def find(self) -> None:
        """It has it again."""

    async def kill(self) -> None:
        """Ends it as a crash would."""

    async def restart(self) -> None:
        """Starts it again at its old place; returns when it listens."""

    async def cut(self) -> None: ...
    async def freeze(self) -> None:
        """Nothing arrives any more, either way, and nobody is told."""

    async def mend(self) -> None: ...
    async def unacknowledged(self) -> int | None:
        """Messages the far end still keeps for us; None when it cannot say."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *_: object) -> None: ...


STATUS = {0: "Good", 0x8000_0000: "Bad", 0x4000_0000: "Uncertain", 0x808C_0000: "BadSensorFailure"}


class _BehindNetwork:
    """A far end that is reached through a network which can be cut, and that does not say what it keeps."""

    _network: Network

    async def cut(self) -> None:
        self._network.cut()

    async def freeze(self) -> None:
        self._network.freeze()

    async def mend(self) -> None:
        self._network.mend()

    async def unacknowledged(self) -> int | None:
        return None


class OpcUaPeer(_BehindNetwork):
    """An OPC UA server of node-opcua or asyncua behind a network that can be cut."""

    keeps, timed, pace = True, True, 0.12
    again = "isthmus.systems.opcua.session:AGAIN"
    hasty: Mapping[str, Any] = {"patience": "1s"}

    def __init__(self, folder: Path, server: str) -> None:
        self.kind = kinds()["opcua"]
        self.tells = server == "node"
        nodes = [{"name": name} for name in ("one", "two", "three")]
        self._server = Server(folder, server, nodes=nodes)
        self._network = Network(self._server.config["port"])
        self.bad_address = self._server.address("nobody")
        self.bad_configs: Sequence[Mapping[str, Any]] = (
            {},
            {"url": "http://127.0.0.1:4840"},
            {"url": "opc.tcp://127.0.0.1:4840", "securty": "None"},
            {"url": "opc.tcp://127.0.0.1:4840", "publishing": "soon"},
            {"url": "opc.tcp://127.0.0.1:4840", "password": "alone"},
        )

    @property
    def config(self) -> dict[str, Any]:
        url = f"opc.tcp://127.0.0.1:{self._network.port}/plant"
        return {"url": url, "publishing": "50ms", "sampling": "0s", "patience": "1m"}

    @property
    def addresses(self) -> list[Address]:
        return [Address(self._server.address(name), DataType.FLOAT) for name in ("one", "two", "three")]

    async def change(self, position: int, value: float, *, quality: int = 0, at: int | None = None) -> None:
        name = ("one", "two", "three")[position]
        when = {} if at is None else {"time": str(at // 100)}
        await self._server.do("set", name=name, value=value, status=STATUS[quality], **when)

    async def lose(self) -> None:
        await self._server.do("remove", name="two")

    async def find(self) -> None:
        await self._server.do("add", name="two")

    async def kill(self) -> None:
        await self._server.kill()

    async def restart(self) -> None:
        await self._server.start()

    async def unacknowledged(self) -> int | None:
        if self._server.kind != "node":
            return None
        count = (await self._server.do("unacknowledged"))["most"]
        return int(count)

    async def __aenter__(self) -> Self:
        await self._server.start()
        await self._network.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._network.__aexit__()
        await self._server.kill()


class ModbusPeer(_BehindNetwork):
    """A Modbus server of libmodbus behind a network that can be cut."""

    keeps, timed, tells, pace = False, False, True, 0.12
    again = "isthmus.systems.polled.rounds:AGAIN"
    hasty: Mapping[str, Any] = {"timeout": "500ms"}
    bad_address = "holding.9000:float32"
    bad_configs: Sequence[Mapping[str, Any]] = (
        {},
        {"host": "tcp://127.0.0.1"},
        {"host": "127.0.0.1:502"},
        {"host": "127.0.0.1", "prot": 502},
        {"host": "127.0.0.1", "unit": 256},
        {"host": "127.0.0.1", "every": "soon"},
        {"host": "127.0.0.1", "block": 126},
        {"host": "127.0.0.1", "order": "ACBD"},
    )

    def __init__(self) -> None:
        self.kind = kinds()["modbus"]
        self._server = modbus_peer.Server()

    @property
    def config(self) -> dict[str, Any]:
        network = {"host": "127.0.0.1", "port": self._network.port}
        return {**network, "every": "50ms", "timeout": "1m", "changes": True}

    @property
    def addresses(self) -> list[Address]:
        return [Address(f"holding.{number}:float32", DataType.FLOAT) for number in (100, 120, 400)]

    async def change(self, position: int, value: float, *, quality: int = 0, at: int | None = None) -> None:
        await self._server.set_float(1, (100, 120, 400)[position], value)

    async def lose(self) -> None:
        await self._server.do("hole 1 holding 120 121")

    async def find(self) -> None:
        await self._server.do("hole 1 holding 9000 9001")

    async def kill(self) -> None:
        await self._server.kill()

    async def restart(self) -> None:
        await self._server.start()
        await self.find()

    async def __aenter__(self) -> Self:
        await self.restart()
        self._network = await Network(self._server.port).__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._network.__aexit__()
        await self._server.kill()


class FilesPeer:
    """A folder into which rows are dropped, a file each; cut, it is somewhere else, as an unmounted share is."""

    keeps, timed, tells, pace, again = True, True, False, 0.0, ""
    hasty: Mapping[str, Any] = {}
    bad_address = "nobody"
    bad_configs: Sequence[Mapping[str, Any]] = (
        {},
        {"folder": "results"},
        {"folder": "/results", "files": "lab/*.csv"},
        {"folder": "/results", "time_zone": "Mars"},
        {"folder": "/results", "fomat": "csv"},
    )
    _names = ("one", "two", "three")

    def __init__(self, folder: Path) -> None:
        self.kind = kinds()["files"]
        self._home, self._away = folder / "drop", folder / "away"
        self._files = 0

    @property
    def config(self) -> dict[str, Any]:
        look = {"every": "100ms", "settle": "0s", "done": "keep"}
        return {"folder": str(self._home), "quality": "quality", **look}

    @property
    def addresses(self) -> list[Address]:
        return [Address(name, DataType.FLOAT) for name in self._names]

    async def change(self, position: int, value: float, *, quality: int = 0, at: int | None = None) -> None:
        when = time.to_iso(time.now() if at is None else at)
        cells = [repr(value) if i == position else "" for i in range(3)]
        self._drop(f"{when},{named(quality)},{','.join(cells)}")

    def _drop(self, row: str) -> None:
        folder = self._home if self._home.is_dir() else self._away
        self._files += 1
        hidden = folder / f".{self._files}.csv"
        hidden.write_text(f"time,quality,{','.join(self._names)}\n{row}\n")
        hidden.rename(folder / f"{self._files:06d}.csv")

    async def lose(self) -> None: ...
    async def find(self) -> None: ...

    async def cut(self) -> None:
        self._home.rename(self._away)

    async def mend(self) -> None:
        if self._away.is_dir():
            self._away.rename(self._home)

    kill, freeze, restart = cut, cut, mend

    async def unacknowledged(self) -> int | None:
        return None

    async def __aenter__(self) -> Self:
        self._home.mkdir()
        self._drop(f"{time.to_iso(time.now())},Good,0,0,0")
        return self

    async def __aexit__(self, *_: object) -> None: ...


class MqttPeer(_BehindNetwork):
    """A mosquitto that mosquitto_pub publishes to, behind a network that can be cut."""

    keeps, timed, tells, pace, again = True, True, False, 0.0, ""
    hasty: Mapping[str, Any] = {"patience": "1s", "keep_alive": "1s"}
    bad_address = "tags/one#/nobody"
    bad_configs: Sequence[Mapping[str, Any]] = (
        {},
        {"url": "http://127.0.0.1"},
        {"url": "mqtt://127.0.0.1", "time": "at"},
        {"url": "mqtt://127.0.0.1", "kept": "soon"},
        {"url": "mqtt://127.0.0.1", "usr": "me"},
        {"url": "mqtt://10.0.0.1", "user": "me", "password": "in the clear"},
    )
    _names = ("one", "two", "three")

    def __init__(self, folder: Path) -> None:
        self.kind = kinds()["mqtt"]
        self._broker = Mosquitto(folder, "persistence true", "autosave_interval 1", f"persistence_location {folder}/")
        self._network = Network(self._broker.port)

    @property
    def config(self) -> dict[str, Any]:
        url = f"mqtt://127.0.0.1:{self._network.port}"
        return {"url": url, "time": "/at", "quality": "/quality", "patience": "1m", "keep_alive": "1m"}

    @property
    def addresses(self) -> list[Address]:
        return [Address(f"tags/{name}#/value", DataType.FLOAT) for name in self._names]

    async def change(self, position: int, value: float, *, quality: int = 0, at: int | None = None) -> None:
        said = {"value": value, "at": time.to_iso(time.now() if at is None else at), "quality": named(quality)}
        payload = json.dumps(said)
        await asyncio.to_thread(self._broker.publish, f"tags/{self._names[position]}", payload, "-r")

    async def lose(self) -> None: ...
    async def find(self) -> None: ...

    async def kill(self) -> None:
        await asyncio.to_thread(self._broker.kill)

    async def restart(self) -> None:
        await asyncio.to_thread(self._broker.start)

    async def __aenter__(self) -> Self:
        await self.restart()
        await self._network.__aenter__()
        for position in range(3):
            await self.change(position, 0.0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._network.__aexit__()
        await asyncio.to_thread(self._broker.__exit__)


def moment() -> int:
    """Now, to the millisecond: what every peer can carry."""
    return time.now() // time.MILLISECOND * time.MILLISECOND


async def eventually(condition: Any, within: float = 180.0) -> None:
    """Waits until `condition` (a function or coroutine function) is true."""
    async with asyncio.timeout(within):
        while True:
            answer = condition()
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            await asyncio.sleep(0.02)
