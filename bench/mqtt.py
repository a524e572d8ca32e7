# SPDX-License-Identifier: Apache-2.0
"""MQTT in: messages of one JSON value each become readings, against paho-mqtt and json.loads on the same messages."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bench.figures import Figure, Topic
from bench.mqtt_reading import TOPICS, topic
from bench.plant import process
from isthmus.systems.mqtt import packet
from isthmus.systems.mqtt.client import Where, connected
from isthmus.systems.mqtt.packet import Greeting, Version
from tests.peers.mosquitto import Mosquitto

COUNT = 40_000


def measure() -> Topic:
    """CPU per value and rates."""
    how = (
        f"{COUNT:,} messages at QoS 1 on {TOPICS:,} topics, each a JSON object with a value, a time and a quality, "
        "come from mosquitto (`max_inflight_messages 0`) to one process, which acknowledges them. Ours makes readings "
        "of them: columns with time and quality. The baseline takes the three members out of json.loads's answer."
    )
    with tempfile.TemporaryDirectory() as name:
        ours, paho = (asyncio.run(_received(Path(name) / which, which)) for which in ("ours", "paho"))
    return Topic(
        "MQTT in",
        how,
        [
            Figure("CPU", ours["cpu"], "µs/value", "paho-mqtt", paho["cpu"]),
            Figure("values a second and core", 1e6 / ours["cpu"], "values/s", "paho-mqtt", 1e6 / paho["cpu"]),
            Figure("received", ours["rate"], "values/s", "paho-mqtt", paho["rate"]),
        ],
    )


async def _received(folder: Path, which: str) -> dict[str, float]:
    with (
        Mosquitto(folder, "max_inflight_messages 0") as broker,
        process([sys.executable, "-m", "bench.mqtt_reading", which, str(broker.port), str(COUNT)]) as child,
    ):
        assert child.stdout
        await asyncio.to_thread(_ready, child.stdout)
        messages = [
            (packet.text(topic(number)), b'{"value":%d.5,"at":"2026-11-23T06:30:00.123Z","quality":"Good"}' % number)
            for number in range(COUNT)
        ]
        async with connected(
            Where("127.0.0.1", broker.port), Greeting(Version.V5, "bench", 60, True), 60
        ) as connection:
            await connection.publish(messages, retain=False)
            said = await asyncio.to_thread(child.stdout.read)
    result: dict[str, float] = json.loads(said.strip().splitlines()[-1])
    return result


def _ready(lines: Iterable[str]) -> None:
    next(line for line in lines if line.startswith("READY"))
