# SPDX-License-Identifier: Apache-2.0
"""Rows that come ten times quicker than a table is looked at: none is lost, none comes twice, and the lag is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from isthmus.core.event import EventKind
from isthmus.core.tag import DataType, Tag
from isthmus.plant.revision import SystemSetting, TagSetting
from isthmus.stream.server import LogServer
from isthmus.systems.sql import lag, reading, source, window
from tests.conftest import Until
from tests.database.tables import Server, collecting
from tests.database.test_database_death import Writers, killed, started
from tests.flow.floor import PLANT, Floor
from tests.peers.network import Network
from tests.peers.postgres import OWNER, PASSWORD

FLOAT = DataType.FLOAT
QUERY = "SELECT id, to_timestamp(1790000000 + id) AS time, id::float8 AS value FROM results"


async def test_a_row_that_comes_late_in_a_flood_is_taken_though_the_end_is_never_reached(
    plant_server: Server, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "MOST", 400)
    monkeypatch.setattr(reading, "MOST", 400)
    monkeypatch.setattr(lag, "FIRST", 0.001)
    plant_server.do("CREATE TABLE results (id bigserial PRIMARY KEY)")
    tables = {"r": {"query": QUERY, "order": "id"}}
    collected = collecting(plant_server, tmp_path, tables, [("r.value", FLOAT)], page=20)
    with psycopg.connect(plant_server.server.url, user=OWNER, password=PASSWORD) as late:
        plant_server.do("INSERT INTO results SELECT FROM generate_series(1, 50)")
        late.execute("INSERT INTO results DEFAULT VALUES")  # has its number, and is not visible
        plant_server.do("INSERT INTO results SELECT FROM generate_series(1, 1500)")
        collected.keep = False
        async with collected.running():
            await until(lambda: len(collected.values(0)) == 8 * 20, "as many pages as may wait")
            await asyncio.to_thread(late.commit)
            collected.keep = True
            for page in collected.readings:
                page.done()
            await until(lambda: len(collected.values(0)) >= 1550, "all of it")
            await until(collected.saw(0, 51), "the late one")
            await until(lambda: collected.told(EventKind.OVERRUN)[-1].message.endswith("again"), "its end is reached")
    assert sorted(collected.values(0)) == [float(n) for n in range(1, 1552)]
    first, *_, last = [event.message for event in collected.told(EventKind.OVERRUN)]
    assert "table r has had more rows than were taken for" in first and "the latest of 2026-09-21T" in first
    assert last == "table r is read to its end again"


async def test_no_more_pages_are_read_ahead_than_may_wait_for_the_log(
    plant_server: Server, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not taken yet stays in the database: memory does not grow with the flood."""
    monkeypatch.setattr(source, "BEAT", 0.2)
    plant_server.do("CREATE TABLE results (id bigserial PRIMARY KEY)")
    tables = {"r": {"query": QUERY, "order": "id"}}
    collected = collecting(plant_server, tmp_path, tables, [("r.value", FLOAT)], page=10)
    collected.keep = False
    async with collected.running():
        for _ in range(10):
            plant_server.do("INSERT INTO results SELECT FROM generate_series(1, 100)")
        await until(lambda: len(collected.values(0)) == source.AHEAD * 10, "as many as may wait")
        await until(lambda: any(not len(one) for one in collected.readings), "a sign of life, though it waits")
        assert len(collected.values(0)) == source.AHEAD * 10
        collected.keep = True
        for page in collected.readings:
            page.done()
        await until(lambda: len(collected.values(0)) == 1000, "all")


@pytest.mark.parametrize("rows", [1_500, pytest.param(60_000, marks=[pytest.mark.soak, pytest.mark.timeout(1500)])])
async def test_ten_times_the_rows_that_a_table_is_read_for_are_in_history_once(
    plant_server: Server, tmp_path: Path, until: Until, rows: int
) -> None:
    """A page of 20 every 200 ms is 100 rows a second; three writers come with what they can, committed in any order."""
    async with writing(plant_server, tmp_path, plant_server.config, page=20) as (floor, writers, process):
        await until(lambda: len(writers.written) >= rows // 3, "a third", within=600)
        begun = process.memory_info().rss
        await until(lambda: len(writers.written) >= rows, "all are written", within=600)
        await written_once(floor, writers, until)
        assert process.memory_info().rss - begun < 48 << 20


@pytest.mark.parametrize("seconds", [2.0, pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
async def test_through_a_cut_under_load_every_row_is_in_history_once(
    plant_server: Server, tmp_path: Path, until: Until, seconds: float
) -> None:
    async with Network(plant_server.server.port) as network:
        config = {**plant_server.config, "url": f"postgresql://127.0.0.1:{network.port}/postgres"}
        async with writing(plant_server, tmp_path, config, pause=0.1) as (floor, writers, _):

            async def more(than: int) -> bool:
                await asyncio.sleep(0.2)
                return len(await floor.samples(1)) > than

            await until(partial(more, 100), "rows flow")
            network.cut()
            await asyncio.sleep(seconds)
            before = len(await floor.samples(1))
            written = len(writers.written)
            assert before < written
            network.mend()
            await until(partial(more, before), "rows flow again")
            await written_once(floor, writers, until)
            told = [one.details["state"] for one in await floor.events() if one.kind is EventKind.CONNECTION]
    assert told == ["connected", "disconnected", "connected"]


@asynccontextmanager
async def writing(
    server: Server, folder: Path, config: Mapping[str, Any], pause: float = 0.01, **more: Any
) -> AsyncIterator[tuple[Floor, Writers, psutil.Process]]:
    """A collector in a process of its own, and three writers to the table that it reads."""
    server.do("CREATE TABLE results (id bigserial PRIMARY KEY, value float8)")
    tables = {"r": {"query": QUERY, "order": "id"}}
    async with LogServer(folder / "log") as log:
        floor, writers = Floor(folder, log), Writers(server.server, 11, pause)
        tag = Tag(1, f"{PLANT}/lab/value", "", FLOAT, False)
        setting = TagSetting(tag=tag, system="lab", address="r.value")
        said = {**config, "every": "200ms", "tables": tables, **more}
        floor.apply([SystemSetting(name="lab", kind="sql", config=said)], [setting])
        async with floor.recording():
            process = await started(folder)
            writers.start()
            try:
                yield floor, writers, psutil.Process(process.pid)
            finally:
                await asyncio.to_thread(writers.stop)
                await killed(process)


async def written_once(floor: Floor, writers: Writers, until: Until) -> None:
    """Ends the writers; what they wrote is in history, each row once."""
    await asyncio.to_thread(writers.stop)

    async def all_there() -> bool:
        await asyncio.sleep(0.2)  # to look costs more than to wait
        return len(await floor.samples(1)) >= len(writers.written)

    await until(all_there, "every row in history", within=400)
    assert await floor.values(1) == [float(id_) for id_ in sorted(writers.written)]
