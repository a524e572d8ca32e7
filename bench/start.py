# SPDX-License-Identifier: Apache-2.0
"""How light it is: the command line's start, a plant's start, and what an idle plant's processes hold in memory."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time

from bench.figures import Figure, Topic
from bench.plant import Running, plant_file, running, source, wait
from isthmus.core.errors import IsthmusError
from isthmus.store.history.read import open_history
from isthmus.stream.log import Endpoint, open_log

RUNS = 15
TAGS = 20
IDLE = 20


def measure() -> Topic:
    """The figures."""
    how = (
        f"Median of {RUNS} starts each, alternating. The plant has {TAGS} tags of one node-opcua server that change "
        f"every second; memory is what each process alone holds (USS) after {IDLE} s."
    )
    plain, helped = _starts()
    with source(TAGS, 1000) as server:
        began = time.monotonic()
        with running(plant_file(server, TAGS, 250)) as plant:
            wait(lambda: _has_value(plant), 60, "the first value")
            first = time.monotonic() - began
            time.sleep(IDLE)
            memory = plant.memory()
    return Topic(
        "Start and memory",
        how,
        [
            Figure("isthmus --help", helped * 1e3, "ms", "python -c pass", plain * 1e3),
            Figure("isthmus run, to the first value in history", first, "s"),
            *(Figure(f"memory of {name}", size, "MiB") for name, size in sorted(memory.items())),
            Figure("memory of all", sum(memory.values()), "MiB"),
        ],
    )


def _starts() -> tuple[float, float]:
    times: dict[str, list[float]] = {"plain": [], "help": []}
    for _ in range(RUNS):
        for name, words in (("plain", ["-c", "pass"]), ("help", ["-m", "isthmus", "--help"])):
            before = time.monotonic()
            subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
            times[name].append(time.monotonic() - before)
    return statistics.median(times["plain"]), statistics.median(times["help"])


def _has_value(plant: Running) -> bool:
    try:
        return asyncio.run(_rows(plant)) > 0
    except (IsthmusError, OSError):
        return False


async def _rows(plant: Running) -> int:
    endpoint = Endpoint.load(plant.data / "log" / "endpoints" / "serve.json")
    async with open_log(endpoint, name="bench", wait=1) as log, open_history(plant.data / "history", log) as history:
        return int(history.last(None).num_rows)
