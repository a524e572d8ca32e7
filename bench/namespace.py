# SPDX-License-Identifier: Apache-2.0
"""The unified namespace: from the log to a broker's acknowledgement, against paho-mqtt sending the same messages."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.figures import Figure, Topic
from bench.plant import printed
from tests.deliver.plant import TAGS, Plant, mqtt, plant
from tests.peers.mosquitto import Mosquitto

MESSAGES = 100
"""Of the log."""
ROWS = 200
"""Samples of each tag in each of them."""
PAHO = 40_000
"""Messages of the baseline: paho-mqtt queues 65,535 at most."""
WINDOW = 1000
"""Messages mosquitto takes unacknowledged; 20 unless it is told otherwise."""


def measure() -> Topic:
    """CPU per message and rates, with a wide window and with the one mosquitto has by itself."""
    count = MESSAGES * ROWS * TAGS
    how = (
        f"{count:,} samples in {MESSAGES} messages of the log, every one a change, go out as retained JSON at QoS 1 "
        "over MQTT 5 to mosquitto on the same machine: the deliverer's process, reading, JSON, position on disk and "
        "all. The baseline is a loop of json.dumps and paho-mqtt's publish with such messages, waiting for the same "
        f"acknowledgements. mosquitto's `max_inflight_messages` is {WINDOW:,}, and once the 20 that it is unless said."
    )
    with tempfile.TemporaryDirectory() as name:
        wide = asyncio.run(_delivered(Path(name) / "wide", WINDOW))
        narrow = asyncio.run(_delivered(Path(name) / "narrow", 20))
        paho = _paho(Path(name) / "paho")
    return Topic(
        "The unified namespace",
        how,
        [
            Figure("deliverer's CPU", wide["cpu"], "µs/message", "paho-mqtt", paho["cpu"], "0.5"),
            Figure("samples a second and core", 1e6 / wide["cpu"], "samples/s", "paho-mqtt", 1e6 / paho["cpu"]),
            Figure("sent and acknowledged", wide["rate"], "messages/s", "paho-mqtt", paho["rate"]),
            Figure("deliverer's CPU, window of 20", narrow["cpu"], "µs/message"),
            Figure("sent and acknowledged, window of 20", narrow["rate"], "messages/s"),
        ],
    )


async def _delivered(folder: Path, window: int) -> dict[str, float]:
    with Mosquitto(folder / "broker", f"max_inflight_messages {window}") as broker:
        async with plant(folder / "data") as floor:
            floor.apply([mqtt("namespace", broker.url)])
            floor.start()
            await _until(floor, "state", "connected")
            process = psutil.Process(floor.pid)
            cpu, began = sum(process.cpu_times()[:2]), time.monotonic()
            for _ in range(MESSAGES):
                await floor.publish(ROWS)
            await _until(floor, "delivered", floor.sent * TAGS)
            count = floor.sent * TAGS
            return {
                "cpu": (sum(process.cpu_times()[:2]) - cpu) / count * 1e6,
                "rate": count / (time.monotonic() - began),
            }


async def _until(floor: Plant, key: str, value: object) -> None:
    end = time.monotonic() + 120
    while floor.told("namespace").get(key) != value:
        if time.monotonic() > end:
            raise TimeoutError(f"{key} is not {value}: {floor.told('namespace')}")
        await asyncio.sleep(0.02)


def _paho(folder: Path) -> dict[str, float]:
    with Mosquitto(folder, f"max_inflight_messages {WINDOW}") as broker:
        words = [sys.executable, "-m", "bench.paho_publisher", str(broker.port), str(PAHO)]
        return printed(words, 120)
