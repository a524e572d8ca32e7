# SPDX-License-Identifier: Apache-2.0
"""An accepted sample is never lost or doubled, whatever dies: the whole plant in processes, killed with SIGKILL.

The oracle is `publishing.py`: a publisher that writes down, fsynced, what the log acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from isthmus.store.history.read import open_history
from isthmus.stream.endpoint import Endpoint
from isthmus.stream.log import open_log
from tests.peers.opcua_peer import free_port
from tests.promises.publishing import TAG

PLANT = """version: 1
plant: acme/lyon
time_zone: Europe/Paris
types: {{tank: {{tags: {{level: {{unit: m}}}}}}}}
systems: {{dcs: {{kind: opcua, url: "opc.tcp://127.0.0.1:{port}", zone: control, owner: controls}}}}
assets: {{storage/tank-1: {{type: tank, system: dcs, tags: {{level: "nsu=urn:nobody;s=level"}}}}}}
"""
VICTIMS = ("publisher", "record", "log", "collect", "supervisor", "all")
ENOUGH = 20_000
"""Samples acknowledged between two kills."""


class Plant:
    """`isthmus run` and the publisher beside it; either may be dead."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.diary = folder, folder / "data", folder / "diary"
        (folder / "plant.yaml").write_text(PLANT.format(port=free_port()))
        self.diary.touch()
        self.runs = 0
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.publisher: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts what does not run."""
        if self.supervisor is None or self.supervisor.poll() is not None:
            words = [sys.executable, "-m", "isthmus", "run", str(self.folder / "plant.yaml"), "--data", str(self.data)]
            self.supervisor = self._child(words, "run.log")
            wait((self.data / "log" / "endpoints" / "collect.json").exists, 180, "the log's endpoint")
        if self.publisher is None or self.publisher.poll() is not None:
            self.runs += 1
            words = [sys.executable, "-m", "tests.promises.publishing", str(self.data), str(self.diary), str(self.runs)]
            self.publisher = self._child(words, "publisher.log")

    def _child(self, words: list[str], log: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("ab") as out:
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def pid(self, name: str) -> int | None:
        """Process id of a part; None while it is not there."""
        own = {"publisher": self.publisher, "supervisor": self.supervisor}
        if name in own:
            child = own[name]
            return child.pid if child is not None and child.poll() is None else None
        mark = "nats-server" if name == "log" else f"isthmus.app.run.{name}"
        with suppress(psutil.NoSuchProcess):
            for one in psutil.Process(self.supervisor.pid if self.supervisor else -1).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if any(mark in word for word in one.cmdline()):
                        return one.pid
        return None

    def kill(self, victim: str) -> None:
        names = [name for name in VICTIMS if name != "all"] if victim == "all" else [victim]
        for pid in [pid for name in names if (pid := self.pid(name))]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for name, child in (("publisher", self.publisher), ("supervisor", self.supervisor)):
            if child is not None and name in names:
                child.wait(180)

    def accepted(self) -> int:
        """Samples in the diary."""
        return self.diary.read_bytes().count(b"\n") * 1000

    def stop(self) -> None:
        """Ends the plant as a person would."""
        if self.supervisor is not None:
            self.supervisor.terminate()
            self.supervisor.wait(180)


@contextmanager
def plant(folder: Path) -> Iterator[Plant]:
    running = Plant(folder)
    try:
        yield running
    finally:
        running.kill("all")


def wait(condition: Callable[[], Any], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


async def prove(folder: Path, rounds: int, seed: int) -> None:
    """Kills for so many rounds, then compares the history with the diary."""
    chance = random.Random(seed)
    with plant(folder) as running:
        for number in range(rounds):
            running.start()
            before = running.accepted()
            wait(lambda before=before: running.accepted() >= before + ENOUGH, 180, f"accepting again, round {number}")  # type: ignore[misc]
            await asyncio.sleep(chance.uniform(0, 0.5))
            running.kill(VICTIMS[number % len(VICTIMS)] if number < len(VICTIMS) else chance.choice(VICTIMS))
        running.start()
        wait(lambda: running.pid("record"), 180, "a recorder at the end")
        running.kill("publisher")
        last = await last_in_the_log(running)
        wait(lambda: recorded_to(running) >= last, 180, "the recorder has read all")
        running.stop()
        await compare(running)


async def last_in_the_log(running: Plant) -> int:
    """Sequence of the newest message."""
    endpoint = Endpoint.load(running.data / "log" / "endpoints" / "admin.json")
    async with open_log(endpoint, name="test", wait=180) as log:
        return (await log.state()).last


def recorded_to(running: Plant) -> int:
    """Sequence up to which the recorder has read; 0 while none says so."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        status = json.loads((running.data / "run" / "record.json").read_text())
        if status["pid"] == running.pid("record") and status["ready"]:
            return int(status["counters"]["position"][1])
    return 0


async def compare(running: Plant) -> None:
    async with open_history(running.data / "history", None) as history:
        values = history.columns([TAG.number]).value.astype(np.int64)
        gaps = history.gaps()
    lines = [line.split() for line in running.diary.read_text().splitlines()]
    accepted = np.concatenate([np.arange(int(first), int(first) + int(count)) for first, count in lines])
    lost = np.setdiff1d(accepted, values)
    assert not len(lost), f"{len(lost)} accepted samples are lost, {lost[:5]} first"
    assert len(np.unique(values)) == len(values), "samples are there twice"
    assert not [gap for gap in gaps if gap.source == "oracle"], "a gap was told that is none"


async def test_accepted_samples_survive_the_death_of_each_process_and_of_all(tmp_path: Path) -> None:
    await prove(tmp_path, rounds=len(VICTIMS), seed=1)


@pytest.mark.soak
async def test_accepted_samples_survive_two_hundred_deaths(tmp_path: Path) -> None:
    await prove(tmp_path, rounds=200, seed=2)
