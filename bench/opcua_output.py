# SPDX-License-Identifier: Apache-2.0
"""An OPC UA server whose tags all change every 100 ms: `python -m bench.opcua_output ours|library PORT TAGS SECONDS`.

It says `{"ready": true}`; for each line of its input it then measures for so many seconds and prints one JSON object:
changes made, and CPU seconds spent.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from asyncua import Server, ua

from isthmus.core.tag import DataType, Tag
from isthmus.outputs.contract import Delivery, Surroundings
from isthmus.outputs.opcua.server import OpcUaServer
from isthmus.outputs.opcua.spec import OpcUaServerSpec
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.columns import Columns, empty

PLANT = "bench/plant"
URI = f"urn:isthmus:{PLANT}"
PERIOD = 0.1

Change = Callable[[float], Awaitable[None]]
"""Gives every tag this value, now."""


def columns(count: int, value: float) -> Columns:
    """One sample of every tag."""
    now = np.full(count, time.time_ns(), np.int64)
    none = empty(count)
    return Columns(
        words=(),
        tag=np.arange(count, dtype=np.uint32),
        time=now,
        seen=now,
        value=np.full(count, value),
        integer=none.integer,
        whole=none.whole,
        text=none.text,
        quality=none.quality,
        mark=none.mark,
    )


async def ours(port: int, count: int, run: Callable[[Change], Awaitable[None]]) -> None:
    tags = {
        n: TagSetting(tag=Tag(n, f"{PLANT}/t{n}", "", DataType.FLOAT, False), system="dcs", address=str(n))
        for n in range(count)
    }
    revision = Revision(
        number=1, created=0, author="", comment="", plant=PLANT, time_zone="UTC", systems=(), assets=(),
        tags=tuple(tags.values()),
    )  # fmt: skip
    spec = OpcUaServerSpec(listen=f"127.0.0.1:{port}", security=["None"], anonymous=True, users=None, sessions=50)
    with tempfile.TemporaryDirectory() as name:
        house = Surroundings("ua", revision, tags, Path(name), Path(name))
        async with OpcUaServer(spec, house).open() as sink:

            async def change(value: float) -> None:
                await sink.write(Delivery(columns(count, value)))

            await run(change)


async def library(port: int, count: int, run: Callable[[Change], Awaitable[None]]) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(URI)
    nodes = [
        (await server.nodes.objects.add_variable(ua.NodeId(f"{PLANT}/t{n}", index), f"t{n}", 0.0)).nodeid
        for n in range(count)
    ]
    async with server:

        async def change(value: float) -> None:
            now = datetime.now(UTC)
            for node in nodes:
                given = ua.DataValue(ua.Variant(value, ua.VariantType.Double), SourceTimestamp=now, ServerTimestamp=now)
                await server.write_attribute_value(node, given)

        await run(change)


async def main(kind: str, port: int, count: int, seconds: float) -> None:
    changes = 0

    async def feed(change: Change) -> None:
        nonlocal changes
        due, value = time.monotonic(), 0.0
        while True:
            value += 1.0
            await change(value)
            changes += count
            due = max(due + PERIOD, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    async def run(change: Change) -> None:
        print(json.dumps({"ready": True}), flush=True)
        feeding = asyncio.create_task(feed(change))
        while await asyncio.to_thread(sys.stdin.readline):
            before, used, began = changes, _cpu(), time.monotonic()
            await asyncio.sleep(seconds)
            said = {"changes": changes - before, "cpu": _cpu() - used, "seconds": time.monotonic() - began}
            print(json.dumps(said), flush=True)
        feeding.cancel()

    await (ours if kind == "ours" else library)(port, count, run)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
