# SPDX-License-Identifier: Apache-2.0
"""OPC UA receive: CPU per value of our collector, to accepted in the log, against two clients that only receive."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from bench.figures import Figure, Topic
from bench.plant import ROOT, Source, accepted, plant_file, printed, running, source, wait

SECONDS = 20
LOADS = ((1000, 100), (5000, 500))


def measure() -> Topic:
    """The figures of both loads."""
    how = (
        "A node-opcua server changes all its tags (Double) at once. Each client receives them in turn, for "
        f"{SECONDS} s: asyncua's client with a handler that counts, node-opcua's client with a callback that counts, "
        "and `isthmus run`, whose collector decodes, standardises and publishes, and counts what the log has on disk."
    )
    return Topic("OPC UA receive", how, [figure for load in LOADS for figure in _load(*load)])


def _load(tags: int, period: int) -> Iterator[Figure]:
    with source(tags, period) as server:
        rest = [server.url, server.uri, str(tags), str(SECONDS), str(period)]
        asyncua = _per_value(printed([sys.executable, "-m", "bench.asyncua_client", *rest], SECONDS + 90))
        node = _per_value(printed(["node", str(ROOT / "bench" / "opcua_client.js"), *rest], SECONDS + 90))
        ours, log, recorder = _isthmus(server, tags, period)
    name = f"{tags:,} tags at {period} ms"
    yield Figure(f"collector, {name}", ours, "µs/value", "asyncua's handler", asyncua, "at most 0.125")
    yield Figure(f"collector, {name}", ours, "µs/value", "node-opcua's client", node, "below 1")
    yield Figure(f"nats-server, {name}", log, "µs/value")
    yield Figure(f"recorder, {name}", recorder, "µs/value")


def _per_value(result: dict[str, float]) -> float:
    return result["cpu"] / result["values"] * 1e6


def _isthmus(server: Source, tags: int, period: int) -> tuple[float, float, float]:
    """µs per accepted value of collector, log and recorder."""
    with running(plant_file(server, tags, period)) as plant:
        wait(lambda: accepted(plant) > 2 * tags, 60, "the collector is under way")
        before, cpu = accepted(plant), plant.cpu()
        time.sleep(SECONDS)
        after, used = accepted(plant), plant.cpu()
    values = after - before
    collect, log, record = ((used[name] - cpu[name]) / values * 1e6 for name in ("collect", "log", "record"))
    return collect, log, record
