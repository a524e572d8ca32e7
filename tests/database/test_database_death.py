# SPDX-License-Identifier: Apache-2.0
"""The collector killed (SIGKILL) while several writers commit out of order: every row is in history, once."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from isthmus.core.tag import DataType, Tag
from isthmus.plant.revision import SystemSetting, TagSetting
from isthmus.stream.server import LogServer
from tests.conftest import Until
from tests.database.tables import Server
from tests.flow.floor import PLANT, Floor
from tests.peers.postgres import OWNER, PASSWORD, Postgres

START = 1_790_000_000


class Writers(threading.Thread):
    """Three connections that insert and commit in any order; some rows come long after their numbers."""

    def __init__(self, server: Postgres, seed: int, pause: float = 0.01) -> None:
        super().__init__()
        self._pause = pause
        self._server, self._random, self._end = server, random.Random(seed), threading.Event()
        self.written = set[int]()
        """Numbers whose commit the server acknowledged."""

    def run(self) -> None:
        lines = [psycopg.connect(self._server.url, user=OWNER, password=PASSWORD) for _ in range(3)]
        waiting: list[list[int]] = [[], [], []]
        while not self._end.is_set():
            place = self._random.randrange(3)
            count = self._random.choice((1, 3, 100))
            rows = lines[place].execute(
                "INSERT INTO results (value) SELECT 0 FROM generate_series(1, %s) RETURNING id", (count,)
            )
            waiting[place] += [id_ for (id_,) in rows]
            if self._random.random() < 0.5:
                self._commit(lines[place], waiting[place])
        for line, ids in zip(lines, waiting, strict=True):
            self._commit(line, ids)
            line.close()

    def _commit(self, line: psycopg.Connection[Any], ids: list[int]) -> None:
        line.commit()
        self.written.update(ids)
        ids.clear()
        self._end.wait(self._pause)

    def stop(self) -> None:
        self._end.set()
        self.join()


async def started(folder: Path) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.files.dying", str(folder), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    async with asyncio.timeout(180):
        while b"ready" not in (line := await process.stdout.readline()):
            assert line, "it ended by itself"
    return process


async def killed(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # else a ResourceWarning at collection


async def kills(folder: Path, server: Server, until: Until, rounds: int, pause: float) -> None:
    """Kills the collector so many times while rows come, then looks at what history has."""
    chosen = random.Random(7)
    server.do("CREATE TABLE results (id bigserial PRIMARY KEY, value float8)")
    query = f"SELECT id, to_timestamp({START} + id) AS time, id::float8 AS value FROM results"
    tables = {"r": {"query": query, "order": "id"}}
    config = {**server.config, "password": PASSWORD, "every": "50ms", "page": 500, "tables": tables}
    async with LogServer(folder / "log") as log:
        floor = Floor(folder, log)
        setting = TagSetting(
            tag=Tag(1, f"{PLANT}/lab/value", "", DataType.FLOAT, False), system="lab", address="r.value"
        )
        floor.apply([SystemSetting(name="lab", kind="sql", config=config)], [setting])
        async with floor.recording():
            writers = Writers(server.server, 7, pause)
            writers.start()
            try:
                for number in range(rounds):
                    before = noted(folder)
                    process = await started(folder)
                    try:
                        if number % 2:
                            await until(partial(later, folder, before), "it has taken something")
                        await asyncio.sleep(chosen.random() * 0.6)  # the phase in which it dies
                    finally:
                        await killed(process)
            finally:
                await asyncio.to_thread(writers.stop)
            process = await started(folder)

            async def all_there() -> bool:
                return len(await floor.samples(1)) >= len(writers.written)

            try:
                await until(all_there, "every row in history", within=400)
            finally:
                await killed(process)
            found = [(at, value) for at, value, _ in await floor.samples(1)]
    assert found == [((START + id_) * 10**9, float(id_)) for id_ in sorted(writers.written)]


def noted(folder: Path) -> int:
    """When something was last written into the account, ns."""
    found = 0
    for one in (folder / "run").glob("sql-lab.db*"):
        with suppress(FileNotFoundError):  # SQLite's own files beside it come and go
            found = max(found, one.stat().st_mtime_ns)
    return found


def later(folder: Path, than: int) -> bool:
    return noted(folder) > than


async def test_a_collector_killed_while_rows_come_takes_each_once(
    tmp_path: Path, plant_server: Server, until: Until
) -> None:
    await kills(tmp_path, plant_server, until, 2, 0.01)


@pytest.mark.soak
async def test_two_hundred_kills(tmp_path: Path, plant_server: Server, until: Until) -> None:
    await kills(tmp_path, plant_server, until, 200, 0.2)  # rows for as long as it takes: some hundred thousand
