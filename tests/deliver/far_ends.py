# SPDX-License-Identifier: Apache-2.0
"""Far ends of every kind of output, which a test can make slow or cut off, and which tell what they have."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
from asyncua import Client

from isthmus.core.time import SECOND, now
from isthmus.plant.revision import OutputSetting
from tests.conftest import Until, needed
from tests.deliver.plant import PLANT, TAGS, Plant
from tests.peers.kafka_cluster import Cluster
from tests.peers.mosquitto import Mosquitto
from tests.peers.network import Network
from tests.peers.opcua_peer import free_port
from tests.peers.sparkplug_peer import SparkplugPeer
from tests.peers.web_peer import HERE, WHAT, WebServer

PAST = now() // (3600 * SECOND) * 3600 * SECOND - 48 * 3600 * SECOND
"""Hours that are over: the share writes them into files at once."""
PATHS = [f"{PLANT}/hall/tank-{number}/level" for number in range(1, TAGS + 1)]

Values = Counter[tuple[str, float]]
"""(tag, value), how often."""
Count = Callable[[], Awaitable[Values]]


def everything(floor: Plant) -> Values:
    """What the log has accepted, each once."""
    return Counter((path, float(value)) for path in PATHS for value in range(floor.sent))


class Far:
    """The far ends of all outputs; `slow` and `quick` change how long each takes to answer."""

    def __init__(self, patience: str) -> None:
        self.patience = patience
        """How long the outputs wait for an answer."""
        self.outputs: dict[str, OutputSetting] = {}
        self.networks: list[Network] = []
        self.clusters: list[Cluster] = []
        self.slower: set[str] = set()
        """Outputs that are certainly behind at ten times the rate while their far ends are slow."""
        self.counts: dict[str, Count] = {}
        """Output → what its far end has."""

    def slow(self, times: float) -> None:
        """A broker or server that answers within some 2 ms, and a Kafka cluster that does within 200, take longer."""
        for network in self.networks:
            network.delay = 0.002 * times
        for cluster in self.clusters:
            cluster.slow(round(200 * times))

    def cut(self) -> None:
        """Nobody reaches them."""
        for network in self.networks:
            network.cut()
        for cluster in self.clusters:
            cluster.cut()

    def freeze(self) -> None:
        """Nothing of them arrives any more, and nobody is told."""
        for network in self.networks:
            network.freeze()
        for cluster in self.clusters:
            cluster.freeze()

    def mend(self) -> None:
        """All is as it was."""
        for network in self.networks:
            network.mend()
        for cluster in self.clusters:
            cluster.thaw()
            cluster.mend()

    async def look(self) -> None:
        """Takes what a peer hands over only so much of at once."""
        if "sparkplug" in self.counts:
            await self.counts["sparkplug"]()

    async def complete(self, floor: Plant, until: Until, *, within: float) -> None:
        """Waits until each far end has everything that the log accepted; nothing twice where it was never away."""
        want = everything(floor)
        for name, count in self.counts.items():

            async def has_all(count: Count = count) -> bool:
                return (await count()).keys() >= want.keys()

            await until(has_all, f"everything is there: {name}", within=within)
            assert (await count()).keys() == want.keys(), name
            away = any("disconnected" in one for one in await floor.said(name))
            assert away or await count() == want, name


KINDS = ("mqtt", "mqtt-columns", "sparkplug", "http", "kafka", "parquet", "opcua")


@asynccontextmanager
async def far_ends(
    folder: Path, broker: Mosquitto, kinds: tuple[str, ...], patience: str = "30s"
) -> AsyncIterator[Far]:
    """Far ends of an output of each of these kinds, which is named like it."""
    far = Far(patience)
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
    config = {"url": f"mqtt://127.0.0.1:{port}", "patience": far.patience, "describe": False}
    far.outputs["mqtt"] = OutputSetting(name="mqtt", kind="mqtt", config=config)
    heard = await asyncio.to_thread(broker.listen, "uns/+/+/hall/#", folder / "namespace")

    async def count() -> Values:
        found = ((topic, json.loads(payload)["value"]) for topic, payload in heard.lines())
        return Counter((topic.removeprefix("uns/"), value) for topic, value in found)

    far.counts["mqtt"] = count


async def _columns(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    port = await _slowed(far, stack, broker.port)
    config = {"url": f"mqtt://127.0.0.1:{port}", "patience": far.patience}
    far.outputs["mqtt-columns"] = OutputSetting(name="mqtt-columns", kind="mqtt-columns", config=config)
    heard = await asyncio.to_thread(broker.listen, "columns/#", folder / "columns")

    async def count() -> Values:
        found = [json.loads(payload) for _, payload in heard.lines()]
        return Counter(
            (one["tags"][row], value)
            for one in found
            for row, value in zip(one.get("tag", range(len(one["tags"]))), one["value"], strict=True)
        )

    far.counts["mqtt-columns"] = count


async def _sparkplug(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    port = await _slowed(far, stack, broker.port)
    config = {"url": f"mqtt://127.0.0.1:{port}", "patience": far.patience}
    far.outputs["sparkplug"] = OutputSetting(name="sparkplug", kind="sparkplug", config=config)
    host = await stack.enter_async_context(SparkplugPeer(folder / "host", broker.url, host={}))
    found, paths = Values(), {str(alias): path for alias, path in enumerate(PATHS, start=1)}

    async def count() -> Values:
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
    config = {"url": f"http://127.0.0.1:{port}/samples", "timeout": far.patience}
    far.outputs["http"] = OutputSetting(name="http", kind="http", config=config)

    async def count() -> Values:
        return Counter(map(tuple, await server.do("values")))

    far.counts["http"] = count


async def _kafka(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    del folder, broker
    cluster = stack.enter_context(Cluster("acme.lyon"))
    far.clusters.append(cluster)
    far.slower.add("kafka")
    config = {"servers": cluster.servers, "patience": far.patience}
    far.outputs["kafka"] = OutputSetting(name="kafka", kind="kafka", config=config)
    found, stop = Values(), asyncio.Event()
    reading = asyncio.create_task(asyncio.to_thread(_consume, cluster.servers, found, stop))

    async def ended() -> None:
        stop.set()
        await reading

    stack.push_async_callback(ended)

    async def count() -> Values:
        return Counter(found.copy())

    far.counts["kafka"] = count


class _Message(msgspec.Struct):
    tag: str
    value: float


def _consume(servers: list[str], found: Values, stop: asyncio.Event) -> None:
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

    def read() -> Values:
        found = Values()
        for path in (folder / "lake").glob("day=*/*.parquet"):
            table = pq.read_table(path, columns=["tag", "value"], partitioning=None)
            found.update(zip(table["tag"].to_pylist(), table["value"].to_pylist(), strict=True))
        return found

    async def count() -> Values:
        return await asyncio.to_thread(read)

    far.counts["parquet"] = count


async def _opcua(far: Far, stack: AsyncExitStack, folder: Path, broker: Mosquitto) -> None:
    """Every value that was shown is gone with the next one: a client reads the last."""
    del stack, folder, broker
    port = free_port()
    config = {"listen": f"127.0.0.1:{port}", "security": ["None"], "anonymous": True}
    far.outputs["opcua"] = OutputSetting(name="opcua", kind="opcua", config=config)

    async def count() -> Values:
        async with Client(f"opc.tcp://127.0.0.1:{port}/", timeout=60) as client:
            values = await client.read_values([client.get_node(f"ns=2;s={path}") for path in PATHS])
            return Counter(
                (path, float(value)) for path, last in zip(PATHS, values, strict=True) for value in range(int(last) + 1)
            )

    far.counts["opcua"] = count


_MAKE = {
    "mqtt": _namespace, "mqtt-columns": _columns, "sparkplug": _sparkplug, "http": _http, "kafka": _kafka,
    "parquet": _parquet, "opcua": _opcua,
}  # fmt: skip
