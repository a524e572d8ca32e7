# SPDX-License-Identifier: Apache-2.0
"""A plant floor for a test: a log, a collector and a recorder in this process, real servers in their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from isthmus.core.event import Event
from isthmus.core.tag import DataType, Tag
from isthmus.flow.collect import collect
from isthmus.plant.revision import Revision, SystemSetting, TagSetting
from isthmus.store.history.read import open_history
from isthmus.store.history.record import record
from isthmus.stream.log import open_log
from isthmus.stream.server import LogServer
from tests.peers.opcua_peer import Server

PLANT = "acme/lyon"


def system(name: str, server: Server, **config: Any) -> SystemSetting:
    quick = {"publishing": "50ms", "sampling": "0s", "patience": "10s", "keep_alive": "300ms", "timeout": "30s"}
    return SystemSetting(name=name, kind="opcua", config={"url": [server.url], **quick, **config})


def tag(number: int, name: str, server: Server, of: str = "dcs", **more: Any) -> TagSetting:
    return TagSetting(
        tag=Tag(number, f"{PLANT}/{more.pop('asset', 'tank')}/{name}", "", more.pop("type", DataType.FLOAT), False),
        system=of,
        address=server.address(name),
        **more,
    )


class Floor:
    def __init__(self, data: Path, log: LogServer) -> None:
        self.data, self.log = data, log
        self.report: dict[str, Any] = {}
        self._number = 0

    def apply(self, systems: Sequence[SystemSetting], tags: Sequence[TagSetting]) -> int:
        """Makes a revision of these the current one, as `isthmus apply` does."""
        self._number += 1
        revision = Revision(
            number=self._number, created=0, author="test", comment="", plant=PLANT, time_zone="UTC",
            systems=tuple(systems), assets=(), tags=tuple(tags),
        )  # fmt: skip
        folder = self.data / "revisions"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{revision.number:06d}-{revision.digest[:8]}.json").write_bytes(revision.pack())
        (folder / "current.new").write_text(f"{revision.number} {revision.digest}\n")
        (folder / "current.new").replace(folder / "current")
        return self._number

    @asynccontextmanager
    async def collecting(self) -> AsyncIterator[None]:
        async with open_log(self.log.endpoint_of("collect"), name="collect") as log:
            stop = asyncio.Event()
            task = asyncio.create_task(collect(log, self.data, "", ready=None, stop=stop, report=self.report.update))
            try:
                yield
                stop.set()
                await asyncio.wait_for(task, 60)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        async with open_log(self.log.endpoint_of("record"), name="record") as log:
            stop = asyncio.Event()
            task = asyncio.create_task(record(log, self.data / "history", stop=stop))
            try:
                yield
                stop.set()
                await asyncio.wait_for(task, 60)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def samples(self, number: int) -> list[tuple[int, float, int]]:
        """(time, value, quality) of one tag, from segments and the log's tail."""
        async with open_log(self.log.endpoint_of("serve"), name="read") as log, self._history(log) as history:
            table = history.raw([number])
            columns = (table[name].cast("int64" if name == "time" else table[name].type) for name in _COLUMNS)
            return list(zip(*(column.to_pylist() for column in columns), strict=True))

    async def values(self, number: int) -> list[float]:
        return [value for _, value, _ in await self.samples(number)]

    async def events(self) -> list[Event]:
        async with open_log(self.log.endpoint_of("serve"), name="read") as log, self._history(log) as history:
            found: list[Event] = history.events()
            return found

    def _history(self, log: Any) -> Any:
        return open_history(self.data / "history", log)

    def state(self, name: str = "dcs") -> str:
        """A system's connection state, as the collector reports it."""
        return str(self.report.get("systems", {}).get(name, {}).get("state", ""))


_COLUMNS = ("time", "value", "quality")
