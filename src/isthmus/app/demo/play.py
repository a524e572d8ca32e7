# SPDX-License-Identifier: Apache-2.0
"""The demo: a simulated plant and Isthmus beside it, following the demo's plant file while it is edited."""

from __future__ import annotations

import asyncio
import random
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from isthmus.app import revising
from isthmus.app.run.endpoint import current
from isthmus.app.run.kept import Job
from isthmus.app.run.logs import Speech
from isthmus.app.run.place import Place
from isthmus.app.run.supervisor import Wanted, stop_on_signals, supervise
from isthmus.core.errors import IsthmusError, NotFound

LOOK: Final = 0.5
"""Seconds between two looks at the plant file."""

_URL = re.compile(r"opc\.tcp://127\.0\.0\.1:(\d+)/[a-z-]+")
PORTS: Final = range(20_000, 32_000)

DEMOS: Final = {"tank-farm": "isthmus.app.demo.tankfarm"}
"""Name → package with `plant.yaml` and `server`."""


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo plant in its data directory."""

    name: str
    place: Place

    @property
    def file(self) -> Path:
        """The plant file people edit."""
        return self.place.root / "plant.yaml"

    @property
    def url(self) -> str:
        """Where the simulation listens; empty when the plant file does not say."""
        said = _URL.search(self.file.read_text(encoding="utf-8"))
        return said[0] if said else ""

    def prepare(self) -> int:
        """Writes the plant file unless there is one, with the port the simulation will have; the port."""
        if self.name not in DEMOS:
            raise NotFound(f"there is no demo {self.name!r}", hint=f"there is: {', '.join(DEMOS)}")
        new = not self.file.exists()
        text = (files(DEMOS[self.name]) / "plant.yaml" if new else self.file).read_text(encoding="utf-8")
        said = _URL.search(text)
        port = _free(int(said[1]) if said and not new else 0)
        if said and int(said[1]) != port:
            text = text.replace(said[0], f"opc.tcp://127.0.0.1:{port}/{self.name}")
            self.file.write_text(text, encoding="utf-8")
        return port

    def job(self, port: int) -> Job:
        """The simulation's process."""
        file = self.place.status("simulation")
        arguments = ["--port", str(port), "--status", str(file)]
        return Job("simulation", f"{DEMOS[self.name]}.server", arguments, file, patience=5.0)


def _free(port: int) -> int:
    """This port of the loopback if it is free (0: none is wanted), else one by chance that is.

    By chance, and below those the system gives to outgoing connections: nobody else takes it while the simulation is
    started again.
    """
    for wanted in (*([port] if port else []), *random.sample(PORTS, 100)):
        with suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", wanted))
            return wanted
    raise IsthmusError("no port of the loopback is free")


async def play(
    demo: Demo, *, port: int, seconds: float | None, say: Callable[[str], None], ready: Callable[[], None]
) -> None:
    """Runs the demo until Ctrl-C, SIGTERM, or for so many seconds once ready. The caller holds the data directory."""
    stop = stop_on_signals()
    simulation = demo.job(demo.prepare())
    simulation.status.unlink(missing_ok=True)
    seen = demo.file.read_bytes()
    right = await asyncio.to_thread(_apply, demo, say)
    if current(demo.place) is None:
        raise IsthmusError("the plant file has errors and nothing ran before", where=str(demo.file), hint="mend it")
    wanted = Wanted(demo.place, port=port, speech=Speech.TEXT, beside=(simulation,))
    following = asyncio.create_task(_follow(demo, seen, right, say))
    try:
        await supervise(wanted, stop, ready, seconds=seconds)
    finally:
        following.cancel()
        await asyncio.wait((following,))


async def _follow(demo: Demo, seen: bytes, right: bool, say: Callable[[str], None]) -> None:
    """Applies the plant file whenever it is saved; what is wrong with it is said, and what ran goes on.

    A file that was not right and now says what runs is told too: nothing else would show that it is mended.
    """
    while True:
        await asyncio.sleep(LOOK)
        try:
            text = demo.file.read_bytes()
        except OSError:
            continue  # an editor may be replacing it
        if text != seen:
            seen = text
            right = await asyncio.to_thread(_apply, demo, say, mended=not right)


def _apply(demo: Demo, say: Callable[[str], None], *, mended: bool = False) -> bool:
    """Whether the plant file is right; then it runs."""
    try:
        proposal = revising.propose(demo.file, demo.place.root, comment="the demo follows its file")
        if not proposal.plan.nothing:
            revising.apply(proposal, demo.place.root)
    except IsthmusError as error:
        say(f"{demo.file}: not applied, what ran goes on:\n{error}")
        return False
    if proposal.previous is not None and not proposal.plan.nothing:
        say(proposal.told())
    elif mended and proposal.previous is not None:
        say(f"{demo.file}: right again, revision {proposal.previous.number} runs as before")
    return True
