# SPDX-License-Identifier: Apache-2.0
"""Rows that come ten times quicker than a table is looked at: none is lost, none comes twice, and the lag is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

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


@pytest.mark.parametrize("rows", [3_000, pytest.param(200_000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])
async def test_ten_times_the_rows_that_a_table_is_read_for_are_in_history_once(
    plant_server: Server, tmp_path: Path, until: Until, rows: int
) -> None:
    """A page of 20 every 200 ms is 100 rows a second; three writers come with what they can, committed in any order."""
    plant_server.do("CREATE TABLE results (id bigserial PRIMARY KEY, value float8)")
    tables = {"r": {"query": QUERY, "order": "id"}}
    config = {**plant_server.config, "every": "200ms", "page": 20, "tables": tables}
    async with LogServer(tmp_path / "log") as log:
        floor = Floor(tmp_path, log)
        tag = Tag(1, f"{PLANT}/lab/value", "", FLOAT, False)
        setting = TagSetting(tag=tag, system="lab", address="r.value")
        floor.apply([SystemSetting(name="lab", kind="sql", config=config)], [setting])
        async with floor.recording():
            process, writers = await started(tmp_path), Writers(plant_server.server, 11)
            memory = psutil.Process(process.pid).memory_info
            writers.start()
            try:
                await until(lambda: len(writers.written) >= rows // 3, "a third", within=600)
                begun = memory().rss
                await until(lambda: len(writers.written) >= rows, "all are written", within=600)
            finally:
                await asyncio.to_thread(writers.stop)

            async def all_there() -> bool:
                return len(await floor.samples(1)) >= len(writers.written)

            await until(all_there, "every row in history", within=240)
            assert memory().rss - begun < 48 << 20
            await killed(process)
            found = [value for _, value, _ in await floor.samples(1)]
    assert found == [float(id_) for id_ in sorted(writers.written)]
