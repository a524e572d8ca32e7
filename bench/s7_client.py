# SPDX-License-Identifier: Apache-2.0
"""S7 reading alone: `python -m bench.s7_client ours|snap7 PORT` prints one JSON object, CPU in µs per value."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from snap7.client import Client
from snap7.util import get_real

from isthmus.core.tag import DataType
from isthmus.systems.contract import Address, Reads, Surroundings
from isthmus.systems.registry import kinds

TAGS, ROUNDS = 400, 500


async def ours(port: int) -> float:
    """Reads with the driver as the collector opens it; CPU seconds."""
    kind = kinds()["s7"]
    spec = kind.spec.model_validate({"host": "127.0.0.1", "port": port, "every": "10ms"})
    driver: Reads = kind.connect(spec, Surroundings("plc", Path()))
    addresses = [Address(f"db1.{4 * tag}:real", DataType.FLOAT) for tag in range(TAGS)]
    values, before = -TAGS, 0.0
    async with driver.open(addresses) as stream:
        async for readings in stream:
            before = before or time.process_time()
            values += len(readings)
            if values >= TAGS * ROUNDS:
                break
    return time.process_time() - before


def theirs(port: int) -> float:
    """Reads with python-snap7's client; CPU seconds."""
    client = Client()
    client.connect("127.0.0.1", 0, 1, port)
    before = time.process_time()
    for _ in range(ROUNDS):
        data = client.db_read(1, 0, 4 * TAGS)
        values = [get_real(data, 4 * tag) for tag in range(TAGS)]
        assert len(values) == TAGS
    spent = time.process_time() - before
    client.disconnect()
    return spent


if __name__ == "__main__":
    who, port = sys.argv[1], int(sys.argv[2])
    cpu = asyncio.run(ours(port)) if who == "ours" else theirs(port)
    print(json.dumps({"cpu": cpu / TAGS / ROUNDS * 1e6}), flush=True)
