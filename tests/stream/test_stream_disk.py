# SPDX-License-Identifier: Apache-2.0
"""The disk is full: publishing is refused early, nothing accepted is lost, it goes on when there is room."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from isthmus.core.errors import LogFull
from isthmus.core.event import Event
from isthmus.stream.log import Log, open_log
from isthmus.stream.publish import Publisher
from isthmus.stream.server import LogServer
from tests.conftest import Until
from tests.stream.making import Reading, numbered, read_all

ROWS = 5000
RESERVE = 6 << 20


@pytest.fixture
async def small(tmp_path: Path, need: Callable[[object, str], None]) -> AsyncIterator[Path]:
    """A disk of 32 MB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "none", str(place)]
    mounted = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    need(mounted.returncode == 0, "the right to mount a tmpfs")
    try:
        yield place
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", str(place)], check=True)


async def fill(publisher: Publisher, number: int) -> int:
    """Publishes numbers after `number` until the log refuses; returns the last it accepted."""
    async with asyncio.timeout(60):
        while True:
            future = await publisher.send([numbered(number + 1, ROWS)])
            try:
                await future
            except LogFull:
                return number
            number += 1


async def recorded(log: Log, reading: Reading) -> None:
    """What the recorder does: reads what there is, then purges it."""
    last = (await log.state()).last
    await reading.read(log, lambda reading: reading.position is not None and reading.position.sequence >= last)
    await log.purge(last)


async def test_the_log_refuses_before_the_disk_is_full_and_takes_samples_again_when_there_is_room(
    small: Path, until: Until
) -> None:
    told: list[Event] = []
    reading = Reading()
    async with LogServer(small / "log", max_bytes=1 << 30, reserve=RESERVE, report=told.append) as server:
        async with open_log(server.endpoint) as log, Publisher.open(log, "s", "c", 1, window=4) as publisher:
            number = 0
            for _ in range(3):
                number = await fill(publisher, number)
                assert shutil.disk_usage(small).free > RESERVE / 2
                assert (await log.state()).fill > 0.9
                await until(lambda: any("refuses" in event.message for event in told), "people are told")
                await recorded(log, reading)
                await until(lambda: "takes samples again" in told[-1].message or server.room.closed is False, "room")
                told.clear()
            await recorded(log, reading)
        assert server.restarts == 0
    assert reading.numbers == list(range(1, number + 1)) and not reading.missing and not reading.holes


async def insist(publisher: Publisher, first: int, last: int) -> None:
    """What a collector does: sends again what was refused, until all of it is accepted."""
    for number in range(first, last + 1):
        while True:
            future = await publisher.send([numbered(number, ROWS)])
            try:
                await future
                break
            except LogFull:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("left", [0, 100_000, 3_000_000])
async def test_a_disk_that_others_fill_at_once_costs_nothing_that_was_accepted(
    small: Path, until: Until, left: int
) -> None:
    told: list[Event] = []
    hog = small / "hog"
    async with (
        LogServer(small / "log", max_bytes=1 << 30, reserve=RESERVE, report=told.append) as server,
        open_log(server.endpoint) as log,
        Publisher.open(log, "s", "c", 1, window=4) as publisher,
    ):
        await insist(publisher, 1, 20)
        with hog.open("wb") as file:
            file.write(b"\0" * (shutil.disk_usage(small).free - left))
        insisting = asyncio.create_task(insist(publisher, 21, 120))
        await until(lambda: any("refuses" in event.message for event in told), "people are told")
        assert (await read_all(log)).numbers[:20] == list(range(1, 21)), "what it has can be read all the same"
        assert not insisting.done()
        hog.unlink()
        await until(lambda: any("takes samples again" in event.message for event in told), "it goes on")
        async with asyncio.timeout(60):
            await insisting
        reading = await read_all(log)
    assert reading.numbers == list(range(1, 121))
    assert (reading.missing, reading.repeated, reading.holes) == ([], [], [])


async def test_a_log_that_opens_on_a_full_disk_serves_what_it_has_and_refuses_more(small: Path, until: Until) -> None:
    hog = small / "hog"
    async with (
        LogServer(small / "log", reserve=RESERVE) as server,
        open_log(server.endpoint) as log,
        Publisher.open(log, "s", "c", 1) as publisher,
    ):
        await (await publisher.send([numbered(1)]))
    with hog.open("wb") as file:
        file.write(b"\0" * (shutil.disk_usage(small).free - 300_000))
    async with LogServer(small / "log", reserve=RESERVE) as server, open_log(server.endpoint) as log:
        assert (await read_all(log)).numbers == [1]
        async with Publisher.open(log, "s", "c", 1) as publisher:
            with pytest.raises(LogFull):
                await (await publisher.send([numbered(1, epoch=publisher.epoch)]))
            hog.unlink()
            await until(lambda: not server.room.closed, "there is room")
            await (await publisher.send([numbered(1, epoch=publisher.epoch)]))
