# SPDX-License-Identifier: Apache-2.0
"""Ten times the normal rate, to far ends that are slow: outputs fall behind, say so, hold little, and lose nothing."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pyarrow.parquet as pq
import pytest
from asyncua import Client

from isthmus.core.time import SECOND, now
from isthmus.plant.revision import OutputSetting
from tests.conftest import Until, needed
from tests.deliver.plant import PLANT, TAGS, Plant, mqtt
from tests.peers.kafka_cluster import Cluster
from tests.peers.mosquitto import Mosquitto
from tests.peers.network import Network
from tests.peers.opcua_peer import free_port
from tests.peers.sparkplug_peer import SparkplugPeer
from tests.peers.web_peer import HERE, WHAT, WebServer

NORMAL = 20
"""Samples of each tag in a tenth of a second: of a thousand tags one each second."""
HELD = 300 << 20
"""Bytes that the deliverer may need more than at the normal rate, however long it is behind."""
PAST = now() // (3600 * SECOND) * 3600 * SECOND - 48 * 3600 * SECOND
"""Hours that are over: the share writes them into files at once."""


class Far:
    """The far ends of all outputs; `slow` and `quick` change how long each takes to answer."""

    def __init__(self, outputs: dict[str, OutputSetting]) -> None:
        self.outputs = outputs
        self.networks: list[Network] = []
        self.clusters: list[Cluster] = []
        self.slower: set[str] = set()
        """Outputs that are certainly behind at ten times the rate while their far ends are slow."""
        self.counts: dict[str, Callable[[], Awaitable[Counter[tuple[str, float]]]]] = {}
        """Output → (tag, value) of all that its far end has, how often."""

    def slow(self, times: float) -> None:
        """A broker or server that answers within some 2 ms, and a Kafka cluster that does within 200, take longer."""
        for network in self.networks:
            network.delay = 0.002 * times
        for cluster in self.clusters:
            cluster.slow(round(200 * times))


KINDS = ("mqtt", "mqtt-columns", "sparkplug", "http", "kafka", "parquet", "opcua")


@asynccontextmanager
async def far_ends(folder: Path, broker: Mosquitto, kinds: tuple[str, ...]) -> AsyncIterator[Far]:
    far = Far({})
    async with AsyncExitStack() as stack:
        for kind in kinds:
            await _MAKE[kind](far, stack, folder, broker)
        yield far


async def _slowed(far: Far, stack: AsyncExitStack, port: int) -> int:
    network = await stack.enter_async_context(Network(port))
    far.networks.append(network)
    return network.port


async def _namespace(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    port = await _slowed(far, stack, broker.port)
    far.slower.add("mqtt")
    far.outputs["mqtt"] = mqtt("mqtt", f"mqtt://127.0.0.1:{port}", patience="20s", keep_alive="20s", describe=False)
    heard = await asyncio.to_thread(broker.listen, "uns/+/+/hall/#", folder / "namespace")

    async def count() -> Counter[tuple[str, float]]:
        found = ((topic, json.loads(payload)["value"]) for topic, payload in heard.lines())
        return Counter((topic.removeprefix("uns/"), value) for topic, value in found)

    far.counts["mqtt"] = count


async def _columns(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    port = await _slowed(far, stack, broker.port)
    config = {"url": f"mqtt://127.0.0.1:{port}", "patience": "20s", "keep_alive": "20s"}
    far.outputs["mqtt-columns"] = OutputSetting(name="mqtt-columns", kind="mqtt-columns", config=config)
    heard = await asyncio.to_thread(broker.listen, "columns/#", folder / "columns")

    async def count() -> Counter[tuple[str, float]]:
        found = [json.loads(payload) for _, payload in heard.lines()]
        return Counter(
            (one["tags"][tag], value) for one in found for tag, value in zip(one["tag"], one["value"], strict=True)
        )

    far.counts["mqtt-columns"] = count


async def _sparkplug(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    port = await _slowed(far, stack, broker.port)
    config = {"url": f"mqtt://127.0.0.1:{port}", "patience": "20s", "keep_alive": "20s"}
    far.outputs["sparkplug"] = OutputSetting(name="sparkplug", kind="sparkplug", config=config)
    host = await stack.enter_async_context(SparkplugPeer(folder / "host", broker.url, host={}))
    found, paths = Counter[tuple[str, float]](), {str(n): f"{PLANT}/hall/tank-{n}/level" for n in range(1, TAGS + 1)}

    async def count() -> Counter[tuple[str, float]]:
        for one in (await host.do("heard"))["heard"]:
            if "/DDATA/" in one["topic"]:
                found.update((paths[metric["alias"]], metric["value"]) for metric in one["payload"]["metrics"])
        return found

    far.counts["sparkplug"] = count


async def _http(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    del folder, broker
    needed(HERE, WHAT)
    server = await stack.enter_async_context(WebServer())
    port = await _slowed(far, stack, server.port)
    config = {"url": f"http://127.0.0.1:{port}/samples", "timeout": "20s"}
    far.outputs["http"] = OutputSetting(name="http", kind="http", config=config)

    async def count() -> Counter[tuple[str, float]]:
        return Counter(map(tuple, await server.do("values")))

    far.counts["http"] = count


async def _kafka(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    del folder, broker
    cluster = stack.enter_context(Cluster("acme.lyon"))
    far.clusters.append(cluster)
    far.slower.add("kafka")
    config = {"servers": cluster.servers, "patience": "30s"}
    far.outputs["kafka"] = OutputSetting(name="kafka", kind="kafka", config=config)
    found, stop = Counter[tuple[str, float]](), asyncio.Event()
    reading = asyncio.create_task(asyncio.to_thread(_consume, cluster.servers, found, stop))

    async def ended() -> None:
        stop.set()
        await reading

    stack.push_async_callback(ended)

    async def count() -> Counter[tuple[str, float]]:
        return Counter(found.copy())

    far.counts["kafka"] = count


class _Message(msgspec.Struct):
    tag: str
    value: float


def _consume(servers: list[str], found: Counter[tuple[str, float]], stop: asyncio.Event) -> None:
    """Reads while it is written: the mock cluster does not keep everything."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": ",".join(servers), "group.id": "test", "log_level": 0})
    consumer.assign([TopicPartition("acme.lyon", number, OFFSET_BEGINNING) for number in range(4)])
    try:
        while not stop.is_set():
            for one in consumer.consume(5000, 0.1):
                if not one.error():
                    message = msgspec.json.decode(one.value(), type=_Message)
                    found[message.tag, message.value] += 1
    finally:
        consumer.close()


