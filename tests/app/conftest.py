# SPDX-License-Identifier: Apache-2.0
"""The program as its users start it: real processes, ended by their ids, and nothing of them left."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
from typer.testing import CliRunner

from isthmus.app.cli.commands import app
from isthmus.app.condition import gather
from isthmus.app.recorded import recorded
from isthmus.app.run.place import Place
from isthmus.core.errors import IsthmusError, Misasked, NotFound


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


PROGRAM = [sys.executable, "-m", "isthmus"]


def run(*arguments: str | Path, timeout: float = 180, **options: Any) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    words = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False, **options)


def invoke(*arguments: str | Path) -> Result:
    """One command in this process, which is quicker: what it prints and its exit code."""
    try:
        result = CliRunner().invoke(app, [*map(str, arguments)], prog_name="isthmus")
    finally:
        structlog.reset_defaults()
    if isinstance(result.exception, IsthmusError):
        return Result(
            2 if isinstance(result.exception, Misasked) else 1, result.stdout, f"isthmus: {result.exception}\n"
        )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Result(result.exit_code, result.stdout, result.stderr)


def wait(condition: Callable[[], object], what: str, within: float = 180) -> None:
    """Until the condition holds; fails with `what` when it does not in time."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {within:g} s: {what}")
        time.sleep(0.05)


def processes(data: Path) -> list[psutil.Process]:
    """Every process that has to do with a data directory."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.status() != psutil.STATUS_ZOMBIE and any(str(data) in word for word in words):
                found.append(process)
        except psutil.Error:
            continue
    return found


@dataclass
class Plant:
    """A plant in a directory of its own, and the program that runs it."""

    data: Path
    words: list[str] = field(default_factory=lambda: ["demo", "tank-farm"])
    process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        if self.process is not None:
            self.process.wait(180)
        with (self.data.parent / "output.txt").open("a") as output:
            words = [*PROGRAM, *self.words, "--data", str(self.data), *arguments]
            self.process = subprocess.Popen(words, stdout=output, stderr=output, text=True)
        return self.process

    @property
    def output(self) -> str:
        return (self.data.parent / "output.txt").read_text()

    def status(self) -> dict[str, Any]:
        return gather(Place(self.data))

    def ready(self, within: float = 300) -> None:
        def is_ready() -> bool:
            assert self.process is None or self.process.poll() is None, self.output
            try:
                return bool(self.status()["state"] == "ready")
            except NotFound:
                return False

        wait(is_ready, f"the plant is ready: {self.output}", within)

    def pid(self, service: str) -> int:
        found = self.status()
        return int((found["log"]["pid"] if service == "log" else found["services"][service]["pid"]) or 0)

    def alive(self, service: str) -> int:
        """The process id of a service that runs, once it does: 0 would be this process and all beside it."""
        found = 0

        def runs() -> bool:
            nonlocal found
            found = self.pid(service)
            return found > 0

        wait(runs, f"{service} runs")
        return found

    def samples(self) -> list[tuple[Any, ...]]:
        """Every sample ever recorded or accepted: tag, time, value, quality, marks."""
        found = asyncio.run(recorded(Place(self.data), ["**"], "-1d", "now"))
        return [(row.setting.tag.path, row.time, row.value, row.quality, row.mark) for row in found.rows()]

    def end(self, number: int = signal.SIGTERM, within: float = 180) -> int:
        """Ends the program and waits for it; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(within)

    def gone(self, within: float = 180) -> None:
        """Fails unless every process of the plant ends by itself."""
        wait(lambda: not processes(self.data), f"no process is left: {processes(self.data)}", within)
        if self.process is not None:
            self.process.wait(180)


def ends(plant: Plant) -> list[tuple[str, str]]:
    """(what, process) of the last end of the plant, in their order: `told to end` and `ended`."""
    lines = [json.loads(line) for line in (plant.data / "run" / "run.log").read_text().splitlines()]
    last = max(place for place, line in enumerate(lines) if line["event"] == "log ready")
    return [(one["event"], one["process"]) for one in lines[last:] if one["event"] in ("told to end", "ended")]


@contextmanager
def plant(folder: Path, name: str = "plant-data") -> Iterator[Plant]:
    """A plant, not started yet; ended with the block, and nothing of it left."""
    made = Plant(folder / name)
    try:
        yield made
        if made.process is not None and made.process.poll() is None:
            made.end()
    finally:
        for process in processes(made.data):
            with suppress(psutil.NoSuchProcess):  # it was ending already
                process.kill()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Plant]:
    """The demo, not started yet."""
    with plant(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """The demo, ready, for all tests that leave it as it was. Its folder has the demo's default name in it."""
    with plant(tmp_path_factory.mktemp("shared"), "tank-farm-data") as made:
        made.start()
        made.ready()
        wait(lambda: made.status()["counters"]["accepted"] > 60, "samples are accepted")
        yield made
