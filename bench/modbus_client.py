# SPDX-License-Identifier: Apache-2.0
"""Modbus reading alone, by our driver or by pymodbus: the same devices, registers, interval and values.

`python -m bench.modbus_client ours|pymodbus PORT DEVICES TAGS SECONDS` reads TAGS floats of each device every second
and prints one JSON object: values read and CPU seconds spent meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient

from isthmus.core.tag import DataType
from isthmus.systems.contract import Address, Reads, Surroundings
from isthmus.systems.registry import kinds


class Count:
    values = 0


async def theirs(port: int, device: int, devices: int, tags: int, count: Count) -> None:
    """Reads with pymodbus, and makes floats of the registers with its own converter."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    loop = asyncio.get_running_loop()
    due = loop.time() + device / devices
    while True:
        await asyncio.sleep(due - loop.time())
        due += 1
        answer = await client.read_holding_registers(100, count=2 * tags, device_id=1)
        values = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
        assert isinstance(values, list)
        count.values += len(values)


async def ours(port: int, device: int, devices: int, tags: int, count: Count) -> None:
    """Reads with the driver as the collector opens it."""
    kind = kinds()["modbus"]
    spec = kind.spec.model_validate({"host": "127.0.0.1", "port": port})
    driver: Reads = kind.connect(spec, Surroundings(f"meter-{device}", Path()))
    addresses = [Address(f"holding.{100 + 2 * tag}:float32", DataType.FLOAT) for tag in range(tags)]
    async with driver.open(addresses) as stream:
        async for readings in stream:
            count.values += len(readings)


async def main(who: str, port: int, devices: int, tags: int, seconds: float) -> None:
    read, count = {"ours": ours, "pymodbus": theirs}[who], Count()
    tasks = [asyncio.create_task(read(port, device, devices, tags, count)) for device in range(devices)]
    await asyncio.sleep(3)
    count.values, before = 0, time.process_time()
    await asyncio.sleep(seconds)
    print(json.dumps({"values": count.values, "cpu": time.process_time() - before}), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    who, *rest = sys.argv[1:]
    asyncio.run(main(who, *map(int, rest)))
