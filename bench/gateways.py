# SPDX-License-Identifier: Apache-2.0
"""OPC UA to MQTT: the same thousand tags through Isthmus, the ThingsBoard gateway and Node-RED."""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from bench import gateway_peers
from bench.figures import Figure, Topic
from bench.plant import Source, plant_file, running, source, wait
from tests.peers.mosquitto import Mosquitto

TAGS, PERIOD = 1000, 100
RUNS = 10
SECONDS = 8.0
"""That are measured of each run."""
SETTLE = 3.0
"""Seconds after the first value before they begin."""
LATEST = 3.0
"""Seconds after which a value that has not arrived is lost."""
PROCESSES = ("collect", "log", "deliver")
"""Those of Isthmus that the values go through; the others keep the history, and are counted besides."""

Row = tuple[int, int, float]
"""Tag, change of the source, source time in seconds since 1970."""


@dataclass(slots=True)
class Found:
    """What the runs of one gateway came to."""

    cpu: list[float] = field(default_factory=list)
    """µs per value."""
    whole: list[float] = field(default_factory=list)
    """µs per value of every process, also those the values do not go through."""
    lost: int = 0
    expected: int = 0
    late: list[float] = field(default_factory=list)
    """Seconds from source time to the subscriber."""

    def late_at(self, share: float) -> float:
        """Milliseconds."""
        return sorted(self.late)[int(share * (len(self.late) - 1))] * 1000


def measure(runs: int = RUNS) -> Topic:
    """CPU per value, loss and delay of each."""
    gateway_peers.install()
    names = {
        "Isthmus, columns": _isthmus("mqtt-columns", "columns/acme/bench", _of_columns),
        "Isthmus, a message per value": _isthmus("mqtt", "uns/acme/bench/line/+/value", _of_namespace),
        "ThingsBoard gateway": _peer(gateway_peers.thingsboard, "v1/gateway/telemetry", _of_thingsboard),
        "Node-RED": _peer(gateway_peers.node_red, "red/#", _of_red),
    }
    found = {name: Found() for name in names}
    with source(TAGS, PERIOD) as server:
        for number in range(runs):
            for name, run in names.items():
                time.sleep(random.random() * PERIOD / 1000)
                with (
                    tempfile.TemporaryDirectory() as folder,
                    Mosquitto(Path(folder) / "broker", "max_inflight_messages 1000") as broker,
                ):
                    run(server, broker, Path(folder), found[name])
                print(f"  {number + 1}/{runs} {name}: {found[name].cpu[-1]:.2f} µs/value", file=sys.stderr, flush=True)
    return Topic("OPC UA to MQTT, beside other gateways", _how(runs), list(_figures(found)), alone=runs == RUNS)


def _how(runs: int) -> str:
    return (
        f"A node-opcua server changes {TAGS:,} Doubles every {PERIOD} ms. Each gateway in turn subscribes them at "
        f"{PERIOD} ms and publishes them to mosquitto on the same machine, where mosquitto_sub writes down what "
        f"arrives and when: {runs} runs of {SECONDS:g} s each, every one a new start at a random moment between two "
        "changes. Isthmus is `isthmus run` with its log synced to disk and QoS 1 to the broker; the CPU is of its "
        "collector, log and deliverer, and once of all its processes, with the recorder who keeps the history. The "
        "others keep nothing and publish at QoS 0; the ThingsBoard gateway (3.8.5) sends batches, Node-RED (4.1.15, "
        "node-red-contrib-opcua 0.2.354) a message per value. A value is lost when a subscriber never sees it though "
        "it sees later ones of its tag. Delay is from source time to the subscriber, medians and p99 over all runs."
    )


def _figures(found: dict[str, Found]) -> Iterator[Figure]:
    mean = {name: statistics.mean(one.cpu) for name, one in found.items()}
    for name, goal in (("Isthmus, columns", "at most 0.05"), ("Isthmus, a message per value", "at most 0.4")):
        for other in ("ThingsBoard gateway", "Node-RED"):
            yield Figure(f"CPU, {name}", mean[name], "µs/value", other, mean[other], goal)
        yield Figure(f"CPU with history and all, {name}", statistics.mean(found[name].whole), "µs/value")
    for name, one in found.items():
        yield Figure(f"lost, {name}", one.lost, "values", "expected", float(one.expected))
    for name, one in found.items():
        yield Figure(f"delay p50, {name}", one.late_at(0.5), "ms")
        yield Figure(f"delay p99, {name}", one.late_at(0.99), "ms")


