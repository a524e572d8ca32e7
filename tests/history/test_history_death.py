# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the recorder at every step of a flush and at any moment: nothing accepted is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from isthmus.store.history.read import open_history
from isthmus.stream.log import Log, Quarantined
from isthmus.stream.publish import Publisher
from isthmus.stream.server import LogServer
from tests.history.dying import STEPS
from tests.history.plant import collector, numbered, recorder

ENTRY = Path(__file__).with_name("dying.py")


class Oracle:
    """Publishes numbered blocks, with as many oddities, and writes each into a file of its own once the log has it."""

    def __init__(self, log: Log, publisher: Publisher, path: Path) -> None:
        self._log, self._publisher, self._path = log, publisher, path
        self.sent = 0

    async def publish(self) -> None:
        self.sent += 1
        future = await self._publisher.send([numbered(self.sent, epoch=1)])
        async with asyncio.timeout(60):
            await future
            await self._log.quarantine("plc", "no number", str(self.sent).encode())
        with self._path.open("a") as file:
            file.write(f"{self.sent}\n")
            file.flush()
            os.fsync(file.fileno())

    def accepted(self) -> set[int]:
        return {int(line) for line in self._path.read_text().split()} if self._path.exists() else set()


@asynccontextmanager
async def recorder_process(server: LogServer, folder: Path, step: str) -> AsyncIterator[Process]:
    endpoint = server.folder / "endpoints" / "record.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(ENTRY), str(endpoint), str(folder), step, stdout=PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(120):
            await process.stdout.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def compare(folder: Path, log: Log | None, oracle: Oracle) -> None:
    """Every accepted sample once, and none that was never sent."""
    async with asyncio.timeout(60), open_history(folder, log) as history:
        found = history.raw(range(1, 101))["value"].to_numpy()
        assert history.gaps() == []
        aside = [int(Quarantined.unpack(oddity.body).payload) for oddity in history.oddities()]
    kept, rows = np.unique(found.astype(np.int64) // 100, return_counts=True)
    assert len(found) == len(np.unique(found)), "doubled"
    assert (rows == 100).all(), "part of a block"
    assert oracle.accepted() <= set(kept.tolist()) <= set(range(1, oracle.sent + 1)), "lost"
    assert aside == list(range(1, len(aside) + 1)), "quarantine lost, doubled or out of order"
    assert oracle.accepted() <= set(aside), "quarantine lost"


async def die_at_steps(server: LogServer, log: Log, tmp_path: Path, steps: list[str]) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher:
        oracle = Oracle(log, publisher, tmp_path / "accepted")
        for step in steps:
            async with recorder_process(server, folder, step) as process:
                async with asyncio.timeout(120):
                    while process.returncode is None:
                        await oracle.publish()
                assert process.returncode == -signal.SIGKILL
            await compare(folder, log, oracle)
        async with recorder(log, folder) as running:
            await oracle.publish()
            await running.has_read(log)
        await compare(folder, None, oracle)


async def die_at_any_moment(server: LogServer, log: Log, tmp_path: Path, rounds: int) -> None:
    folder, chance = tmp_path / "history", random.Random(rounds)
    async with collector(log) as publisher:
        oracle = Oracle(log, publisher, tmp_path / "accepted")
        for _ in range(rounds):
            async with recorder_process(server, folder, "") as process:
                for _ in range(chance.randrange(60)):
                    await oracle.publish()
                process.kill()
            await compare(folder, log, oracle)
        async with recorder(log, folder) as running:
            await oracle.publish()
            await running.has_read(log)
        await compare(folder, None, oracle)


async def test_the_recorder_dies_at_every_step_of_a_flush(server: LogServer, log: Log, tmp_path: Path) -> None:
    await die_at_steps(server, log, tmp_path, list(STEPS))


async def test_the_recorder_dies_at_any_moment(server: LogServer, log: Log, tmp_path: Path) -> None:
    await die_at_any_moment(server, log, tmp_path, 4)


@pytest.mark.soak
async def test_the_recorder_dies_at_every_step_over_and_over(server: LogServer, log: Log, tmp_path: Path) -> None:
    await die_at_steps(server, log, tmp_path, list(STEPS) * 23)


@pytest.mark.soak
async def test_the_recorder_dies_at_any_moment_over_and_over(server: LogServer, log: Log, tmp_path: Path) -> None:
    await die_at_any_moment(server, log, tmp_path, 200)
