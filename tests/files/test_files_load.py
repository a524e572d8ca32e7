# SPDX-License-Identifier: Apache-2.0
"""A folder into which ten times as much is dropped, and one that is away for a while: every row is in history once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from isthmus.core.event import Event, EventKind
from isthmus.core.tag import DataType, Tag
from isthmus.plant.revision import SystemSetting, TagSetting
from isthmus.stream.server import LogServer
from tests.conftest import Until
from tests.files.test_files_death import started
from tests.flow.floor import PLANT, Floor

START = 1_790_000_000_000_000
"""µs since 1970."""


class Dropping:
    """Who drops files: each row has a number that counts on, and its time."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows, self._files = folder, 0, 0

    def drop(self, rows: int) -> None:
        """One more file of so many rows."""
        numbers = range(self.rows, self.rows + rows)
        hidden = self.folder / f".{self._files:05d}.csv"
        hidden.write_text("time,one\n" + "".join(f"{START + n},{n}\n" for n in numbers))
        hidden.rename(self.folder / f"{self._files:05d}.csv")
        self.rows, self._files = self.rows + rows, self._files + 1

    @property
    def expected(self) -> list[tuple[int, float, int]]:
        return [((START + n) * 1_000, float(n), 0) for n in range(self.rows)]


@asynccontextmanager
async def collecting(folder: Path) -> AsyncIterator[tuple[Floor, Dropping, psutil.Process]]:
    async with LogServer(folder / "log") as log:
        floor, dropping = Floor(folder, log), Dropping(folder / "drop")
        dropping.folder.mkdir()
        config = {"folder": str(dropping.folder), "every": "100ms", "settle": "0s"}
        tag = Tag(1, f"{PLANT}/lab/one", "", DataType.FLOAT, False)
        floor.apply(
            [SystemSetting(name="lab", kind="files", config=config)], [TagSetting(tag=tag, system="lab", address="one")]
        )
        async with floor.recording():
            process = await started(folder)
            try:
                yield floor, dropping, psutil.Process(process.pid)
            finally:
                process.kill()
                await process.wait()
                process._transport.close()  # type: ignore[attr-defined]  # else a ResourceWarning at collection


@pytest.mark.parametrize(
    ("files", "rows"),
    [(20, 1_000), pytest.param(200, 2_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])],
)
async def test_ten_times_as_much_as_is_looked_for_is_taken_file_after_file(
    tmp_path: Path, until: Until, files: int, rows: int
) -> None:
    """A file at each look would be what is usual: all of them lie there at once."""
    async with collecting(tmp_path) as (floor, dropping, process):
        await asyncio.to_thread(dropping.drop, rows)
        await until((dropping.folder / "done" / "00000.csv").exists, "the first")
        begun = process.memory_info().rss
        for _ in range(files):
            await asyncio.to_thread(dropping.drop, rows)
        await until((dropping.folder / "done" / f"{files:05d}.csv").exists, "all are done", within=900)
        assert process.memory_info().rss - begun < 64 << 20

        async def all_there() -> bool:
            await asyncio.sleep(0.2)  # to look costs more than to wait
            return len(await floor.samples(1)) >= dropping.rows

        await until(all_there, "every row in history", within=240)
        assert await floor.samples(1) == dropping.expected


@pytest.mark.parametrize("seconds", [2.0, pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
async def test_a_folder_that_is_away_under_load_costs_no_row(tmp_path: Path, until: Until, seconds: float) -> None:
    """As a share is that is not mounted; who drops files writes on, at its own end."""
    async with collecting(tmp_path) as (floor, dropping, _):
        here, away = dropping.folder, tmp_path / "away"
        for _ in range(5):
            await asyncio.to_thread(dropping.drop, 50)
        await until((here / "done" / "00000.csv").exists, "they are taken")
        dropping.folder = here.rename(away)

        async def told() -> bool:
            await asyncio.sleep(0.2)  # to look costs more than to wait
            return "disconnected" in [event.details.get("state") for event in await connections(floor)]

        await until(told, "it says that the folder is away")
        before, end = len(await floor.samples(1)), asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await asyncio.to_thread(dropping.drop, 50)
            await asyncio.sleep(0.2)
        assert len(await floor.samples(1)) == before < dropping.rows
        dropping.folder = away.rename(here)
        for _ in range(5):
            await asyncio.to_thread(dropping.drop, 50)

        async def all_there() -> bool:
            await asyncio.sleep(0.2)  # to look costs more than to wait
            return len(await floor.samples(1)) >= dropping.rows

        await until(all_there, "every row in history", within=240)
        assert await floor.samples(1) == dropping.expected
        states = [event.details["state"] for event in await connections(floor)]
        assert states == ["connected", "disconnected", "connected"]


async def connections(floor: Floor) -> list[Event]:
    return [event for event in await floor.events() if event.kind is EventKind.CONNECTION]