Run = Callable[[Source, Mosquitto, Path, Found], None]
Read = Callable[[str, dict[str, Any]], Iterable[Row]]


def _isthmus(kind: str, topics: str, read: Read) -> Run:
    def run(server: Source, broker: Mosquitto, folder: Path, found: Found) -> None:
        outputs = f"outputs:\n  it: {{kind: {kind}, url: '{broker.url}'}}\n"
        with _heard(broker, topics, folder) as lines, running(plant_file(server, TAGS, PERIOD) + outputs) as plant:
            wait(lambda: lines.stat().st_size, 60, "the first value")
            _window(found, lines, read, plant.processes)

    return run


def _peer(start: Callable[..., AbstractContextManager[int]], topics: str, read: Read) -> Run:
    def run(server: Source, broker: Mosquitto, folder: Path, found: Found) -> None:
        with _heard(broker, topics, folder) as lines, start(folder / "peer", server.url, broker.port, TAGS) as process:
            wait(lambda: lines.stat().st_size, 90, "the first value")
            _window(found, lines, read, lambda: {PROCESSES[0]: psutil.Process(process)})

    return run


@contextmanager
def _heard(broker: Mosquitto, topics: str, folder: Path) -> Iterator[Path]:
    """A file into which mosquitto_sub writes when, on which topic and what."""
    lines = folder / "heard"
    words = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-t", topics, "-F", "%U\t%t\t%p"]
    with lines.open("wb") as out:
        process = subprocess.Popen(words, stdout=out)
    try:
        yield lines
    finally:
        process.terminate()
        process.wait()


def _window(found: Found, lines: Path, read: Read, processes: Callable[[], dict[str, psutil.Process]]) -> None:
    """Measures for a while, and adds what that came to."""
    time.sleep(SETTLE)
    watched = processes()
    begin, before = time.time(), _used(watched)
    time.sleep(SECONDS)
    end, after = time.time(), _used(watched)
    time.sleep(LATEST)
    arrived, seen = 0, dict[int, set[int]]()
    with lines.open(encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                break
            when, topic, payload = line.split("\t", 2)
            for tag, change, at in read(topic, json.loads(payload)):
                arrived += begin <= float(when) < end
                if begin <= at < end:
                    seen.setdefault(change, set()).add(tag)
                    found.late.append(float(when) - at)
    spent = {name: after[name] - before[name] for name in watched}
    found.cpu.append(sum(spent.get(name, 0.0) for name in PROCESSES) / arrived * 1e6)
    found.whole.append(sum(spent.values()) / arrived * 1e6)
    expected = (max(seen) - min(seen) + 1) * TAGS
    found.expected += expected
    found.lost += expected - sum(map(len, seen.values()))


def _used(processes: dict[str, psutil.Process]) -> dict[str, float]:
    return {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}


def _row(tag: int, value: float, at: float) -> Row:
    return tag, round(value - tag * 0.001), at


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _of_columns(_: str, said: dict[str, Any]) -> Iterator[Row]:
    begin, tags = _seconds(said["from"]), [_number(path.split("/")[-2]) for path in said["tags"]]
    rows, times = said.get("tag", range(len(tags))), said.get("after", [0] * len(said["value"]))
    for position, after, value in zip(rows, times, said["value"], strict=True):
        yield _row(tags[position], value, begin + after / 1e9)


def _of_namespace(topic: str, said: dict[str, Any]) -> Iterator[Row]:
    if topic.endswith("/value"):
        yield _row(_number(topic.split("/")[-2]), said["value"], _seconds(said["at"]))


def _number(meter: str) -> int:
    return int(meter.rpartition("-")[2])


def _of_thingsboard(_: str, said: dict[str, Any]) -> Iterator[Row]:
    for entries in said.values():
        for entry in entries:
            for name, value in entry["values"].items():
                yield _row(int(name[1:]), value, entry["ts"] / 1000)


def _of_red(topic: str, said: dict[str, Any]) -> Iterator[Row]:
    yield _row(int(topic.rpartition("t")[2]), said["v"], said["t"] / 1000)
