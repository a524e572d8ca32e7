# SPDX-License-Identifier: Apache-2.0
"""A running Isthmus for a measurement: `isthmus run` on a plant file in a folder of its own, its processes watched."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent
MODULES = ROOT / "tests" / "peers" / "node_modules"


@dataclass(frozen=True, slots=True)
class Source:
    """The node-opcua server whose tags all change at once."""

    port: int
    uri: str

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/bench"


@contextmanager
def source(tags: int, period: int) -> Iterator[Source]:
    """A source with so many tags that all change every `period` ms."""
    with process(["node", str(ROOT / "bench" / "opcua_source.js"), str(tags), str(period)]) as child:
        assert child.stdout
        words = next(line.split() for line in child.stdout if line.startswith("READY"))
        yield Source(int(words[1]), words[2])


@contextmanager
def process(command: list[str], **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A child that ends with its block, and with its input."""
    import os

    environment = {**os.environ, "NODE_PATH": str(MODULES)}
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        cwd=ROOT, **more,
    )  # fmt: skip
    with child:
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()


def printed(command: list[str], seconds: float) -> dict[str, float]:
    """What a client of ours prints at its end: one JSON object in its last line."""
    with process(command) as child:
        output, _ = child.communicate(timeout=seconds)
    result: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    return result


def plant_file(source: Source, tags: int, publishing: int) -> str:
    """A plant of float tags that are all read from `source`."""
    return f"""version: 1
plant: acme/bench
time_zone: UTC
types:
  meter: {{tags: {{value: {{unit: "1"}}}}}}
systems:
  source: {{kind: opcua, url: "{source.url}", publishing: {publishing}ms, sampling: 0s, zone: control, owner: bench}}
assets:
  line/meter-{{0..{tags - 1}}}:
    type: meter
    system: source
    tags: {{value: "nsu={source.uri};s=t{{n}}"}}
"""


class Running:
    """`isthmus run` in a folder, and what its processes use."""

    def __init__(self, data: Path, child: subprocess.Popen[str]) -> None:
        self.data, self.child = data, child

    def status(self, service: str) -> Mapping[str, Any]:
        """The status file of a service; empty while there is none."""
        try:
            found: dict[str, Any] = json.loads((self.data / "run" / f"{service}.json").read_text())
        except (OSError, ValueError):
            return {}
        return found

    def counters(self, service: str) -> Mapping[str, Any]:
        counters: Mapping[str, Any] = self.status(service).get("counters", {})
        return counters

    def processes(self) -> dict[str, psutil.Process]:
        """By what they do: supervisor, collect, record, deliver, serve, log."""
        found = {"supervisor": psutil.Process(self.child.pid)}
        for process in psutil.Process(self.child.pid).children(recursive=True):
            words = " ".join(process.cmdline())
            for name, mark in (
                ("collect", ".run.collect"),
                ("record", ".run.record"),
                ("deliver", ".run.deliver"),
                ("serve", ".run.serve"),
                ("log", "nats-server"),
            ):
                if mark in words:
                    found[name] = process
        return found

    def cpu(self) -> dict[str, float]:
        """User and system seconds so far, by process."""
        return {name: sum(process.cpu_times()[:2]) for name, process in self.processes().items()}

    def memory(self) -> dict[str, float]:
        """Unique set size in MiB, by process."""
        return {name: process.memory_full_info().uss / 2**20 for name, process in self.processes().items()}


@contextmanager
def running(plant: str) -> Iterator[Running]:
    """`isthmus run` of a plant file, from a folder that goes away with it."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "plant.yaml").write_text(plant)
        command = [sys.executable, "-m", "isthmus", "run", str(folder / "plant.yaml"), "--data", str(folder / "data")]
        child = stack.enter_context(process(command))
        yield Running(folder / "data", child)


def wait(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer of `condition`; raises TimeoutError that names `what`."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
    return answer


def accepted(plant: Running) -> int:
    """Values the log has; waits for the collector's next report, so that two answers are a whole time apart."""
    last = plant.status("collect").get("heartbeat")
    status = wait(lambda: (s := plant.status("collect")) and s.get("heartbeat") != last and s, 10, "a report")
    return int(status["counters"].get("accepted", 0))
