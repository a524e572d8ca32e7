# SPDX-License-Identifier: Apache-2.0
"""The collector killed (SIGKILL) while messages are pushed: each is in history once, whatever its sender was told."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from isthmus.core.tag import DataType, Tag
from isthmus.plant.revision import SystemSetting, TagSetting
from isthmus.store.history.read import open_history
from isthmus.stream.log import open_log
from isthmus.stream.server import LogServer
from tests.contract.adapters import eventually
from tests.files.test_files_death import started
from tests.flow.floor import PLANT, Floor
from tests.peers.opcua_peer import free_port
from tests.web.hook import SECRET, push

SENDERS = 8


class Sender(threading.Thread):
    """Pushes numbers, each until it is acknowledged; its rows have no time of their own."""

    def __init__(self, port: int, first: int) -> None:
        super().__init__()
        self._port, self._next, self._over = port, first, threading.Event()
        self.taken: list[int] = []
        self.repeated = 0

    def run(self) -> None:
        while not self._over.is_set():
            if self._pushed(self._next):
                self.taken.append(self._next)
                self._next += SENDERS

    def _pushed(self, number: int) -> bool:
        while True:
            try:
                status, said = push(self._port, f"number-{number}", {"value": number})
            except (OSError, ValueError, json.JSONDecodeError):
                time.sleep(0.02)
            else:
                self.repeated += bool(said.get("repeated"))
                return status == 202

    def stop(self) -> None:
        self._over.set()


def count(senders: list[Sender]) -> int:
    return sum(len(sender.taken) for sender in senders)


def reached(senders: list[Sender], goal: int) -> bool:
    return count(senders) >= goal


async def killed(folder: Path, rounds: int) -> None:
    chosen, port = random.Random(7), free_port()
    async with LogServer(folder / "log") as server:
        floor = Floor(folder, server)
        config = {"listen": f"127.0.0.1:{port}", "path": "/results", "secret": SECRET, "rate": 10_000}
        tag = Tag(1, f"{PLANT}/lab/number", "", DataType.FLOAT, False)
        setting = TagSetting(tag=tag, system="lab", address="value")
        floor.apply([SystemSetting(name="lab", kind="webhook", config=config)], [setting])
        senders = [Sender(port, first) for first in range(SENDERS)]
        for sender in senders:
            sender.start()
        async with floor.recording():
            for number in range(rounds + 1):
                process = await started(folder)
                goal = count(senders) + chosen.randrange(8, 40)
                await eventually(partial(reached, senders, goal), within=240)
                if number == rounds:
                    for sender in senders:
                        sender.stop()
                    await asyncio.gather(*(asyncio.to_thread(sender.join, 240) for sender in senders))
                process.kill()
                await process.wait()
                process._transport.close()  # type: ignore[attr-defined]  # else a ResourceWarning at collection
        taken = [number for sender in senders for number in sender.taken]
        async with (
            open_log(server.endpoint_of("serve"), name="read") as log,
            open_history(folder / "history", log) as read,
        ):
            counted = Counter(read.raw([1])["value"].to_pylist())
    assert counted == Counter(map(float, taken))


async def test_a_collector_killed_while_messages_come_keeps_each_once(tmp_path: Path) -> None:
    await killed(tmp_path, 1)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_two_hundred_kills_while_messages_come(tmp_path: Path) -> None:
    await killed(tmp_path, 200)