async def _parquet(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    del stack, broker
    config = {"folder": str(folder / "lake"), "settle": "0s"}
    far.outputs["parquet"] = OutputSetting(name="parquet", kind="parquet", config=config)

    def read() -> Counter[tuple[str, float]]:
        found = Counter[tuple[str, float]]()
        for path in (folder / "lake").glob("day=*/*.parquet"):
            table = pq.read_table(path, columns=["tag", "value"], partitioning=None)
            found.update(zip(table["tag"].to_pylist(), table["value"].to_pylist(), strict=True))
        return found

    async def count() -> Counter[tuple[str, float]]:
        return await asyncio.to_thread(read)

    far.counts["parquet"] = count


async def _opcua(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    """Every value that was shown is gone with the next one: a client reads the last."""
    del stack, folder, broker
    port = free_port()
    config = {"listen": f"127.0.0.1:{port}", "security": ["None"], "anonymous": True}
    far.outputs["opcua"] = OutputSetting(name="opcua", kind="opcua", config=config)

    async def count() -> Counter[tuple[str, float]]:
        async with Client(f"opc.tcp://127.0.0.1:{port}/", timeout=60) as client:
            paths = [f"{PLANT}/hall/tank-{number}/level" for number in range(1, TAGS + 1)]
            values = await client.read_values([client.get_node(f"ns=2;s={path}") for path in paths])
            return Counter(
                (path, float(value)) for path, last in zip(paths, values, strict=True) for value in range(int(last) + 1)
            )

    far.counts["opcua"] = count


_MAKE = {
    "mqtt": _namespace, "mqtt-columns": _columns, "sparkplug": _sparkplug, "http": _http, "kafka": _kafka,
    "parquet": _parquet, "opcua": _opcua,
}  # fmt: skip


class Weighed:
    """How much memory a process has had at most since it began to be looked at."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self.before = self.most = self._process.memory_info().rss

    def look(self) -> None:
        self.most = max(self.most, self._process.memory_info().rss)


async def nobody() -> None:
    """Looks."""


async def paced(floor: Plant, count: int, seconds: float, look: Callable[[], Awaitable[object]]) -> None:
    """So many samples of each tag every tenth of a second; on a busy machine less often."""
    for _ in range(round(seconds * 10)):
        await floor.publish(count)
        await look()
        await asyncio.sleep(0.1)


async def at_ten_times(
    floor: Plant, broker: Mosquitto, folder: Path, until: Until, kinds: tuple[str, ...], seconds: float
) -> None:
    async with far_ends(folder, broker, kinds) as far:
        floor.apply(list(far.outputs.values()))
        floor.start()

        def told(what: str) -> dict[str, Any]:
            return {name: floor.told(name).get(what) for name in far.outputs}

        def have(what: str, value: object) -> Callable[[], bool]:
            return lambda: set(told(what).values()) == {value}

        await until(have("state", "connected"), "all are connected", within=60)
        await paced(floor, NORMAL, 1.0, nobody)
        await until(have("lag_messages", 0), "the normal rate is no trouble", within=60)
        memory, behind = Weighed(floor.pid), set[str]()

        async def look() -> bool:
            memory.look()
            behind.update(name for name, lag in told("lag_messages").items() if lag)
            if "sparkplug" in far.counts:
                await far.counts["sparkplug"]()  # its peer hands over only so much at once
            return behind >= far.slower

        async def caught_up() -> bool:
            await look()
            return set(told("delivered").values()) == {floor.sent * TAGS}

        far.slow(10)
        await paced(floor, 10 * NORMAL, seconds, look)
        await until(look, "status tells who is behind")
        far.slow(0)
        await until(caught_up, "they catch up", within=60 + 10 * seconds)
        await until(have("lag_messages", 0), "no lag is left")
        assert set(told("parked").values()) == set(told("lost").values()) == {0}
        assert set(told("state").values()) == {"connected"}
        assert memory.most - memory.before < HELD, (memory.before, memory.most)
        paths = [f"{PLANT}/hall/tank-{number}/level" for number in range(1, TAGS + 1)]
        want = Counter((path, float(value)) for path in paths for value in range(floor.sent))
        for name, count in far.counts.items():

            async def complete(count: Callable[[], Awaitable[Counter[tuple[str, float]]]] = count) -> bool:
                return (await count()).keys() >= want.keys()

            await until(complete, f"everything is there: {name}", within=60 + 2 * seconds)
            assert await count() == want, name  # nothing was away: nothing comes a second time


async def test_at_ten_times_the_rate_slow_far_ends_get_everything_and_memory_is_bounded(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.deliver.plant.AT", PAST)
    await at_ten_times(floor, broker, tmp_path, until, KINDS, 1.0)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_minute_at_ten_times_the_rate(
    floor: Plant, broker: Mosquitto, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("tests.deliver.plant.AT", PAST)
    await at_ten_times(floor, broker, tmp_path, until, (kind,), 60.0)
