# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the compactor at every step, of the recorder beside it, and readers meanwhile: nothing lost or doubled."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import numpy as np
import pytest

from isthmus.core.errors import InUse
from isthmus.store.history.compact import compact
from isthmus.store.history.due import MANY
from isthmus.store.history.kept import Kind
from isthmus.store.history.read import open_history
from isthmus.store.history.tend import tended
from isthmus.stream.log import Log
from isthmus.stream.server import LogServer
from tests.history.plant import collector, until
from tests.history.tending import STEPS
from tests.history.test_history_death import Oracle, compare, recorder_process

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def compactor(folder: Path, step: str, seed: int = 1) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.history.tending",
        str(folder),
        step,
        str(seed),
        cwd=ROOT,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(process: Process) -> tuple[int, str]:
    async with asyncio.timeout(240):
        _, problem = await process.communicate()
    assert process.returncode is not None
    return process.returncode, problem.decode()


async def segments(folder: Path, least: int) -> None:
    """Waits until so many are listed."""
    async with asyncio.timeout(120):
        while True:
            with closing(sqlite3.connect(folder / "manifest.db", timeout=90)) as database:
                if database.execute("SELECT count(*) FROM segments").fetchone()[0] >= least:
                    return
            await asyncio.sleep(0.02)


async def round_(log: Log, server: LogServer, folder: Path, oracle: Oracle, step: str, chance: random.Random) -> bool:
    """Some samples are recorded, a compactor dies at `step` (or does not come to it), perhaps the recorder with it."""
    least = MANY if step == "writing a run" else 2
    async with recorder_process(server, folder, "") as recording:
        for _ in range(5 * least + chance.randrange(10)):
            await oracle.publish()
        await segments(folder, least)
        async with compactor(folder, step, chance.randrange(1000)) as compacting:
            if chance.random() < 0.5:
                await oracle.publish()
                recording.kill()
            code, problem = await ended(compacting)
    assert code in (-9, 0), problem
    return code == -9


SOME = ("writing a day", "a file named", "all files named", "inside the commit", "committed", "while unlinking")


async def test_a_compactor_that_dies_at_any_step_loses_and_doubles_nothing(
    log: Log, server: LogServer, tmp_path: Path
) -> None:
    folder, chance = tmp_path / "history", random.Random(1)
    async with collector(log) as publisher:
        oracle = Oracle(log, publisher, tmp_path / "accepted")
        died = {step: await round_(log, server, folder, oracle, step, chance) for step in SOME}
        await compare(folder, log, oracle)
        assert sum(died.values()) >= len(SOME) - 2, died
        async with recorder_process(server, folder, ""):
            await asyncio.to_thread(compact, folder, wait=False)
            await compare(folder, log, oracle)


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_compactors_and_recorders_that_die_200_times_lose_and_double_nothing(
    log: Log, server: LogServer, tmp_path: Path
) -> None:
    folder, chance = tmp_path / "history", random.Random(2)
    async with collector(log) as publisher:
        oracle = Oracle(log, publisher, tmp_path / "accepted")
        died = 0
        for number in range(200):
            died += await round_(log, server, folder, oracle, chance.choice(STEPS), chance)
            if number % 10 == 9:
                if chance.random() < 0.5:
                    for path in folder.glob("manifest.db*"):
                        path.unlink()
                await compare(folder, log, oracle)
        assert died > 100


async def test_readers_whose_files_are_replaced_and_removed_at_once_miss_nothing(
    log: Log, server: LogServer, tmp_path: Path
) -> None:
    await readers_meanwhile(log, server, tmp_path, rounds=2)


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_readers_miss_nothing_for_long(log: Log, server: LogServer, tmp_path: Path) -> None:
    await readers_meanwhile(log, server, tmp_path, rounds=200)


async def readers_meanwhile(log: Log, server: LogServer, tmp_path: Path, rounds: int) -> None:
    """Four readers, some with one snapshot for many reads, while compactors replace all files again and again."""
    folder, stop, reads = tmp_path / "history", asyncio.Event(), [0]
    async with collector(log) as publisher, recorder_process(server, folder, ""):
        oracle = Oracle(log, publisher, tmp_path / "accepted")
        for _ in range(10):
            await oracle.publish()
        await segments(folder, 1)

        async def read(again: int) -> None:
            while not stop.is_set():
                sent = oracle.sent - 1
                async with open_history(folder, log) as history:
                    for _ in range(again):
                        found = await asyncio.to_thread(lambda: history.columns(range(1, 101)).value)
                        assert len(found) == len(np.unique(found)), "doubled"
                        assert len(found) >= 100 * sent, "missing"
                        assert len(found) % 100 == 0
                        at = await asyncio.to_thread(history.at, 2**62)
                        assert at["value"].to_numpy().min() >= 100 * sent, "as of"
                        reads[0] += 1
                    assert history.gaps() == []

        async with asyncio.TaskGroup() as group:
            for again in (1, 5, 20, 60):
                group.create_task(read(again))
            for _ in range(rounds):
                for _ in range(12):
                    await oracle.publish()
                async with compactor(folder, "") as compacting:
                    code, problem = await ended(compacting)
                assert code == 0, problem
            await until(lambda: reads[0] >= 20 * rounds)
            stop.set()
        await compare(folder, log, oracle)


async def test_two_compactors_at_once_one_is_refused_and_recording_goes_on(
    log: Log, server: LogServer, tmp_path: Path
) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher, recorder_process(server, folder, ""):
        oracle = Oracle(log, publisher, tmp_path / "accepted")
        await oracle.publish()
        await segments(folder, 1)
        with tended(folder) as manifest:
            async with compactor(folder, "") as second:
                code, problem = await ended(second)
            assert code == 1
            assert "InUse" in problem
            assert "another process" in problem
            before = len(manifest.segments())
            for _ in range(20):
                await oracle.publish()
            await segments(folder, before + 1)
        done = await asyncio.to_thread(compact, folder, wait=False)
        assert done.days == 1
        with pytest.raises(InUse), tended(folder), tended(folder):
            pass
        with tended(folder) as manifest:
            assert len(manifest.kept(Kind.DAY)) == 1
        await compare(folder, log, oracle)
