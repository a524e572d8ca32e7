# SPDX-License-Identifier: Apache-2.0
"""A webhook under more than it takes, and through a cut: what was acknowledged is in history once, and nothing else."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from isthmus.core.tag import DataType, Tag
from isthmus.plant.revision import SystemSetting, TagSetting
from isthmus.stream.server import LogServer
from tests.conftest import Until
from tests.database.test_database_death import killed
from tests.files.test_files_death import started
from tests.flow.floor import PLANT, Floor
from tests.peers.network import Network
from tests.peers.opcua_peer import free_port
from tests.web.hook import SECRET, push
from tests.web.test_webhook_death import Sender, count

SENDERS = 8


@dataclass
class Hook:
    """A collector with a webhook in a process of its own, and the history it fills."""

    floor: Floor
    port: int
    process: asyncio.subprocess.Process

    @property
    def memory(self) -> int:
        size: int = psutil.Process(self.process.pid).memory_info().rss
        return size

    async def counted(self) -> Counter[float]:
        return Counter(await self.floor.values(1))


@asynccontextmanager
async def listening(folder: Path, rate: int) -> AsyncIterator[Hook]:
    port = free_port()
    async with LogServer(folder / "log") as log:
        floor = Floor(folder, log)
        config = {"listen": f"127.0.0.1:{port}", "path": "/results", "secret": SECRET, "rate": rate}
        tag = Tag(1, f"{PLANT}/lab/number", "", DataType.FLOAT, False)
        setting = TagSetting(tag=tag, system="lab", address="value")
        floor.apply([SystemSetting(name="lab", kind="webhook", config=config)], [setting])
        async with floor.recording():
            process = await started(folder)
            try:
                yield Hook(floor, port, process)
            finally:
                await killed(process)


@dataclass
class Burst(threading.Thread):
    """Pushes one number after the other as fast as it is answered, whatever the answer says."""

    port: int
    first: int
    accepted: list[int] = field(default_factory=list)
    refused: dict[int, str | None] = field(default_factory=dict)
    """Number → the Retry-After that came with the 429."""
    odd: list[tuple[int, int, object]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__()

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        number = self.first
        while not self.over.is_set():
            try:
                status, said = push(self.port, f"number-{number}", {"value": number})
            except (OSError, ValueError, json.JSONDecodeError):  # before it listens
                time.sleep(0.02)
                continue
            if status == 202:
                self.accepted.append(number)
            elif status == 429:
                self.refused[number] = said["retry"]
            else:
                self.odd.append((number, status, said))
            number += SENDERS


async def stopped(senders: Sequence[Burst | Sender]) -> None:
    for sender in senders:
        sender.over.set() if isinstance(sender, Burst) else sender.stop()
    await asyncio.gather(*(asyncio.to_thread(sender.join, 240) for sender in senders))


@pytest.mark.parametrize("accepted", [30, pytest.param(1_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
async def test_of_a_burst_ten_times_as_quick_every_accepted_message_is_kept_once_and_every_other_told_when_to_come(
    tmp_path: Path, until: Until, accepted: int
) -> None:
    """Ten messages a second are allowed; eight senders do not wait."""
    async with listening(tmp_path, rate=10) as hook:
        senders = [Burst(hook.port, first) for first in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            await until(lambda: count_of(senders) >= 10, "the first are taken")
            begun = hook.memory
            enough = lambda: count_of(senders) >= accepted and any(sender.refused for sender in senders)  # noqa: E731
            await until(enough, "enough are taken, and one is not", within=600)
        finally:
            await stopped(senders)
        grown = hook.memory - begun
        taken = [number for sender in senders for number in sender.accepted]

        async def all_there() -> bool:
            await asyncio.sleep(0.2)  # to look costs more than to wait
            return sum((await hook.counted()).values()) >= len(taken)

        await until(all_there, "what was accepted is in history")
        assert await hook.counted() == Counter(map(float, taken))
        again = next(number for sender in senders for number in sender.refused)

        async def welcome() -> bool:
            return (await asyncio.to_thread(push, hook.port, f"number-{again}", {"value": again}))[0] == 202

        await until(welcome, "one that was refused is taken when it comes again")
    told = [retry for sender in senders for retry in sender.refused.values()]
    assert set(told) == {"1"} and not [one for sender in senders for one in sender.odd]
    assert grown < 32 << 20


def count_of(senders: Sequence[Burst]) -> int:
    return sum(len(sender.accepted) for sender in senders)


@pytest.mark.parametrize("seconds", [2.0, pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
async def test_through_a_cut_under_load_as_many_are_in_history_as_were_acknowledged(
    tmp_path: Path, until: Until, seconds: float
) -> None:
    async with listening(tmp_path, rate=10_000) as hook, Network(hook.port) as network:
        senders = [Sender(network.port, first) for first in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            await until(lambda: count(senders) >= 100, "they are acknowledged")
            network.cut()
            before = count(senders)
            await asyncio.sleep(seconds)
            assert count(senders) <= before + SENDERS  # what each was told before the cut
            network.mend()
            await until(lambda: count(senders) >= before + 100, "they are acknowledged again")
        finally:
            await stopped(senders)
        taken = [float(number) for sender in senders for number in sender.taken]

        async def all_there() -> bool:
            await asyncio.sleep(0.2)  # to look costs more than to wait
            return sum((await hook.counted()).values()) >= len(taken)

        await until(all_there, "what was acknowledged is in history")
        assert await hook.counted() == Counter(taken)
