# SPDX-License-Identifier: Apache-2.0
"""Programs of others that the plant uses where they are installed: found, started so that they end with us, watched."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isthmus.app.run import lifeline
from isthmus.app.run.service import Diary

LOOK: Final = 0.05
"""s between two looks whether a program answers."""
PATIENCE: Final = 3.0
"""s it gets to end."""

# Between fork and exec nothing of ours runs (see stream.child). The user comes first: a change of it undoes the signal.
_LAUNCH: Final = """
import ctypes, os, sys
parent, number, user, group, *command = sys.argv[1:]
if int(user):
    os.setgroups([])
    os.setgid(int(group))
    os.setuid(int(user))
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, int(number), 0, 0, 0)
if os.getppid() != int(parent):
    sys.exit("the parent is gone")
os.execv(command[0], command)
"""


@dataclass(frozen=True, slots=True)
class User:
    """Whom a program runs as; ours where both are 0."""

    id: int = 0
    group: int = 0


def found(name: str) -> Path | None:
    """The program of this name: on the path, and where Debian puts what is for the system or has versions beside it."""
    for folder in map(Path, os.environ.get("PATH", "").split(os.pathsep)):
        beside = (folder.parent / "sbin", *_versions(folder.parent)) if folder.name == "bin" else ()
        for place in (folder, *beside):
            if os.access(place / name, os.X_OK):
                return place / name
    return None


def _versions(prefix: Path) -> Iterator[Path]:
    """The newest PostgreSQL first."""
    installed = (prefix / "lib/postgresql").glob("*/bin")
    return iter(
        sorted(installed, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.name)], reverse=True)
    )


def unprivileged(name: str) -> User:
    """This user, or `nobody`, when we are root; ourselves otherwise."""
    if os.geteuid() != 0:
        return User()
    for one in (name, "nobody"):
        with suppress(KeyError):
            known = pwd.getpwnam(one)
            return User(known.pw_uid, known.pw_gid)
    return User()


async def start(
    command: Sequence[str | Path],
    log: Path,
    *,
    user: User | None = None,
    end: signal.Signals = signal.SIGKILL,
    open_: Sequence[int] = (),
) -> asyncio.subprocess.Process:
    """Starts a program that gets the signal `end` when this process dies; `open_`: file descriptors it inherits."""
    whom = user or User()
    words = [str(os.getpid()), str(int(end)), str(whom.id), str(whom.group), *map(str, command)]
    with log.open("wb") as said:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-c", _LAUNCH, *words, stdin=asyncio.subprocess.DEVNULL, stdout=said,
            stderr=said, pass_fds=tuple(open_), start_new_session=True, cwd="/",
        )  # fmt: skip


async def keep(
    process: asyncio.subprocess.Process, diary: Diary, answers: Callable[[], Awaitable[bool]], end: signal.Signals
) -> int:
    """Until the program ends, which it is asked to when `diary.stop` is set; its exit code, 0 when it was asked to."""
    keeping = asyncio.create_task(diary.keep())
    ended, stopped = asyncio.create_task(process.wait()), asyncio.create_task(diary.stop.wait())
    try:
        while not diary.is_ready and not ended.done() and not stopped.done():
            if await answers():
                diary.ready()
            await asyncio.wait((ended, stopped), timeout=LOOK, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait((ended, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (keeping, stopped):
            task.cancel()
    if not ended.done():
        with suppress(ProcessLookupError):
            process.send_signal(end)
        if not await lifeline.ended(process, PATIENCE):
            await lifeline.stop(process, 0)
        await ended
    return 0 if diary.stop.is_set() else process.returncode or 1


def listens(port: int) -> bool:
    """Whether something listens on this port of the loopback."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
