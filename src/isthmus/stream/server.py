# SPDX-License-Identifier: Apache-2.0
"""The embedded log: a nats-server child that is started, watched, restarted when it dies, and never left behind."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import structlog

from isthmus.core.errors import Disconnected, InUse, IsthmusError
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.ports import by_chance
from isthmus.core.time import now
from isthmus.stream import child, streams
from isthmus.stream.endpoint import Endpoint
from isthmus.stream.log import Log
from isthmus.stream.room import Room
from isthmus.stream.services import users
from isthmus.stream.streams import DEDUPLICATION, Layout
from isthmus.stream.wire import Wire, end

READY: Final = 60.0
"""Seconds a server may take until it answers: a log of 4 GB took 11 to open."""

DEAF: Final = 20.0
"""Seconds without an answer after which a server that still runs is killed and started again."""

_SLOWEST: Final = 5.0
_HEALTHY: Final = 60.0
_MEGABYTE: Final = 1 << 20

log_ = structlog.get_logger("isthmus.stream")


class LogServer:
    """`async with LogServer(folder) as server:` runs the log; `server.endpoint` is the administrator's.

    `folder/endpoints/<service>.json` are the endpoints of `collect`, `record`, `serve` and `admin`. Raises InUse when
    another server has the folder or the port, Disconnected when the server does not come up.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        max_bytes: int | None = None,
        reserve: int | None = None,
        duplicates: float = DEDUPLICATION,
        report: Callable[[Event], None] | None = None,
    ) -> None:
        """`max_bytes`: of the stream, by default 1 GB or half of what the disk has; `reserve`: bytes of the disk below
        which publishing is refused; `duplicates`: de-duplication window, s; `report` is told what happens to the log.
        """
        self.folder = folder
        self.restarts = 0
        self._port, self._given = port, port
        self._max_bytes, self._reserve, self._duplicates = max_bytes, reserve, duplicates
        self._report = report
        self._untold: deque[Event] = deque(maxlen=100)
        self._held = child.Folder(folder)
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()

    @property
    def endpoint(self) -> Endpoint:
        """The administrator's endpoint."""
        return self.endpoint_of("admin")

    def endpoint_of(self, service: str) -> Endpoint:
        """The endpoint of `collect`, `record`, `serve` or `admin`."""
        return Endpoint.load(self.folder / "endpoints" / f"{service}.json")

    @property
    def pid(self) -> int | None:
        """Process id of the child that serves now."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def ready(self) -> bool:
        """Whether the log answers."""
        return self._ready.is_set()

    async def __aenter__(self) -> Self:
        await self._held.hold()
        try:
            await self._first_start()
            # Not a TaskGroup: it would turn what our user's block raises into a group.
            self._tending = asyncio.create_task(self._tend())
            return self
        except BaseException:
            await self._end()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await end(self._tending)
            if not self._tending.cancelled():
                await self._tending
        finally:
            await self._end()

    async def _first_start(self) -> None:
        try:
            self._choose_port()
            self._layout = self._lay_out()
            self._write_config()
            await self._start()
        except OSError as error:
            what = f"the log cannot start: {error.strerror}"
            raise Disconnected(what, where=str(self.folder), hint="is there room, and the right to write?") from error

    async def _end(self) -> None:
        try:
            if self._process is not None:
                await child.stop(self._process)
        finally:
            self._held.release()

    def _choose_port(self) -> None:
        """The given port, else the one of last time when it is free, else one by chance that is."""
        last = self._last_port()
        wanted = [self._given] if self._given else [*([last] if last else []), *by_chance()]
        for port in wanted:
            with suppress(OSError), socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                self._port = int(probe.getsockname()[1])
                return
        raise InUse(f"port {self._given} is taken", where=str(self.folder), hint="give another one, or none")

    def _last_port(self) -> int:
        with suppress(IsthmusError, ValueError):
            return int(self.endpoint.url.rpartition(":")[2])
        return 0

    def _lay_out(self) -> Layout:
        store = self.folder / "store"
        store.mkdir(mode=0o700, exist_ok=True)
        disk = shutil.disk_usage(store)
        self.room = Room(store, self._reserve)
        used = sum(file.stat().st_size for file in store.rglob("*.blk"))
        most = self._max_bytes or min(streams.GIGABYTE, (disk.free + used) // 2)
        return Layout(limit=max(_MEGABYTE, most), duplicates=self._duplicates)

    def _write_config(self) -> None:
        admitted = users(self.folder / "endpoints", self._port)
        path = self.folder / "nats-server.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(self._config([user.config() for user in admitted.values()]), indent=1))

    def _config(self, admitted: list[dict[str, Any]]) -> dict[str, Any]:
        """nats-server reads JSON; sizes and times are from measuring (docs of the design: the log)."""
        return {
            "host": "127.0.0.1",
            "port": self._port,
            "server_name": "isthmus",
            "max_payload": 4 * _MEGABYTE,
            "write_deadline": "30s",
            "log_file": str(self.folder / "nats-server.log"),
            "logfile_size_limit": 5 * _MEGABYTE,
            "logfile_max_num": 3,
            "jetstream": {
                "store_dir": str(self.folder / "store"),
                "sync_interval": "always",
                "max_memory_store": 64 * _MEGABYTE,
                "max_file_store": self._layout.limit + 2 * streams.BUCKET + 64 * _MEGABYTE,
            },
            "authorization": {"users": admitted},
        }

    async def _start(self) -> None:
        """Starts a child and waits until JetStream answers and the streams are there."""
        self._process = await child.launch(self._held, self.folder / "nats-server.json")
        try:
            async with asyncio.timeout(READY):
                await self._answers(self._process)
        except TimeoutError:
            raise Disconnected(f"nats-server did not answer within {READY:g} s", where=str(self.folder)) from None

    async def _answers(self, process: asyncio.subprocess.Process) -> None:
        wire = Wire(self.endpoint, "log server")
        rising = asyncio.create_task(self._rise(wire))
        dying = asyncio.create_task(process.wait())
        try:
            await asyncio.wait((rising, dying), return_when=asyncio.FIRST_COMPLETED)
            if not rising.done():
                raise Disconnected(f"nats-server ended at once: {self._last_words()}", where=str(self.folder))
            await rising
        except BaseException:
            await end(rising)
            await wire.close()
            raise
        finally:
            await end(dying)
        self.log, self._wire = Log(wire), wire
        self._heard = asyncio.get_running_loop().time()
        self._ready.set()

    async def _rise(self, wire: Wire) -> None:
        await wire.open(READY)
        await self._make(wire)
        await self._look_for_room(wire)

    async def _make(self, wire: Wire) -> None:
        """Tries again until JetStream is up: the server takes connections a little before that."""
        while True:
            try:
                await streams.make(wire, self._layout, self.room.limit)
                return
            except Disconnected:
                await asyncio.sleep(0.05)

    def _last_words(self) -> str:
        for name in (child.ERRORS, "nats-server.log"):
            with suppress(OSError):
                lines = (self.folder / name).read_text(errors="replace").strip().splitlines()
                if lines:
                    return lines[-1][-300:]
        return "it said nothing"

    async def _tend(self) -> None:
        """Restarts the child for as long as we are meant to run."""
        pause = 0.05
        try:
            while True:
                began = asyncio.get_running_loop().time()
                why = await self._watch()
                self._ready.clear()
                await self._wire.close()
                self._tell(Severity.ERROR, "log-died", f"the log's server {why}; it is started again")
                if asyncio.get_running_loop().time() - began > _HEALTHY:
                    pause = 0.05
                await asyncio.sleep(pause)
                pause = await self._restart(min(_SLOWEST, pause * 2))
        finally:
            await self._wire.close()

    async def _restart(self, pause: float) -> float:
        while True:
            self.restarts += 1
            try:
                await self._start()
                self._tell(Severity.WARNING, "log-restarted", "the log's server runs again")
                return pause
            except (IsthmusError, OSError) as error:
                log_.error("the log's server does not start", error=str(error))
                if self._process is not None:
                    await child.stop(self._process)
            await asyncio.sleep(pause)
            pause = min(_SLOWEST, pause * 2)

    async def _watch(self) -> str:
        """Returns why the child has to be started again, once it has ended."""
        assert self._process is not None
        dying = asyncio.create_task(self._process.wait())
        try:
            while True:
                await asyncio.wait((dying,), timeout=self.room.pace)
                if dying.done():
                    return f"ended with code {self._process.returncode}"
                why = await self._look()
                if why:
                    await child.stop(self._process, wait=2.0)
                    return why
        finally:
            await end(dying)

    async def _look(self) -> str:
        """One look at a running server: does it answer, is there room? Why it has to be ended, if so."""
        loop = asyncio.get_running_loop()
        try:
            await self._look_for_room(self._wire)
            self._heard = loop.time()
            await self._hand_over()
        except IsthmusError as error:
            log_.debug("the log's server does not answer", error=str(error))
            if loop.time() - self._heard > DEAF:
                return f"did not answer for {DEAF:g} s"
        return "cannot store any more" if self.room.curable else ""

    async def _look_for_room(self, wire: Wire) -> None:
        for severity, word, message in await self.room.look(wire, self._layout):
            self._tell(severity, word, message)

    def _tell(self, severity: Severity, word: str, message: str) -> None:
        at = now()
        event = Event(id=f"{word}-{at}", kind=EventKind.LOG, severity=severity, source="log", at=at, message=message)
        log_.warning(message) if severity is not Severity.INFORMATION else log_.info(message)
        self._untold.append(event)
        if self._report is not None:
            self._report(event)

    async def _hand_over(self) -> None:
        """Puts what happened to the log into the log, as soon as it takes it."""
        while self._untold:
            await self.log.emit(self._untold[0], patience=2.0)
            self._untold.popleft()
