# SPDX-License-Identifier: Apache-2.0
"""Modbus: 500 devices with 30 tags each, every second; share of a core, memory, how well the schedule is kept."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from bench.figures import Figure, Topic
from bench.plant import ROOT, Running, accepted, printed, process, running, wait
from isthmus.store.history.read import open_history
from isthmus.stream.log import Endpoint, open_log

DEVICES, TAGS, SECONDS = 500, 30, 20
FEWER = 100
"""Devices of the comparison with pymodbus."""


def measure() -> Topic:
    """The figures."""
    how = (
        f"A C server of libmodbus whose registers all change is {DEVICES} devices with {TAGS} floats each in "
        f"{2 * TAGS} registers. `isthmus run` reads each every second over a connection of its own and counts what "
        f"the log has on disk, for {SECONDS} s. Reading alone: {FEWER} of the devices, with pymodbus and its "
        "converter, and with our driver. Lateness is how far two samples of a tag are from a second apart in history."
    )
    with device() as port:
        rest = [str(port), str(FEWER), str(TAGS), str(SECONDS)]
        theirs, ours = (
            _per_value(printed([sys.executable, "-m", "bench.modbus_client", who, *rest], SECONDS + 90))
            for who in ("pymodbus", "ours")
        )
        figures = list(_isthmus(port))
    return Topic(
        "Modbus",
        how,
        [
            *figures,
            Figure("reading alone, our driver", ours, "µs/value", "pymodbus", theirs, "below 1"),
        ],
    )


@contextmanager
def device() -> Iterator[int]:
    """The port of a server whose registers change each time they are read."""
    with process([str(ROOT / "tests" / "peers" / "build" / "modbus_server"), "0"]) as child:
        assert child.stdout and child.stdin
        port = int(child.stdout.readline().split()[1])
        child.stdin.write("moving 1\n")
        child.stdin.flush()
        yield port


def _per_value(result: dict[str, float]) -> float:
    return result["cpu"] / result["values"] * 1e6


def _isthmus(port: int) -> Iterator[Figure]:
    with running(_plant_file(port)) as plant:
        wait(lambda: plant.status("collect"), 120, "the collector runs")
        wait(lambda: accepted(plant) > 5 * DEVICES * TAGS, 90, "every device is read")
        before, cpu, memory = accepted(plant), plant.cpu(), plant.memory()["collect"]
        began = int(plant.status("collect")["heartbeat"])
        time.sleep(SECONDS)
        values, used, grown = accepted(plant) - before, plant.cpu(), plant.memory()["collect"]
        lasted = (int(plant.status("collect")["heartbeat"]) - began) / 1e9
        late = asyncio.run(_lateness(plant, began))
    share = {name: (used[name] - cpu[name]) / lasted * 100 for name in ("collect", "log", "record")}
    yield Figure("accepted", values / lasted, "values/s", "wanted", float(DEVICES * TAGS), "1")
    yield Figure("collector", share["collect"], "% of a core")
    yield Figure("nats-server", share["log"], "% of a core")
    yield Figure("recorder", share["record"], "% of a core")
    yield Figure("collector", (used["collect"] - cpu["collect"]) / values * 1e6, "µs/value")
    yield Figure("lateness, p50", float(np.percentile(late, 50)), "ms")
    yield Figure("lateness, p99", float(np.percentile(late, 99)), "ms")
    yield Figure("collector memory at the end", grown, "MiB", "at the beginning", memory, "flat")


def _plant_file(port: int) -> str:
    systems = "".join(
        f"  source-{n}: {{kind: modbus, host: 127.0.0.1, port: {port}, zone: field, owner: bench}}\n"
        for n in range(DEVICES)
    )
    tags = "".join(f"      v{tag}: holding.{100 + 2 * tag}:float32\n" for tag in range(TAGS))
    kinds = "".join(f"      v{tag}: {{}}\n" for tag in range(TAGS))
    return f"""version: 1
plant: acme/bench
time_zone: UTC
types:
  meter:
    tags:
{kinds}systems:
{systems}assets:
  field/meter-{{0..{DEVICES - 1}}}:
    type: meter
    system: source-{{n}}
    tags:
{tags}"""


async def _lateness(plant: Running, since: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Milliseconds by which times of one tag in 60 since then (ns) are not a second from each other."""
    endpoint = Endpoint.load(plant.data / "log" / "endpoints" / "serve.json")
    numbers = list(range(1, DEVICES * TAGS, 60))
    async with open_log(endpoint, name="bench", wait=1) as log, open_history(plant.data / "history", log) as history:
        table = history.raw(numbers, since)
    tag, at = table["tag"].to_numpy(), table["time"].cast("int64").to_numpy()
    order = np.lexsort((at, tag))
    same = np.diff(tag[order]) == 0
    late: np.ndarray[tuple[int], np.dtype[np.float64]] = np.abs(np.diff(at[order])[same] / 1e6 - 1000)
    return late
