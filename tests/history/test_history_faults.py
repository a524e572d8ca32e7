# SPDX-License-Identifier: Apache-2.0
"""The log is another one, was set back or is full of nonsense; the disk is full: said, bounded, and it goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.core.errors import Disconnected
from isthmus.core.time import LATEST
from isthmus.plant.revision import Former, TagSetting
from isthmus.store.history.former import joined
from isthmus.store.history.read import History, open_history
from isthmus.stream import names
from isthmus.stream.log import Endpoint, Log, open_log
from isthmus.stream.server import LogServer
from tests.history.plain import block
from tests.history.plant import START, TAGS, accepted, collector, numbered, recorder, until


def values(history: History) -> list[float]:
    found: list[float] = sorted(history.raw(range(1, 101))["value"].to_pylist())
    return found


def blocks(*numbers: int) -> list[float]:
    return [float(number * 100 + i) for number in sorted(numbers) for i in range(100)]


async def record_and_publish(place: Path, folder: Path, epoch: int, *numbers: int) -> None:
    """One life of a log server, a collector and a recorder, until everything is recorded."""
    async with (
        LogServer(place) as server,
        open_log(server.endpoint) as log,
        collector(log, epoch) as publisher,
        recorder(log, folder) as running,
    ):
        await accepted(publisher, *(numbered(n, epoch=epoch, before=numbers[0] - 1) for n in numbers))
        await running.has_read(log)


async def test_another_log_is_said_and_read_from_its_beginning(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    await record_and_publish(tmp_path / "log", folder, 1, 1, 2, 3)
    shutil.rmtree(tmp_path / "log")
    await record_and_publish(tmp_path / "log", folder, 2, 4)
    async with open_history(folder) as history:
        assert sorted(set(values(history))) == blocks(1, 2, 3, 4)
        assert len(values(history)) == 400
        (gap,) = history.gaps()
        assert gap.source == "log"
        assert "another log" in gap.message


async def test_a_log_set_back_doubles_nothing_and_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    await record_and_publish(tmp_path / "log", folder, 1, 1, 2)
    shutil.copytree(tmp_path / "log", tmp_path / "older")
    await record_and_publish(tmp_path / "log", folder, 2, 3, 4, 5)
    shutil.rmtree(tmp_path / "log")
    (tmp_path / "older").rename(tmp_path / "log")
    async with LogServer(tmp_path / "log") as server, open_log(server.endpoint) as log:
        async with open_history(folder, log) as history:
            assert values(history) == blocks(1, 2, 3, 4, 5)
            assert len(history.gaps()) == 1
        async with collector(log, 3) as publisher, recorder(log, folder) as running:
            await accepted(publisher, numbered(6, epoch=3, before=5))
            await running.has_read(log)
            async with open_history(folder, log) as history:
                assert values(history) == blocks(1, 2, 3, 4, 5, 6)
    async with open_history(folder) as history:
        assert values(history) == blocks(1, 2, 3, 4, 5, 6)
        assert [gap.source for gap in history.gaps()] == ["log"]


async def test_the_log_server_restarts_under_recorder_and_reader(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with (
        LogServer(tmp_path / "log") as server,
        open_log(server.endpoint) as log,
        collector(log) as publisher,
        recorder(log, folder, rows=300, seconds=0.2) as running,
    ):
        for n in range(1, 61):
            if n % 20 == 0:
                assert server.pid
                os.kill(server.pid, 9)
            await accepted(publisher, numbered(n, epoch=1))
        await running.has_read(log)
        async with asyncio.timeout(60), open_history(folder, log) as history:
            assert values(history) == blocks(*range(1, 61))
    async with open_history(folder) as history:
        assert values(history) == blocks(*range(1, 61))
        assert history.gaps() == []


HOSTILE = [
    b"",
    b"\xff\xfe",
    b"{}",
    b"[" * 5000,
    b'{"id":"x","kind":"gap","severity":"error","source":"s","at":%d,"message":"m"}' % 2**63,
    b'{"id":"x","kind":"gap","severity":"error","source":"s","at":1e300,"message":"m"}',
    b'{"id":"\\ud800","kind":"gap","severity":"error","source":"s","at":1,"message":"m"}',
    b'{"id":"x","kind":"nonsense","severity":"error","source":"s","at":1,"message":"m"}',
]


async def test_hostile_messages_become_gaps_and_nothing_stops(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher, recorder(log, folder, seconds=0.1) as running:
        for body in HOSTILE:
            await log.wire.put("isthmus.events.gap.s", body)
            await log.wire.put(names.samples_subject("plant", "other"), body)
        seen = block(TAGS, [0], [START], [1.0], source="future", seen=LATEST)
        await accepted(publisher, seen, numbered(1, epoch=1))
        await running.has_read(log)
        async with open_history(folder, log) as history:
            assert len(history.gaps()) >= 2 * len(HOSTILE) - 1
    async with open_history(folder) as history:
        assert set(blocks(1)) <= set(values(history))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no tmpfs here: {made.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.peer
async def test_a_full_disk_loses_nothing_and_recording_goes_on_when_there_is_room(
    log: Log, small_disk: Path, tmp_path: Path
) -> None:
    folder = small_disk / "history"
    async with collector(log) as publisher, recorder(log, folder, rows=1000, seconds=0.1) as running:
        await accepted(publisher, *(numbered(n, epoch=1) for n in range(1, 21)))
        await running.has_recorded(2000)
        ballast = small_disk / "ballast"
        with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
            while file.write(b"\0" * 4096):
                pass
        await accepted(publisher, *(numbered(n, epoch=1) for n in range(21, 61)))
        await until(lambda: bool(running.now.problem))
        assert "No space" in running.now.problem or "full" in running.now.problem
        async with open_history(folder, log) as history:
            assert values(history) == blocks(*range(1, 61))
        ballast.unlink()
        await running.has_recorded(6000)
    async with open_history(folder) as history:
        assert values(history) == blocks(*range(1, 61))
        assert history.gaps() == []


async def test_a_tags_former_numbers_are_read_with_it(log: Log, tmp_path: Path) -> None:
    folder = tmp_path / "history"
    async with collector(log) as publisher:
        await accepted(publisher, block(TAGS, [0, 1, 1], [START, START + 1, START + 2], [1.0, 212.0, 32.0], number=1))
    former = Former(number=2, unit="[degF]", type=TAGS.tags[1].type, scale=5 / 9, offset=-160 / 9)
    setting = TagSetting(tag=TAGS.tags[0], system="dcs", address="a", formers=(former,))
    async with open_history(folder, log) as history:
        table = joined(history, setting)
        assert table["tag"].to_pylist() == [1, 1, 1]
        assert [round(value, 9) for value in table["value"].to_pylist()] == [1.0, 100.0, 0.0]
        assert len(joined(history, setting, START + 2)) == 1


async def test_a_reader_without_an_answer_of_the_log_gives_up(tmp_path: Path) -> None:
    async with LogServer(tmp_path / "log") as server:
        endpoint: Endpoint = server.endpoint
        async with open_log(endpoint) as log:
            async with collector(log) as publisher:
                await accepted(publisher, numbered(1, epoch=1))
            await server.__aexit__(None, None, None)
            with pytest.raises(Disconnected):
                async with asyncio.timeout(60), open_history(tmp_path / "history", log):
                    pass
