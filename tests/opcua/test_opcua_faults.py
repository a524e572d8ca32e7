# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with real servers: killed, frozen, slow, half bad, changing type, lying about time."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from isthmus.core import time
from isthmus.core.errors import Disconnected
from isthmus.core.event import EventKind
from isthmus.core.quality import BAD_NODE_ID_INVALID, BAD_NODE_ID_UNKNOWN, BAD_TYPE_MISMATCH
from isthmus.core.tag import DataType
from isthmus.systems.contract import Address, Form, Surroundings
from isthmus.systems.opcua import session
from isthmus.systems.registry import kinds
from tests.contract.adapters import eventually
from tests.contract.collected import Collected
from tests.peers.network import Network
from tests.peers.opcua_peer import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 2
SOAK_ROUNDS = 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A node-opcua server for the tests that do not break it; each adds nodes of its own."""
    async with Server(tmp_path_factory.mktemp("plant"), perCall=30) as server:
        yield server


@asynccontextmanager
async def holding(plant: Server, *nodes: dict[str, Any]) -> AsyncIterator[Server]:
    """The plant with these nodes, which go again."""
    for node in nodes:
        await plant.do("add", **node)
    try:
        yield plant
    finally:
        await plant.do("run", period=0)
        for node in nodes:
            await plant.do("remove", name=node["name"])


@asynccontextmanager
async def either(kind: str, plant: Server, folder: Path, *nodes: dict[str, Any]) -> AsyncIterator[Server]:
    """The plant, or a server of asyncua, with these nodes."""
    if kind == "node":
        async with holding(plant, *nodes) as server:
            yield server
    else:
        async with Server(folder, kind, nodes=nodes) as server:
            yield server


def floats(server: Server, *names: str, **how: Any) -> list[Address]:
    return [Address(server.address(name), DataType.FLOAT, **how) for name in names]


def collecting(server: Server, folder: Path, addresses: list[Address], **config: Any) -> Collected:
    said = {"url": server.url, "publishing": "50ms", "sampling": "0s", "patience": "30s", **config}
    return Collected(kinds()["opcua"], said, folder, addresses)


async def change(server: Server, name: str, value: float, **how: Any) -> None:
    await server.do("set", name=name, value=value, **how)


async def killed_and_restarted_with_other_indexes(tmp_path: Path, rounds: int) -> None:
    async with Server(tmp_path, nodes=[{"name": "a"}, {"name": "b"}]) as server:
        indexes = set()
        async with collecting(server, tmp_path, floats(server, "a", "b")).running() as collected:
            for round_ in range(rounds):
                await change(server, "a", 10.0 + round_)
                await eventually(collected.saw(0, 10.0 + round_))
                indexes.add(server.index)
                lost = len(collected.errors)
                await server.kill()
                await eventually(lambda lost=lost: len(collected.errors) > lost)
                opened = collected.opened  # before it listens: it may be opened before the server says that it does
                await server.start(before=[f"urn:other:{i}" for i in range((round_ + 1) % 3)])
                await eventually(lambda opened=opened: collected.opened > opened)
                await change(server, "a", 1000.0 + round_)
                await eventually(collected.saw(0, 1000.0 + round_))
                await eventually(lambda told=round_ + 1: len(collected.told(EventKind.GAP)) == told)
        assert len(indexes) > 1
        gaps = collected.told(EventKind.GAP)
        assert len(gaps) == rounds and all(gap.details["tags"] == 2 for gap in gaps)
        assert all(0 < int(gap.details["first"] or 0) <= int(gap.details["last"] or 0) for gap in gaps)
        assert all(isinstance(error, Disconnected) for error in collected.errors)


async def test_a_server_killed_and_restarted_with_other_indexes_flows_again(tmp_path: Path) -> None:
    await killed_and_restarted_with_other_indexes(tmp_path, ROUNDS)


@pytest.mark.soak
async def test_two_hundred_kills(tmp_path: Path) -> None:
    await killed_and_restarted_with_other_indexes(tmp_path, SOAK_ROUNDS)


async def frozen(server: Server, tmp_path: Path, rounds: int) -> None:
    await server.do("add", name="frozen")
    async with collecting(server, tmp_path, floats(server, "frozen"), patience="1s").running() as collected:
        for round_ in range(rounds):
            await change(server, "frozen", 10.0 + round_)
            await eventually(collected.saw(0, 10.0 + round_))
            lost = len(collected.errors)
            server.signal(signal.SIGSTOP)
            await eventually(lambda lost=lost: len(collected.errors) > lost)
            server.signal(signal.SIGCONT)
            await change(server, "frozen", 500.0 + round_)
            await eventually(collected.saw(0, 500.0 + round_))
    assert not collected.told(EventKind.GAP)  # the session lived on: nothing was missed


async def test_a_frozen_server_is_noticed_in_seconds_and_taken_up_again_when_it_thaws(
    plant: Server, tmp_path: Path
) -> None:
    await frozen(plant, tmp_path, 1)


@pytest.mark.soak
async def test_two_hundred_freezes(plant: Server, tmp_path: Path) -> None:
    await frozen(plant, tmp_path, SOAK_ROUNDS)


async def cuts(tmp_path: Path, kind: str, rounds: int) -> None:
    """Every value the server saw during a cut arrives afterwards, once and in order."""
    async with Server(tmp_path, kind, nodes=[{"name": "a"}]) as server, Network(server.config["port"]) as network:
        url = f"opc.tcp://127.0.0.1:{network.port}/plant"
        async with collecting(server, tmp_path, floats(server, "a"), url=url).running() as collected:
            await eventually(lambda: collected.values(0))
            for value in range(1, rounds * 4 + 1):
                if value % 4 == 1:
                    network.cut()
                await change(server, "a", float(value), then=120)  # the server samples every 50 ms
                if value % 4 == 0:
                    network.mend()
                    await eventually(collected.saw(0, float(value)))
        seen = [value for value in dict.fromkeys(collected.rows(0)) if value[2] > 0]
        assert [value for *_, value in seen] == [float(value) for value in range(1, rounds * 4 + 1)]
        assert not collected.told(EventKind.GAP)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["node", "asyncua"])
async def test_two_hundred_cuts_lose_nothing(tmp_path: Path, kind: str) -> None:
    await cuts(tmp_path, kind, SOAK_ROUNDS)


async def test_half_of_the_nodes_bad_harm_only_themselves_and_come_when_they_appear(
    plant: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "AGAIN", 0.3)
    async with holding(plant, *({"name": f"t{i}"} for i in range(100))) as server:
        addresses = floats(server, *(f"t{i}" if i % 2 else f"none{i}" for i in range(100)))
        addresses.append(Address("nsu=urn:not:here;s=x", DataType.FLOAT))
        async with collecting(server, tmp_path, addresses).running() as collected:
            await eventually(lambda: all(collected.values(i) for i in range(101)))
            for i in range(100):
                qualities = {quality for _, quality, _ in collected.rows(i)}
                assert qualities == ({0} if i % 2 else {BAD_NODE_ID_UNKNOWN})
            (told,) = collected.told(EventKind.TAG)
            assert told.details["tags"] == 51 and "none0" in str(told.details["addresses"])
            await server.do("add", name="none0", value=4.5)
            await eventually(collected.saw(0, 4.5))
            await eventually(lambda: any("can be read again" in e.message for e in collected.events))
            await server.do("remove", name="t1")
            await eventually(lambda: {q for _, q, _ in collected.rows(1)} & {BAD_NODE_ID_UNKNOWN, BAD_NODE_ID_INVALID})
            await server.do("add", name="t1", value=6.5)
            await eventually(collected.saw(1, 6.5))
            await server.do("remove", name="none0")
            await change(server, "t3", 8.5)
            await eventually(collected.saw(3, 8.5))
        assert not collected.errors


async def test_a_node_that_changes_its_type_changes_the_form_of_its_readings(plant: Server, tmp_path: Path) -> None:
    async with holding(plant, {"name": "a", "type": "Any"}) as server:
        async with collecting(server, tmp_path, floats(server, "a")).running() as collected:
            await eventually(lambda: collected.values(0))
            sent = [("Int32", -7), ("Boolean", True), ("UInt64", str(2**64 - 1)), ("String", "text"), ("Double", 1.5)]
            for type_, value in sent:
                count = len(collected.values(0))
                await server.do("retype", name="a", type=type_, value=value)
                await eventually(lambda count=count: len(collected.values(0)) > count)
            await server.do("retype", name="a", type="Int32", value=[1, 2, 3])
            await eventually(lambda: any(r.oddities for r in collected.readings))
            await server.do("retype", name="a", type="Double", value=9.5)
            await eventually(collected.saw(0, 9.5))
        forms = [int(form) for r in collected.readings for form in r.form[r.index == 0]]
        assert forms == [Form.FLOAT, Form.SIGNED, Form.BOOLEAN, Form.UNSIGNED, Form.TEXT, Form.FLOAT, 0, Form.FLOAT]
        whole = [r.integer[r.index == 0][0] for r in collected.readings if r.integer is not None]
        assert [int(value) for value in whole] == [-7, -1]  # 2⁶⁴ - 1 by two's complement
        assert [r.text[0] for r in collected.readings if r.text is not None] == ["text"]
        (oddity,) = [oddity for r in collected.readings for oddity in r.oddities]
        assert oddity.index == 0 and "an array" in oddity.reason and b"\x03\0\0\0" in oddity.payload
        assert BAD_TYPE_MISMATCH in [quality for _, quality, _ in collected.rows(0)]


@pytest.mark.parametrize("kind", ["node", "asyncua"])
async def test_times_of_the_future_and_the_past_and_several_at_one_time_pass_exactly(
    plant: Server, tmp_path: Path, kind: str
) -> None:
    second = 10_000_000  # ticks of 100 ns
    now = time.now() // 100
    exact = 3 if kind == "node" else 0  # asyncua's server keeps microseconds
    times = [now - 10**9 * second // 10, now + 3600 * second + exact, -(10**6) * second, now // 10 * 10 + exact]
    async with either(kind, plant, tmp_path, {"name": "a"}) as server:
        async with collecting(server, tmp_path, floats(server, "a")).running() as collected:
            await eventually(lambda: collected.values(0))
            for i, ticks in enumerate(times):
                await change(server, "a", 10.0 + i, time=str(ticks // 10 * 10 + exact))
                await eventually(collected.saw(0, 10.0 + i))
            for i in range(5):  # one coarse tick of the device's clock, five values
                await change(server, "a", 100.0 + i, time=str(now))
                await eventually(collected.saw(0, 100.0 + i))
        rows = list(collected.rows(0))
    assert [at for at, _, v in rows if 10 <= v < 20] == [(ticks // 10 * 10 + exact) * 100 for ticks in times]
    same = {at for at, _, v in rows if v >= 100}
    assert len(same) == 1 and [v for *_, v in rows if v >= 100] == [100.0, 101.0, 102.0, 103.0, 104.0]


async def test_an_overflowing_queue_is_a_gap_said_once_and_counted(plant: Server, tmp_path: Path) -> None:
    async with holding(plant, *({"name": f"t{i}"} for i in range(20))) as server:
        await server.do("run", period=20)
        addresses = floats(server, *(f"t{i}" for i in range(20)), queue=2)
        async with collecting(server, tmp_path, addresses, publishing="400ms").running() as collected:
            await eventually(lambda: collected.told(EventKind.GAP))
            await eventually(lambda: len(collected.values(0)) > 8)
        (gap,) = collected.told(EventKind.GAP)
        assert int(gap.details["overflows"] or 0) >= 1 and "overflowed" in gap.message
        assert int(gap.details["first"] or 0) <= int(gap.details["last"] or 0)


async def test_a_collector_that_does_not_take_makes_the_driver_wait_and_nothing_is_lost(
    plant: Server, tmp_path: Path
) -> None:
    async with holding(plant, {"name": "t0"}) as server:
        collected = collecting(server, tmp_path, floats(server, "t0"), outstanding=2)
        async with collected.driver.open(collected.addresses) as stream:
            await anext(stream)
            for i in range(80):
                await change(server, "t0", float(i + 1), then=60)
            assert len(stream._waiting) <= 64
            values: list[float] = []
            async with asyncio.timeout(60):
                async for readings in stream:
                    readings.done()
                    values += readings.value.tolist()
                    if 80.0 in values:
                        break
        assert values == sorted(values) and len(values) > 50


async def test_a_refused_deadband_is_said_and_every_change_comes(plant: Server, tmp_path: Path) -> None:
    async with holding(plant, {"name": "a"}, {"name": "s", "type": "String", "value": "x"}) as server:
        addresses = [
            Address(server.address("a"), DataType.FLOAT, deadband=5.0),
            Address(server.address("s"), DataType.FLOAT, deadband=5.0),
        ]
        async with collecting(server, tmp_path, addresses).running() as collected:
            await eventually(lambda: collected.values(0) and collected.values(1))
            for value in (1.0, 3.0, 10.0):
                await change(server, "a", value, then=120)
            await eventually(collected.saw(0, 10.0))
        assert collected.values(0) == [0.0, 10.0]
        assert [e for e in collected.told(EventKind.TAG) if "deadband" in e.message and ";s=s" in e.message]


async def test_redundant_servers_are_tried_in_turn(tmp_path: Path) -> None:
    async with (
        Server(tmp_path / "1", "asyncua", nodes=[{"name": "a", "value": 1}]) as first,
        Server(tmp_path / "2", "asyncua", nodes=[{"name": "a", "value": 2}]) as second,
    ):
        urls = ["opc.tcp://127.0.0.1:1", first.url, second.url]
        async with collecting(first, tmp_path, floats(first, "a"), url=urls).running() as collected:
            await eventually(collected.saw(0, 1.0))
            await first.kill()
            await eventually(collected.saw(0, 2.0))


@pytest.mark.parametrize("kind", ["node", "asyncua"])
async def test_history_of_an_outage_is_recalled_where_the_server_has_it(
    plant: Server, tmp_path: Path, kind: str
) -> None:
    async with either(kind, plant, tmp_path, {"name": "kept", "history": 5000}, {"name": "lost"}) as server:
        began = time.now() - 5 * time.MILLISECOND  # node-opcua's times are whole milliseconds
        for i in range(10):
            await change(server, "kept", 100.0 + i, then=10)
        collected = collecting(server, tmp_path, floats(server, "kept", "lost"))
        collected.resume |= {server.address("kept"): began, server.address("lost"): began}
        async with collected.running():
            await eventually(lambda: len([r for r in collected.readings if r.historical]) and collected.values(1))
            await eventually(lambda: collected.told(EventKind.GAP))
        history = [r for r in collected.readings if r.historical]
        values = [v for r in history for v in r.value.tolist() if v >= 100]
        assert values == [100.0 + i for i in range(10)]
        assert all((r.index == 0).all() and (np.diff(r.at) > 0).all() for r in history)
        (gap,) = collected.told(EventKind.GAP)
        assert gap.details["tags"] == 1 and int(gap.details["first"] or 0) == began


async def test_a_long_history_comes_in_pieces_and_no_more_of_it_than_wanted(plant: Server, tmp_path: Path) -> None:
    async with holding(plant, {"name": "long", "history": 9000}) as server:
        now = time.now() // 100
        for i in range(40):  # one value every 10 minutes, and five thousand in the last second
            await change(server, "long", float(i), time=str(now - (40 - i) * 6_000_000_000))
        for i in range(5000):
            await change(server, "long", 1000.0 + i, time=str(now - 10_000_000 + i * 1000))
        collected = collecting(server, tmp_path, floats(server, "long"), recall_longest="1h")
        collected.resume[server.address("long")] = (now - 300_000_000_000) * 100
        async with collected.running():
            await eventually(lambda: collected.told(EventKind.CONNECTION))
        history = [r for r in collected.readings if r.historical]
        values = [v for r in history for v in r.value.tolist()]
        assert len(history) > 2 and values[-1] == 5999.0 and len(values) == len(set(values))
        assert 5004 <= len(values) <= 5007
        (gap,) = collected.told(EventKind.GAP)
        assert "recall_longest" in gap.message


HOSTILE = {
    "silent": b"",
    "rubbish": b"\xff" * 4096,
    "an endless chunk": b"ACKF" + (2**32 - 1).to_bytes(4, "little") + b"\0" * 200_000,
    "a negative size": b"MSGF\0\0\0\0" + b"\0" * 64,
    "an acknowledgement and rubbish": b"ACKF\x1c\0\0\0" + b"\0" * 20 + b"OPNF" + b"\xff" * 64,
    "an error": b"ERRF\x18\0\0\0" + b"\0\0\x80\x80" + b"\x08\0\0\0too busy",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_server_that_is_none_is_left_in_time(tmp_path: Path, name: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read(1)
            for _ in range(100 if name == "an endless chunk" else 1):
                writer.write(HOSTILE[name])
                await writer.drain()
            await reader.read()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listener:
        url = f"opc.tcp://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        kind = kinds()["opcua"]
        driver: Any = kind.connect(
            kind.spec.model_validate({"url": url, "patience": "500ms"}), Surroundings("far", tmp_path)
        )
        with pytest.raises(Disconnected) as error:
            async with asyncio.timeout(60), driver.open([Address("i=2258", DataType.TEXT)]):
                pass
        assert error.value.where == url


async def test_a_slow_server_is_waited_for_and_loses_nothing(plant: Server, tmp_path: Path) -> None:
    async with holding(plant, {"name": "slow"}), Network(plant.config["port"]) as network:
        kind = kinds()["opcua"]
        url = f"opc.tcp://127.0.0.1:{network.port}/plant"
        config = {"url": url, "publishing": "50ms", "sampling": "0s", "queue": 100, "patience": "30s"}
        network.delay = 0.4
        collected = Collected(kind, config, tmp_path, floats(plant, "slow"))
        async with collected.running():
            await eventually(lambda: collected.values(0))
            for value in range(1, 11):
                await plant.do("set", name="slow", value=value, then=60)  # node-opcua looks at a value every 50 ms
            await eventually(lambda: collected.values(0)[-1:] == [10.0])
        assert collected.values(0) == [float(value) for value in range(11)]
        assert collected.opened == 1 and not collected.errors
