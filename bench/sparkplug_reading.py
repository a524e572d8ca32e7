# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.sparkplug_reading ours|plain PORT COUNT`: takes so many metrics; prints READY, its CPU and rate."""

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
from isthmus.systems.sparkplug.payload import Payload

METRICS = 1000
GROUP, NODE = "bench", "edge"


def name(number: int) -> str:
    return f"hall/tank-{number}/level"


async def ours(port: int, count: int) -> tuple[float, float]:
    """The driver as the collector opens it; CPU and wall time (s)."""
    kind = kinds()["sparkplug"]
    addresses: Sequence[Address] = [Address(f"{GROUP}/{NODE}:{name(n)}", DataType.FLOAT) for n in range(METRICS)]
    with tempfile.TemporaryDirectory() as folder:
        spec = kind.spec.model_validate({"url": f"mqtt://127.0.0.1:{port}", "ask": False})
        driver: Any = kind.connect(spec, Surroundings("bench", Path(folder)))
        async with driver.open(addresses) as stream:
            print("READY", flush=True)
            taken, cpu, began = -METRICS, 0.0, 0.0  # the birth
            async for readings in stream:
                taken += len(readings)
                readings.done()
                if taken <= 0:
                    cpu, began = time.process_time(), time.monotonic()
                if taken >= count:
                    return time.process_time() - cpu, time.monotonic() - began
    raise AssertionError("the stream ended")


def plain(port: int, count: int) -> tuple[float, float]:
    """paho-mqtt, and a loop over protobuf's own messages: name by alias, time and value; CPU and wall time (s)."""
    import paho.mqtt.client as client_
    from paho.mqtt.enums import CallbackAPIVersion

    client = client_.Client(CallbackAPIVersion.VERSION2, protocol=client_.MQTTv5)
    taken: list[tuple[str, int, Any]] = []
    names: dict[int, str] = {}
    begun, over = [0.0, 0.0], threading.Event()

    def arrived(_client: Any, _data: Any, message: Any) -> None:
        payload = Payload.FromString(message.payload)
        if "/NBIRTH/" in message.topic:
            names.update({metric.alias: metric.name for metric in payload.metrics})
            begun[:] = time.process_time(), time.monotonic()
            return
        taken.extend(
            (names[metric.alias], metric.timestamp, getattr(metric, metric.WhichOneof("value")))
            for metric in payload.metrics
        )
        if len(taken) >= count:
            over.set()

    def connected(*_: Any) -> None:
        client.subscribe(f"spBv1.0/{GROUP}/#", 0)

    client.on_message = arrived
    client.on_subscribe = lambda *_: print("READY", flush=True)
    client.on_connect = connected
    client.connect("127.0.0.1", port)
    client.loop_start()
    over.wait(50)
    used = time.process_time() - begun[0], time.monotonic() - begun[1]
    client.loop_stop()
    assert len(taken) >= count
    return used


def main(which: str, port: int, count: int) -> None:
    cpu, wall = asyncio.run(ours(port, count)) if which == "ours" else plain(port, count)
    print(json.dumps({"cpu": cpu / count * 1e6, "rate": count / wall}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
