# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.mqtt_reading ours|paho PORT COUNT`: takes so many messages; prints READY, then its CPU and rate."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isthmus.core.tag import DataType
from isthmus.systems.contract import Address, Surroundings
from isthmus.systems.registry import kinds

TOPICS = 1000


def topic(number: int) -> str:
    return f"hall/tank-{number % TOPICS}/level"


async def ours(port: int, count: int) -> tuple[float, float]:
    """The driver as the collector opens it, every reading taken at once; CPU and wall time (s)."""
    kind = kinds()["mqtt"]
    config = {"url": f"mqtt://127.0.0.1:{port}", "time": "/at", "quality": "/quality"}
    addresses: Sequence[Address] = [Address(f"{topic(number)}#/value", DataType.FLOAT) for number in range(TOPICS)]
    with tempfile.TemporaryDirectory() as folder:
        driver: Any = kind.connect(kind.spec.model_validate(config), Surroundings("bench", Path(folder)))
        async with driver.open(addresses) as stream:
            print("READY", flush=True)
            taken, cpu, began = 0, 0.0, 0.0
            async for readings in stream:
                if not taken:
                    cpu, began = time.process_time(), time.monotonic()
                taken += len(readings)
                readings.done()
                if taken >= count:
                    return time.process_time() - cpu, time.monotonic() - began
    raise AssertionError("the stream ended")


def paho(port: int, count: int) -> tuple[float, float]:
    """paho-mqtt and json.loads, value and time as numbers and texts; CPU and wall time (s)."""
    import paho.mqtt.client as client_
    from paho.mqtt.enums import CallbackAPIVersion

    client = client_.Client(CallbackAPIVersion.VERSION2, protocol=client_.MQTTv5)
    taken: list[tuple[float, str, str]] = []
    begun, over = [0.0, 0.0], threading.Event()

    def arrived(_client: Any, _data: Any, message: Any) -> None:
        if not taken:
            begun[:] = time.process_time(), time.monotonic()
        said = json.loads(message.payload)
        taken.append((said["value"], said["at"], said["quality"]))
        if len(taken) == count:
            over.set()

    def connected(*_: Any) -> None:
        client.subscribe("hall/#", 1)

    client.on_message = arrived
    client.on_subscribe = lambda *_: print("READY", flush=True)
    client.on_connect = connected
    client.connect("127.0.0.1", port)
    client.loop_start()
    over.wait(120)
    used = time.process_time() - begun[0], time.monotonic() - begun[1]
    client.loop_stop()
    return used


def main(which: str, port: int, count: int) -> None:
    cpu, wall = asyncio.run(ours(port, count)) if which == "ours" else paho(port, count)
    print(json.dumps({"cpu": cpu / count * 1e6, "rate": count / wall}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
