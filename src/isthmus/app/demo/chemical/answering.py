# SPDX-License-Identifier: Apache-2.0
"""The simulation's side of its desk: answers questions, takes orders, and tells followers what changed."""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from isthmus.app.demo.chemical.catalogue import CATALOGUE
from isthmus.app.demo.chemical.desk import LONGEST, Ask, Opening, Scan, Where
from isthmus.app.demo.chemical.faces import FACES, nodes
from isthmus.app.demo.chemical.operation import Stage
from isthmus.app.demo.chemical.plant import Plant
from isthmus.app.demo.chemical.scan import Watching
from isthmus.app.demo.pieces.fault import Fault, FaultKind
from isthmus.core import time

MOST_UNSENT: Final = 1 << 22
"""Bytes a follower may be behind; one that is further is let go, and begins anew when it comes back."""


@dataclass(slots=True)
class Desk:
    """Where the simulation is asked. `changed` is called after every order that was taken."""

    plant: Plant
    changed: Callable[[], None]
    _followers: dict[asyncio.StreamWriter, Watching] = field(default_factory=dict)
    _callers: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)
    _token: str = field(default_factory=lambda: secrets.token_hex(16))

    @asynccontextmanager
    async def open(self, folder: Path) -> AsyncIterator[None]:
        """Listens on a free port of the loopback, and says in `folder` on which."""
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0, limit=1 << 16)
        path, port = folder / "desk.json", server.sockets[0].getsockname()[1]
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.touch(0o600)
        temporary.write_bytes(msgspec.json.encode(Where(port, self._token, os.getpid())))
        temporary.replace(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            server.close()
            for writer in self._callers.values():
                writer.transport.abort()
            if self._callers:
                await asyncio.wait(self._callers, timeout=1.0)

    def tell(self) -> None:
        """Tells every follower what has changed since it was last told."""
        values = self.plant.values()
        for writer, watching in list(self._followers.items()):
            if writer.transport.get_write_buffer_size() > MOST_UNSENT:
                writer.transport.abort()
            changes = watching.changes(values)
            if changes:
                writer.write(msgspec.json.encode(Scan(changes)) + b"\n")

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._callers[task] = writer
        try:
            with suppress(OSError, ValueError):  # cut off, or a line that is too long
                while line := await reader.readline():
                    writer.write(self._answer(line, writer))
                    await writer.drain()
        finally:
            self._followers.pop(writer, None)
            del self._callers[task]
            writer.close()

    def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> bytes:
        try:
            question = msgspec.json.decode(line, type=Ask)
            if not hmac.compare_digest(question.token.encode(), self._token.encode()):
                raise ValueError("the token is not that of desk.json")
            if question.do == "follow":
                return self._follow(question, writer)
            answer = _ORDERS[question.do](self.plant, question)
        except ValueError as error:  # msgspec's errors are ValueErrors too
            return msgspec.json.encode({"refused": str(error)}) + b"\n"
        if question.do != "look":
            self.changed()
        return msgspec.json.encode(answer) + b"\n"

    def _follow(self, question: Ask, writer: asyncio.StreamWriter) -> bytes:
        if question.system not in FACES:
            raise ValueError(f"there is no server {question.system!r}; there are {', '.join(FACES)}")
        face = FACES[question.system]
        watching = self._followers[writer] = Watching(face.letter)
        opening = Opening(face.namespace, face.title, tuple(nodes(face, self.plant.tags)))
        lines = [msgspec.json.encode(opening), msgspec.json.encode(Scan(watching.changes(self.plant.values())))]
        whole = b"\n".join(lines) + b"\n"
        if len(whole) > LONGEST:
            raise ValueError("the plant is too large for one line")
        return whole


def _look(plant: Plant, _: Ask) -> dict[str, Any]:
    operation = plant.state.operation
    waiting = [_fault(number, fault) for number, fault in plant.faults.waiting.items()]
    known = [_fault(t.number, t.fault) | {"began": t.started, "ended": t.ended} for t in plant.truth]
    return {
        "now": plant.now, "tempo": plant.tempo, "phase": operation.phase.name.lower().replace("_", " "),
        "grade": operation.grade.name, "stage_hours": operation.campaign[operation.stage].hours,
        "in_stage_hours": operation.in_stage / 3600, "waiting": waiting, "faults": known,
    }  # fmt: skip


def _fault(number: int, fault: Fault) -> dict[str, Any]:
    return {"number": number, **msgspec.to_builtins(fault)}


def _start(plant: Plant, question: Ask) -> dict[str, Any]:
    if question.kind not in set(FaultKind):
        raise ValueError(f"there is no fault {question.kind!r}; there are {', '.join(FaultKind)}")
    entry = CATALOGUE[FaultKind(question.kind)]
    ramp = entry.ramp if question.ramp is None else question.ramp
    fault = Fault(FaultKind(question.kind), question.target, question.severity, ramp, question.start, question.until)
    if fault.start is not None and fault.start < plant.now - time.SECOND:
        raise ValueError("the start has passed already")
    return {"number": plant.inject(fault), "ramp": ramp, "shows": entry.shows}


def _clear(plant: Plant, question: Ask) -> dict[str, Any]:
    plant.clear(question.number)
    return {"number": question.number}


def _order(plant: Plant, question: Ask) -> dict[str, Any]:
    plant.order(Stage(question.grade, question.hours))
    return {"phase": plant.state.operation.phase.name.lower().replace("_", " ")}


_ORDERS: Final[dict[str, Callable[[Plant, Ask], dict[str, Any]]]] = {
    "look": _look,
    "start": _start,
    "clear": _clear,
    "order": _order,
}
