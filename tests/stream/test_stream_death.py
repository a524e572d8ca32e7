# SPDX-License-Identifier: Apache-2.0
"""kill -9 of server and publisher while publishing. The oracle: acknowledged numbers in a synced file of their own."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from isthmus.stream import server as serving
from isthmus.stream.codec import unpack
from isthmus.stream.follow import Message
from isthmus.stream.log import Log, open_log
from isthmus.stream.server import LogServer
from tests.stream.making import Reading, read_all

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that dies again and again is started again without a growing pause: many rounds in a bearable time."""
    monkeypatch.setattr(serving, "_SLOWEST", 0.1)


def kill(server: LogServer) -> None:
    with suppress(ProcessLookupError):  # it has just died of the last one
        if (pid := server.pid) is not None:
            os.kill(pid, signal.SIGKILL)


class Oracle:
    """A publisher in a process of its own, started again when it was killed, and what it knows to be accepted."""

    def __init__(self, server: LogServer, folder: Path) -> None:
        self._endpoint = server.folder / "endpoints" / "collect.json"
        self._file = folder / "oracle"
        self._process: asyncio.subprocess.Process | None = None

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[Oracle]:
        await self.start()
        try:
            yield self
        finally:
            await self.kill()

    async def start(self) -> None:
        arguments = ("-m", "tests.stream.publishing", str(self._endpoint), str(self._file))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        async with asyncio.timeout(60):
            line = await self._process.stdout.readline()
        assert line == b"publishing\n", (line, await self._process.stderr.read())

    async def kill(self) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def finish(self) -> None:
        """Lets it wait for every acknowledgement."""
        assert self._process is not None
        self._process.terminate()
        async with asyncio.timeout(90):
            _, errors = await self._process.communicate()
        assert self._process.returncode == 0, errors

    def accepted(self) -> list[tuple[int, int]]:
        if not self._file.exists():
            return []
        lines = self._file.read_text().splitlines(keepends=True)
        return [(int(a), int(b)) for a, b in (line.split() for line in lines if line.endswith("\n"))]

    async def accepts(self, more: int) -> None:
        """Waits until that many more are acknowledged."""
        have = len(self.accepted())
        async with asyncio.timeout(60):
            while len(self.accepted()) < have + more:  # noqa: ASYNC110  (another process writes it)
                await asyncio.sleep(0.02)


class Taken(Reading):
    """Remembers (epoch, number) too."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[int, int]] = []

    def _message(self, message: Message) -> None:
        had = len(self.numbers)
        super()._message(message)
        if len(self.numbers) > had:
            self.pairs += [(samples.epoch, samples.number) for samples in unpack(message.data)]


async def prove(log: Log, oracle: Oracle) -> None:
    accepted = oracle.accepted()
    last = (await log.state()).last
    reading = Taken()
    await reading.read(log, lambda reading: reading.position is not None and reading.position.sequence >= last)
    assert accepted and len(set(accepted)) == len(accepted)
    assert set(accepted) <= set(reading.pairs), "accepted and lost"
    assert len(set(reading.pairs)) == len(reading.pairs), "doubled"
    assert reading.pairs == sorted(reading.pairs), "out of order"
    assert (reading.missing, reading.repeated, reading.holes, reading.streams) == ([], [], [], [])


@pytest.mark.parametrize("rounds", [4, pytest.param(220, marks=pytest.mark.soak)])
async def test_nothing_accepted_is_lost_or_doubled_by_kill_9_of_the_server(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(rounds)
    async with (
        LogServer(tmp_path / "log", duplicates=0.1) as server,
        open_log(server.endpoint_of("record")) as log,
        Oracle(server, tmp_path).publishing() as oracle,
    ):
        for _ in range(rounds):
            await oracle.accepts(chance.randrange(1, 40))
            kill(server)
        await oracle.accepts(1)
        await oracle.finish()
        await prove(log, oracle)
        assert server.restarts >= rounds / 2


@pytest.mark.parametrize("rounds", [3, pytest.param(220, marks=pytest.mark.soak)])
async def test_nothing_accepted_is_lost_or_doubled_by_kill_9_of_the_publisher(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(rounds)
    async with (
        LogServer(tmp_path / "log") as server,
        open_log(server.endpoint_of("record")) as log,
        Oracle(server, tmp_path).publishing() as oracle,
    ):
        for _ in range(rounds):
            await oracle.accepts(chance.randrange(1, 60))
            await oracle.kill()
            await oracle.start()
        await oracle.accepts(1)
        await oracle.finish()
        await prove(log, oracle)


@pytest.mark.parametrize("rounds", [2, pytest.param(220, marks=pytest.mark.soak)])
async def test_nothing_accepted_is_lost_or_doubled_by_kill_9_of_both_and_of_the_reader(
    tmp_path: Path, rounds: int
) -> None:
    chance = random.Random(rounds)
    reading = Taken()
    async with LogServer(tmp_path / "log", duplicates=0.1) as server, Oracle(server, tmp_path).publishing() as oracle:
        for _ in range(rounds):
            await oracle.accepts(chance.randrange(1, 40))
            kill(server)
            await oracle.kill()
            await oracle.start()
            async with open_log(server.endpoint_of("serve"), wait=30) as log:  # a reader that lives for one round
                await reading.read(log, lambda reading: bool(chance.randrange(20) == 0 or reading.idle))
                reading.idle = 0
        await oracle.accepts(1)
        await oracle.finish()
        async with open_log(server.endpoint_of("record"), wait=30) as log:
            await prove(log, oracle)
            rest = await read_all(log, reading.position)
            assert not rest.holes and not rest.streams
    assert len(set(reading.pairs)) == len(reading.pairs) and not reading.missing
