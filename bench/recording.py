# SPDX-License-Identifier: Apache-2.0
"""The recorder alone: `python -m bench.recording DATA` records until it has read the sequence its input names.

One JSON object: samples recorded, CPU seconds, peak memory in MiB at a third of the time and at the end.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import psutil

from bench.memory import peak
from isthmus.store.history.record import Progress, record
from isthmus.stream.log import Endpoint, open_log


async def main(data: Path) -> None:
    stop, cpu = asyncio.Event(), time.process_time()
    told: list[int] = []
    began: list[float] = []
    memory: list[tuple[float, float]] = []
    latest: list[Progress] = []

    def progress(now: Progress) -> None:
        latest[:] = [now]
        if now.rows and not began:
            began.append(time.monotonic())
        if told and now.position and now.position.sequence >= told[0]:
            stop.set()
        memory.append((time.monotonic(), psutil.Process().memory_info().rss / 2**20))

    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: told.append(int(sys.stdin.readline() or 0)))
    async with open_log(Endpoint.load(data / "log" / "endpoints" / "record.json"), name="bench") as log:
        await record(log, data / "history", stop=stop, progress=progress)
    third = max((rss for at, rss in memory if at - memory[0][0] < (memory[-1][0] - memory[0][0]) / 3), default=0.0)
    result = {
        "recorded": latest[0].recorded,
        "seconds": time.monotonic() - began[0],
        "cpu": time.process_time() - cpu,
        "third": third,
        "end": memory[-1][1],
        "peak": peak(),
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
