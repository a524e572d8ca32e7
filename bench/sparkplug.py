# SPDX-License-Identifier: Apache-2.0
"""Sparkplug in: metrics of an edge node become readings, against a plain loop over protobuf's messages; and out."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.figures import Figure, Topic
from bench.plant import process
from bench.sparkplug_reading import GROUP, METRICS, NODE, name
from isthmus.core.quality import GOOD
from isthmus.core.tag import DataType, Tag
from isthmus.flow.deliver.output import PORTION
from isthmus.outputs.contract import Delivery, Surroundings
from isthmus.outputs.sparkplug.edge import Edge, opened
from isthmus.outputs.sparkplug.node import Node
from isthmus.outputs.sparkplug.spec import NodeSpec
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.columns import empty
from isthmus.systems.mqtt.broker import Broker
from isthmus.systems.sparkplug.address import Place
from isthmus.systems.sparkplug.message import Metric
from isthmus.systems.sparkplug.values import Type
from tests.peers.mosquitto import Mosquitto

COUNT = 500_000
EACH = 100
"""Metrics in a message."""
SENT = 200_000
AT = 1_795_000_000_000_000_000


def measure() -> Topic:
    """CPU per metric and rates."""
    how = (
        f"{COUNT:,} metrics, {EACH} in a message by alias, as doubles with a time each, come from one edge node of "
        f"{METRICS:,} metrics over mosquitto to one process. Ours makes readings of them: columns with time and "
        "quality, in the order of the sequence numbers. The baseline receives with paho-mqtt and takes name, time and "
        "value of each metric out of protobuf's own messages (upb) in a loop. Out are "
        f"{SENT:,} samples of {METRICS:,} tags, as the deliverer hands them over, until mosquitto has read them."
    )
    with tempfile.TemporaryDirectory() as folder:
        ours, plain = (asyncio.run(_received(Path(folder) / which, which)) for which in ("ours", "plain"))
        out = asyncio.run(_sent(Path(folder)))
    baseline = "paho-mqtt and a loop"
    return Topic(
        "Sparkplug in and out",
        how,
        [
            Figure("in: CPU", ours["cpu"], "µs/metric", baseline, plain["cpu"]),
            Figure("in: metrics a second and core", 1e6 / ours["cpu"], "metrics/s", baseline, 1e6 / plain["cpu"]),
            Figure("in: received", ours["rate"], "metrics/s", baseline, plain["rate"]),
            Figure("out: CPU", out, "µs/sample"),
        ],
    )


async def _sent(folder: Path) -> float:
    """CPU (µs) of a sample of this process, from columns until the broker has read it."""
    settings = [
        TagSetting(tag=Tag(n + 1, f"acme/lyon/{name(n)}", "m", DataType.FLOAT, False), system="dcs", address="")
        for n in range(METRICS)
    ]
    revision = Revision(
        number=1, created=0, author="", comment="", plant="acme/lyon", time_zone="UTC", systems=(), assets=(),
        tags=tuple(settings),
    )  # fmt: skip
    with Mosquitto(folder / "broker") as broker:
        tags = {one.tag.number: one for one in settings}
        node = Node(NodeSpec.model_validate({"url": broker.url}), Surroundings("scada", revision, tags, folder, folder))
        async with node.open() as sink:
            deliveries = [_delivery(number) for number in range(SENT // PORTION)]
            began = time.process_time()
            for delivery in deliveries:
                assert not await sink.write(delivery)
            return (time.process_time() - began) / SENT * 1e6


def _delivery(number: int) -> Delivery:
    """2,000 samples, of each tag two, after those of the numbers before."""
    at = time.time_ns() + number * 10**9
    columns = replace(
        empty(PORTION),
        tag=np.tile(np.arange(1, METRICS + 1, dtype=np.uint32), PORTION // METRICS),
        time=np.repeat(at + np.arange(PORTION // METRICS) * 10**8, METRICS),
        seen=np.full(PORTION, at, np.int64),
        value=np.linspace(0.0, 100.0 + number, PORTION),
    )
    return Delivery(columns)


def _metrics(round_: int) -> list[Metric]:
    at = AT + round_ * 1_000_000_000
    return [
        Metric(name(n), Type.DOUBLE, n + round_ / 7, at, alias=n, quality=GOOD if not round_ else None)
        for n in range(METRICS)
    ]


async def _received(folder: Path, which: str) -> dict[str, float]:
    with (
        Mosquitto(folder) as broker,
        process([sys.executable, "-m", "bench.sparkplug_reading", which, str(broker.port), str(COUNT)]) as child,
    ):
        assert child.stdout
        await asyncio.to_thread(_ready, child.stdout)
        spec, place = Broker.model_validate({"url": broker.url, "patience": "1m"}), Place(GROUP, NODE)
        async with opened(spec, "bench-edge", folder, place, 0, lambda: {"": _metrics(0)}) as edge:
            await _tell(edge)
            said = await asyncio.to_thread(child.stdout.read)
    result: dict[str, float] = json.loads(said.strip().splitlines()[-1])
    return result


async def _tell(edge: Edge) -> None:
    for round_ in range(1, COUNT // METRICS + 1):
        metrics = _metrics(round_)
        for first in range(0, METRICS, EACH):
            await edge.tell("", metrics[first : first + EACH])
        await edge.confirm()


def _ready(lines: Iterable[str]) -> None:
    next(line for line in lines if line.startswith("READY"))
