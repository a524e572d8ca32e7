# SPDX-License-Identifier: Apache-2.0
"""A plant with outputs for a test: a log, a publisher and a recorder in this process, the deliverer in its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from isthmus.app.run import status
from isthmus.core.samples import Samples
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.flow.deliver.deliver import deliver
from isthmus.plant.revision import AssetSetting, OutputSetting, Revision, TagSetting
from isthmus.store.history.record import Limits, record
from isthmus.stream.follow import Message, follow
from isthmus.stream.log import Log, Position, open_log
from isthmus.stream.publish import Publisher
from isthmus.stream.server import LogServer

PLANT = "acme/lyon"
AT = 1_800_000_000_000_000_000
TAGS = 5


def setting(number: int, **more: Any) -> TagSetting:
    tag = Tag(number, f"{PLANT}/hall/tank-{number}/level", "m", DataType.FLOAT, False)
    return TagSetting(tag=tag, system="dcs", address=f"level-{number}", **more)


def mqtt(name: str, url: str, **config: Any) -> OutputSetting:
    tags = config.pop("tags", ())
    quick = {"patience": "5s", "keep_alive": "5s"}
    return OutputSetting(
        name=name, kind="mqtt", config={"url": url, **quick, **config}, tags=tags, begins=config.pop("begins", "now")
    )


class Plant:
    """One plant in a folder."""

    def __init__(self, data: Path, server: LogServer, log: Log) -> None:
        self.data, self.server, self.log = data, server, log
        self.sent = 0
        """Samples of each tag that the log has acknowledged."""
        self._number = 0
        self._revision = 0
        self._publisher: Publisher | None = None
        self._list = TagList(tuple(setting(number).tag for number in range(1, TAGS + 1)))
        self._process: subprocess.Popen[bytes] | None = None

    def apply(self, outputs: Sequence[OutputSetting], tags: Sequence[TagSetting] = ()) -> None:
        """Makes a revision with these outputs the current one, as `isthmus apply` does."""
        self._revision += 1
        assets = tuple(AssetSetting(path=f"{PLANT}/hall/tank-{n}", type="tank@1") for n in range(1, TAGS + 1))
        revision = Revision(
            number=self._revision, created=0, author="test", comment="", plant=PLANT, time_zone="UTC", systems=(),
            assets=assets, tags=tuple(tags) or tuple(setting(n) for n in range(1, TAGS + 1)), outputs=tuple(outputs),
        )  # fmt: skip
        folder = self.data / "revisions"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{revision.number:06d}-{revision.digest[:8]}.json").write_bytes(revision.pack())
        (folder / "current.new").write_text(f"{revision.number} {revision.digest}\n")
        (folder / "current.new").replace(folder / "current")

    async def publish(self, count: int = 10, *, every: int = 1_000_000) -> None:
        """The next `count` samples of each tag, in one message: their values count on, their times by `every` ns."""
        if self._publisher is None:
            self._publisher = await self._entered
            await self._publisher.keep_list(self._list)
        value = np.tile(np.arange(self.sent, self.sent + count, dtype=np.float64), TAGS)
        self._number += 1
        samples = Samples(
            source="dcs", epoch=self._publisher.epoch, number=self._number, tags=self._list.digest,
            index=np.repeat(np.arange(TAGS, dtype=np.uint32), count), at=AT + value.astype(np.int64) * every,
            quality=np.zeros(len(value), np.uint32), mark=np.zeros(len(value), np.uint8), value=value,
            seen=time.time_ns(),
        )  # fmt: skip
        await (await self._publisher.send([samples]))
        self.sent += count

    _entered: asyncio.Future[Publisher]

    def start(self) -> None:
        """Starts the deliverer's process."""
        self.data.joinpath("run").mkdir(parents=True, exist_ok=True)
        words = [
            sys.executable,
            "-m",
            "isthmus.app.run.deliver",
            "--data",
            str(self.data),
            "--parent",
            str(os.getpid()),
        ]
        with (self.data / "deliver.out").open("ab") as out:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    @property
    def pid(self) -> int:
        """Of the deliverer's process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As `kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """In good order; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(120)

    def told(self, output: str) -> dict[str, Any]:
        """What the deliverer that runs says of an output; empty when it says nothing."""
        said = status.read(self.data / "run" / "deliver.json")
        if said is None or self._process is None or said.pid != self._process.pid:
            return {}
        found: dict[str, Any] = said.counters.get("outputs", {}).get(output, {})
        return found

    async def said(self, output: str) -> list[str]:
        """What the events of an output say, so far."""
        log, found = await self.log.state(), list[str]()
        if log.first > log.last:
            return found
        async with asyncio.timeout(60), aclosing(follow(self.log, Position(log.stream, log.first - 1))) as items:
            async for item in items:
                if not isinstance(item, Message):
                    continue
                if item.subject.startswith("isthmus.events.output."):
                    event = json.loads(item.data)
                    found += [event["message"]] if event["source"] == output else []
                if item.position.sequence >= log.last:
                    break
        return found

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[dict[str, Any]]:
        """With a deliverer in this process; what it says of the outputs, by name."""
        stop, told = asyncio.Event(), dict[str, Any]()

        def take(said: dict[str, Any]) -> None:
            told.update(said["outputs"])

        async with asyncio.TaskGroup() as group:
            group.create_task(deliver(self.log, self.data, ready=lambda: None, stop=stop, report=take))
            try:
                yield told
            finally:
                stop.set()

    @asynccontextmanager
    async def recording(self, **limits: Any) -> AsyncIterator[None]:
        """With a recorder that flushes and purges almost at once."""
        stop = asyncio.Event()
        often = Limits(**{"seconds": 0.1, "margin": 0.0, **limits})
        task = asyncio.create_task(record(self.log, self.data / "history", stop=stop, limits=often))
        try:
            yield
        finally:
            stop.set()
            await task


@asynccontextmanager
async def plant(data: Path) -> AsyncIterator[Plant]:
    """A running log, and a publisher to it."""
    async with (
        LogServer(data / "log") as server,
        open_log(server.endpoint_of("admin"), name="test") as log,
        Publisher.open(log, "acme_lyon", "test", time.time_ns(), window=8) as publisher,
    ):
        made = Plant(data, server, log)
        made._entered = asyncio.get_running_loop().create_future()
        made._entered.set_result(publisher)
        try:
            yield made
        finally:
            if made._process is not None and made._process.poll() is None:
                made.kill()
