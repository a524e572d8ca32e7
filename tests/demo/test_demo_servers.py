# SPDX-License-Identifier: Apache-2.0
"""Each make of server in front of a simulation that dies in the middle of a word, and comes back."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from asyncua import Client, ua

from isthmus.app.demo.chemical.desk import Ask, Change, Opening, Scan, Where
from isthmus.app.demo.chemical.faces import FACES, Node
from isthmus.app.run import status
from tests.conftest import Until
from tests.peers.opcua_peer import HERE, free_port, need_node

FACE = FACES["packages"]
NODES = (
    Node("Plant/One", ("Plant", "One"), "Float", "a number"),
    Node("Plant/Two", ("Plant", "Two"), "Int16", "a whole one"),
    Node("Plant/Three", ("Plant", "Three"), "String", "a word"),
    Node("Plant/Four", ("Plant", "Four"), "Boolean", "a switch"),
)
AT = 1_790_000_000_123_456
"""µs"""


class Simulation:
    """What a server follows: says its values to who asks, and can die in the middle of a word."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.writers = folder, 0, list[asyncio.StreamWriter]()
        self.value = 1.5

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        said = Where(server.sockets[0].getsockname()[1], "token", os.getpid())
        (self.folder / "desk.json").write_bytes(msgspec.json.encode(said))
        try:
            yield
        finally:
            server.close()
            for writer in self.writers:
                writer.write(b'{"changes":[[0,99')
                with suppress(ConnectionError):  # of one that has hung up already
                    await writer.drain()
                writer.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = msgspec.json.decode(await reader.readline(), type=Ask)
        assert (question.do, question.system, question.token) == ("follow", FACE.system, "token")
        values: tuple[float | str, ...] = (self.value, -7.0, "Lot ünö", 1.0)
        changes = tuple(Change(i, value, 0x4094_0000 if i == 1 else 0, AT) for i, value in enumerate(values))
        for line in (Opening(FACE.namespace, FACE.title, NODES), Scan(changes)):
            writer.write(msgspec.json.encode(line) + b"\n")
        self.asked += 1
        self.writers.append(writer)


@asynccontextmanager
async def _serving(make: str, folder: Path) -> AsyncIterator[int]:
    """A server in a process of its own; its port."""
    if make == "node_server":
        need_node()
    port = free_port()
    words = ["-m", f"isthmus.app.demo.chemical.{make}", "--system", FACE.system, "--port", str(port), "--folder",
             str(folder), "--status", str(folder / "status.json"), "--parent", str(os.getpid())]  # fmt: skip
    environment = {**os.environ, "NODE_PATH": str(HERE / "node_modules")}
    process = await asyncio.create_subprocess_exec(sys.executable, *words, env=environment)
    try:
        yield port
        assert process.returncode is None
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        assert await asyncio.wait_for(process.wait(), 180) == 0
        process._transport.close()  # type: ignore[attr-defined]  # else a ResourceWarning at collection


@pytest.mark.parametrize("make", ["server", "node_server"])
async def test_a_server_says_when_its_plant_does_not_answer_and_goes_on_when_it_does(
    make: str, tmp_path: Path, until: Until
) -> None:
    def ready() -> bool:
        said = status.read(tmp_path / "status.json")
        return said is not None and said.ready

    simulation = Simulation(tmp_path)
    async with _serving(make, tmp_path) as port:
        async with simulation.open():
            await until(ready, "it shows what the simulation says")
            async with Client(f"opc.tcp://127.0.0.1:{port}/{FACE.system}", timeout=90) as client:
                await _shown(client, 1.5)
        async with Client(f"opc.tcp://127.0.0.1:{port}/{FACE.system}", timeout=90) as client:
            await until(_quality(client, 0x8031_0000), "it says that its plant does not answer")
            simulation.value, simulation.writers = 2.5, []
            async with simulation.open():
                await until(_quality(client, 0), "it is good again")
                await _shown(client, 2.5)


async def _read(client: Client, name: str) -> ua.DataValue:
    index = await client.get_namespace_index(FACE.namespace)
    node = client.get_node(ua.NodeId(f"Plant/{name}", index))
    return await node.read_data_value(raise_on_bad_status=False)


def _quality(client: Client, wanted: int) -> Callable[[], Awaitable[bool]]:
    async def is_so() -> bool:
        found = [(await _read(client, name)).StatusCode.value for name in ("One", "Three", "Four")]
        return found == [wanted] * 3

    return is_so


async def _shown(client: Client, first: float) -> None:
    """Values, types, quality and times are the simulation's."""
    found = [await _read(client, name) for name in ("One", "Two", "Three", "Four")]
    assert [said.Value.Value for said in found] == [first, -7, "Lot ünö", True]
    assert [said.Value.VariantType.name for said in found] == [node.type for node in NODES]
    assert [said.StatusCode.value for said in found] == [0, 0x4094_0000, 0, 0]
    assert {round(said.SourceTimestamp.timestamp() * 1e6) for said in found} <= {AT, AT - 456}
