# SPDX-License-Identifier: Apache-2.0
"""The log's files are cut, changed or exchanged: noticed, bounded, told; everything goes on."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.stream.log import Log, Position, open_log
from isthmus.stream.publish import Publisher
from isthmus.stream.server import LogServer
from tests.peers.child import freeze
from tests.stream.making import Reading, numbered

SIZE = 500
LIMIT = 4 << 20
"""nats-server makes blocks of a quarter of it."""

ROUNDS = pytest.mark.parametrize(
    "round_", [*range(2), *(pytest.param(n, marks=pytest.mark.soak) for n in range(2, 60))]
)


async def publish(log: Log, first: int, last: int) -> int:
    """Publishes numbers, as one start of a collector that goes on; returns its epoch."""
    async with Publisher.open(log, "s", "c", 1) as publisher:
        futures = []
        for number in range(first, last + 1):
            samples = numbered(number, SIZE)
            samples.value[:] = number
            futures.append(await publisher.send([samples]))
        await asyncio.gather(*futures)
        return publisher.epoch


def blocks(folder: Path) -> list[Path]:
    found = (folder / "store").rglob("streams/ISTHMUS/msgs/*.blk")
    return sorted(found, key=lambda path: int(path.stem))


def cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def overwrite(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    start = chance.randrange(len(data))
    data[start : start + 3000] = chance.randbytes(len(data[start : start + 3000]))
    path.write_bytes(data)


def drop(path: Path, chance: random.Random) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [cut, flip, overwrite, drop])
@ROUNDS
async def test_damage_to_a_block_is_told_and_all_the_rest_is_read(
    tmp_path: Path, damage: Callable[[Path, random.Random], None], round_: int
) -> None:
    chance = random.Random(f"{damage.__name__}{round_}")
    folder, count = tmp_path / "log", 300
    async with LogServer(folder, max_bytes=LIMIT) as server, open_log(server.endpoint) as log:
        await publish(log, 1, count)
        before = await Reading().read(log, lambda reading: len(reading.numbers) == 40)
    if chance.random() < 0.5:  # as after a kill or a power cut: the state has to be made from the blocks
        for index in (folder / "store").rglob("streams/ISTHMUS/msgs/index.db"):
            index.unlink()
    damage(chance.choice(blocks(folder)), chance)
    async with LogServer(folder, max_bytes=LIMIT) as server, open_log(server.endpoint) as log:
        after = await go_on(log, before, count)
    taken = set(before.numbers) | set(after.numbers)
    lost = set(range(1, count + 1)) - taken
    told = {number for gap in after.missing for number in range(gap.first, gap.last + 1)}
    assert lost == told, (len(lost), len(told), after.holes, after.streams)
    assert len(before.numbers) + len(after.numbers) == len(taken), "none is taken twice"


async def go_on(log: Log, before: Reading, count: int) -> Reading:
    """Another start of the collector, and the reader from where it was; until both have met."""
    async with Publisher.open(log, "s", "c", 1) as publisher:
        # The collector lives on through this: the numbers of its epoch go on where it was.
        await (await publisher.send([numbered(count + 1, SIZE)]))
    reading = Reading(before.position)
    reading.sources = before.sources
    await reading.read(log, lambda reading: count + 1 in reading.numbers)
    return reading


@pytest.mark.parametrize("offset", [8, 300, 2000, 5000])
@pytest.mark.parametrize("index", ["with its index", "without"])
async def test_a_publisher_goes_on_when_its_newest_message_was_damaged(tmp_path: Path, offset: int, index: str) -> None:
    folder = tmp_path / "log"
    async with LogServer(folder) as server, open_log(server.endpoint) as log:
        async with Publisher.open(log, "s", "c", 1) as publisher:
            for number in range(1, 11):
                await (await publisher.send([numbered(number, SIZE)]))
            assert server.pid is not None
            pid = server.pid
            os.kill(pid, signal.SIGTERM) if index == "with its index" else freeze(pid)
            await asyncio.sleep(0)
            (block,) = blocks(folder)
            data = bytearray(block.read_bytes())
            data[-offset] ^= 0xFF
            block.write_bytes(data)
            if index == "without":
                os.kill(pid, signal.SIGKILL)
            futures = [await publisher.send([numbered(number, SIZE)]) for number in range(11, 16)]
            async with asyncio.timeout(60):
                await asyncio.gather(*futures)
        reading = await Reading().read(log, lambda reading: 15 in reading.numbers)
    assert set(range(11, 16)) <= set(reading.numbers) and not reading.repeated
    lost = set(range(1, 11)) - set(reading.numbers)
    assert lost == {number for gap in reading.missing for number in range(gap.first, gap.last + 1)}


async def test_a_store_rolled_back_to_an_older_copy_is_told_and_read_again(tmp_path: Path) -> None:
    folder, copy = tmp_path / "log", tmp_path / "copy"
    async with LogServer(folder) as server, open_log(server.endpoint) as log:
        await publish(log, 1, 50)
        reading = await Reading().read(log, lambda reading: len(reading.numbers) == 50)
    shutil.copytree(folder / "store", copy)
    async with LogServer(folder) as server, open_log(server.endpoint) as log:
        await publish(log, 51, 80)
        await reading.read(log, lambda reading: len(reading.numbers) == 80)
    shutil.rmtree(folder / "store")
    shutil.copytree(copy, folder / "store")
    async with LogServer(folder) as server, open_log(server.endpoint) as log:
        reading = await reading.read(log, lambda reading: bool(reading.streams) and reading.idle > 5)
        assert "ends at 50" in reading.streams[0].why
        await publish(log, 81, 85)
        await reading.read(log, lambda reading: 85 in reading.numbers)
    assert reading.numbers == list(range(1, 86))
    assert sorted(reading.repeated) == list(range(1, 51))
    assert reading.missing == []


async def test_a_rolled_back_store_that_has_grown_past_a_reader_is_read_again_too(tmp_path: Path) -> None:
    folder, copy = tmp_path / "log", tmp_path / "copy"
    async with LogServer(folder) as server, open_log(server.endpoint) as log:
        await publish(log, 1, 10)
    shutil.copytree(folder / "store", copy)
    async with LogServer(folder) as server, open_log(server.endpoint) as log:
        await publish(log, 11, 20)
        reading = await Reading().read(log, lambda reading: len(reading.numbers) == 20)
    shutil.rmtree(folder / "store")
    shutil.copytree(copy, folder / "store")
    async with LogServer(folder) as server, open_log(server.endpoint) as log:
        await publish(log, 21, 60)
        await reading.read(log, lambda reading: 60 in reading.numbers)
    assert reading.streams and "not the one that was read" in reading.streams[0].why
    assert reading.numbers == list(range(1, 61))


async def test_a_store_whose_description_is_destroyed_is_a_new_log(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    async with LogServer(folder) as server, open_log(server.endpoint) as log:
        await publish(log, 1, 10)
        reading = await Reading().read(log, lambda reading: len(reading.numbers) == 10)
    for meta in (folder / "store").rglob("streams/ISTHMUS/meta.*"):
        meta.write_bytes(b"garbage")
    async with LogServer(folder) as server, open_log(server.endpoint) as log:
        await publish(log, 11, 12)
        await reading.read(log, lambda reading: 12 in reading.numbers)
    assert [new.why for new in reading.streams] == ["it is another log"]
    assert reading.numbers == list(range(1, 13))


async def test_a_position_that_makes_no_sense_is_not_believed(log_server: LogServer, admin_log: Log) -> None:
    await publish(admin_log, 1, 3)
    for position in (Position("", 0), Position("x", 2**62), Position((await admin_log.state()).stream, 2**62, 5)):
        reading = await Reading(position).read(admin_log, lambda reading: len(reading.numbers) == 3)
        assert reading.streams
