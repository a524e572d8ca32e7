# SPDX-License-Identifier: Apache-2.0
"""The demo: a simulated plant and Isthmus beside it, following the demo's plant file while it is edited."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from isthmus.app import revising
from isthmus.app.run.address import Address
from isthmus.app.run.endpoint import current
from isthmus.app.run.kept import Job
from isthmus.app.run.logs import Speech
from isthmus.app.run.place import Place
from isthmus.app.run.supervisor import Wanted, stop_on_signals, supervise
from isthmus.core.errors import InUse, IsthmusError
from isthmus.core.ports import by_chance

LOOK: Final = 0.5
"""Seconds between two looks at the plant file."""

_URL = re.compile(r"opc\.tcp://127\.0\.0\.1:(\d+)/([a-z-]+)")
_SUFFIXES: Final = (".yaml", ".csv")


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo plant in its data directory."""

    name: str
    place: Place
    files: Traversable
    """The folder with its `plant.yaml` and what that includes."""
    servers: tuple[str, ...]
    """Its OPC UA servers, by the names at the end of their addresses."""
    jobs: Callable[[Mapping[str, int]], Sequence[Job]]
    """The simulation's processes; takes the port of each server and of each of `spots`."""
    spots: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    """What else listens → where in the plant file its port stands: what is before it, and the port, as groups."""
    folders: Mapping[re.Pattern[str], str] = field(default_factory=dict)
    """Where in the plant file a folder stands, with groups as above → its name in the data directory."""

    @property
    def file(self) -> Path:
        """The plant file people edit."""
        return self.place.root / "plant.yaml"

    @property
    def urls(self) -> dict[str, str]:
        """Server → where the plant file says it listens."""
        text = self.file.read_text(encoding="utf-8")
        return {said[2]: said[0] for said in _URL.finditer(text) if said[2] in self.servers}

    def prepare(self) -> dict[str, int]:
        """Writes the plant file and its includes unless they are there, with the ports that will be used; these."""
        new = not self.file.exists()
        if new:
            self._copy()
        text = self.file.read_text(encoding="utf-8")
        self._look(text)
        ports = {name: _free(0 if new else port) for name, port in self.ports(text).items()}
        moved = self._placed(_URL.sub(lambda said: _moved(said, ports), text), ports)
        if moved != text:
            self.file.write_text(moved, encoding="utf-8")
        return ports

    def ports(self, text: str | None = None) -> dict[str, int]:
        """What listens → its port, as the plant file (or `text`) says; 0 where it says none."""
        said = self.file.read_text(encoding="utf-8") if text is None else text
        others = {name: pattern.search(said) for name, pattern in self.spots.items()}
        return {name: _port(said, name) for name in self.servers} | {
            name: int(found[2]) if found else 0 for name, found in others.items()
        }

    def _placed(self, text: str, ports: Mapping[str, int]) -> str:
        """The plant file with the ports of `spots` and the folders of this data directory."""
        for name, pattern in self.spots.items():
            text = pattern.sub(rf"\g<1>{ports[name]}", text)
        for pattern, name in self.folders.items():
            folder = str(self.place.root.resolve() / name).replace("\\", r"\\")
            text = pattern.sub(rf"\g<1>{folder}", text)
        return text

    def sources(self) -> dict[str, bytes]:
        """File name → what it says now: the plant file, and what may be included in it."""
        found = (path for path in self.place.root.iterdir() if path.suffix in _SUFFIXES)
        return {path.name: path.read_bytes() for path in sorted(found)}

    def _copy(self) -> None:
        """The plant file last: when it is there, all are."""
        sources = [file for file in self.files.iterdir() if file.name.endswith(_SUFFIXES)]
        for file in sorted(sources, key=lambda file: (file.name == self.file.name, file.name)):
            (self.place.root / file.name).write_bytes(file.read_bytes())

    def _look(self, text: str) -> None:
        """Raises InUse when the plant file is another demo's."""
        named = {said[2] for said in _URL.finditer(text)}
        if named and not named & set(self.servers):
            raise InUse(
                f"is not the plant file of the demo {self.name}: it reads {', '.join(sorted(named))}",
                where=str(self.file),
                hint="choose another directory with --data, or the demo that this one is of",
            )


def _port(text: str, name: str) -> int:
    return next((int(said[1]) for said in _URL.finditer(text) if said[2] == name), 0)


def _moved(said: re.Match[str], ports: Mapping[str, int]) -> str:
    return f"opc.tcp://127.0.0.1:{ports[said[2]]}/{said[2]}" if said[2] in ports else said[0]


def _free(port: int) -> int:
    """This port of the loopback if it is free (0: none is wanted), else one by chance that is."""
    for wanted in (*([port] if port else []), *by_chance()):
        with suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", wanted))
            return int(probe.getsockname()[1])
    raise IsthmusError("no port of the loopback is free")


@dataclass(frozen=True, slots=True)
class Begun:
    """A demo whose plant file is there and applied."""

    demo: Demo
    jobs: Sequence[Job]
    seen: dict[str, bytes]
    right: bool


def begin(demo: Demo, say: Callable[[str], None]) -> Begun:
    """Makes the plant file and applies it. The caller holds the data directory.

    Raises IsthmusError when the file is wrong and nothing ran before.
    """
    jobs = demo.jobs(demo.prepare())
    seen = demo.sources()
    right = _apply(demo, say)
    if current(demo.place) is None:
        raise IsthmusError("the plant file has errors and nothing ran before", where=str(demo.file), hint="mend it")
    return Begun(demo, jobs, seen, right)


async def play(
    begun: Begun,
    *,
    port: int,
    listen: Address | None,
    seconds: float | None,
    say: Callable[[str], None],
    ready: Callable[[], None],
) -> None:
    """Runs the demo until Ctrl-C, SIGTERM, or for so many seconds once ready. The caller holds the data directory."""
    stop = stop_on_signals()
    for job in begun.jobs:
        job.status.unlink(missing_ok=True)
    wanted = Wanted(begun.demo.place, port=port, listen=listen, speech=Speech.TEXT, beside=begun.jobs)
    following = asyncio.create_task(_follow(begun, say))
    try:
        await supervise(wanted, stop, ready, seconds=seconds)
    finally:
        following.cancel()
        await asyncio.wait((following,))


async def _follow(begun: Begun, say: Callable[[str], None]) -> None:
    """Applies the plant file whenever it is saved; what is wrong with it is said, and what ran goes on.

    A file that was not right and now says what runs is told too: nothing else would show that it is mended.
    """
    demo, seen, right = begun.demo, begun.seen, begun.right
    while True:
        await asyncio.sleep(LOOK)
        try:
            sources = demo.sources()
        except OSError:
            continue  # an editor may be replacing it
        if sources != seen and demo.file.name in sources:
            seen = sources
            right = await asyncio.to_thread(_apply, demo, say, mended=not right)


def _apply(demo: Demo, say: Callable[[str], None], *, mended: bool = False) -> bool:
    """Whether the plant file is right; then it runs."""
    try:
        proposal = revising.propose(demo.file, demo.place.root, comment="the demo follows its file")
        if not proposal.plan.nothing:
            revising.apply(proposal, demo.place.root)
    except IsthmusError as error:
        say(f"Not applied, what ran goes on:\n{error}")
        return False
    if proposal.previous is not None and not proposal.plan.nothing:
        say(proposal.told())
    elif mended and proposal.previous is not None:
        say(f"{demo.file}: right again, revision {proposal.previous.number} runs as before")
    return True
