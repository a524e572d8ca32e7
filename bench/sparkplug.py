# SPDX-License-Identifier: Apache-2.0
"""Sparkplug in: metrics of an edge node become readings, against a plain loop over protobuf's messages; and out."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from bench.figures import Figure, Topic
from bench.plant import process
from bench.sparkplug_reading import GROUP, METRICS, NODE, name
from isthmus.core.quality import GOOD
from isthmus.outputs.sparkplug.edge import Edge, opened
from isthmus.systems.mqtt.broker import Broker
from isthmus.systems.sparkplug import message
from isthmus.systems.sparkplug.address import Place
from isthmus.systems.sparkplug.message import Metric
from isthmus.systems.sparkplug.values import Type
from tests.peers.mosquitto import Mosquitto

COUNT = 500_000
EACH = 100
"""Metrics in a message."""
AT = 1_795_000_000_000_000_000


def measure() -> Topic:
    """CPU per metric and rates."""
    how = (
        f"{COUNT:,} metrics, {EACH} in a message by alias, as doubles with a time each, come from one edge node of "
        f"{METRICS:,} metrics over mosquitto to one process. Ours makes readings of them: columns with time and "
        "quality, in the order of the sequence numbers. The baseline receives with paho-mqtt and takes name, time and "
        "value of each metric out of protobuf's own messages (upb) in a loop. Out is what our edge node needs to make "
        "such messages."
    )
    with tempfile.TemporaryDirectory() as folder:
        ours, plain = (asyncio.run(_received(Path(folder) / which, which)) for which in ("ours", "plain"))
    baseline = "paho-mqtt and a loop"
    return Topic(
        "Sparkplug in and out",
        how,
        [
            Figure("in: CPU", ours["cpu"], "µs/metric", baseline, plain["cpu"]),
            Figure("in: metrics a second and core", 1e6 / ours["cpu"], "metrics/s", baseline, 1e6 / plain["cpu"]),
            Figure("in: received", ours["rate"], "metrics/s", baseline, plain["rate"]),
            Figure("out: CPU", _written(), "µs/metric"),
        ],
    )


def _written() -> float:
    """CPU (µs) of one metric in a message of an edge node."""
    metrics = _metrics(0)[:EACH]
    began = time.process_time()
    for seq in range(256):
        message.data(metrics, at=AT, seq=seq)
    return (time.process_time() - began) / (256 * EACH) * 1e6


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
