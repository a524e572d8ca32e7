# SPDX-License-Identifier: Apache-2.0
"""The data directory: where each part of a plant lies in it, and who uses it now."""

from __future__ import annotations

import fcntl
import os
import time as clock
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from isthmus.core import time
from isthmus.core.errors import InUse, IsthmusError

RECORD: Final = "record"
"""The service that stops last."""

SERVICES: Final = (RECORD, "collect", "serve")
"""In the order in which they start."""

DELIVER: Final = "deliver"
"""Beside them, once the plant has outputs."""

SUPERVISOR: Final = "supervisor"

PATIENCE: Final = 20.0
"""Seconds to wait for a command that only reads and will soon be done."""

_GLANCE: Final = 0.5
"""Seconds a lock may be held by someone who only looks whether it is held."""


class Holder(msgspec.Struct, frozen=True):
    """Who holds a data directory."""

    pid: int
    what: str
    """The command: `run`, `demo`, or one that reads for a moment."""
    since: int
    brief: bool = False
    """It will let go by itself soon."""

    def __str__(self) -> str:
        return (
            f"`isthmus {self.what}` (process {self.pid}, since {time.to_iso(self.since // time.SECOND * time.SECOND)})"
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A data directory."""

    root: Path

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def history(self) -> Path:
        return self.root / "history"

    @property
    def revisions(self) -> Path:
        return self.root / "revisions"

    @property
    def run(self) -> Path:
        """Status files, logs of the services, the lock."""
        return self.root / "run"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    def status(self, service: str) -> Path:
        """The status file of a service or of the supervisor."""
        return self.run / f"{service}.json"

    def endpoint(self, service: str) -> Path:
        """Where the embedded log writes how `service` reaches it."""
        return self.log / "endpoints" / f"{service}.json"

    def make(self) -> None:
        """Makes the directory; raises IsthmusError when it cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.run.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise IsthmusError(
                f"cannot be made or written: {error.strerror}", where=str(self.root), hint="choose another with --data"
            ) from error

    def holder(self) -> Holder | None:
        """Who holds the directory at this moment; None when nobody does."""
        try:
            with self.lock.open("r+") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return _read(self.lock)
        except FileNotFoundError:
            pass
        except PermissionError as error:
            raise IsthmusError("belongs to another user", where=str(self.root)) from error
        return None


@contextmanager
def held(place: Place, what: str, *, brief: bool = False, patience: float = PATIENCE) -> Iterator[None]:
    """Holds the directory for as long as the block runs; raises InUse that says who has it.

    The lock ends with this process, however it ends. A holder that is brief is waited for.
    """
    place.make()
    with place.lock.open("a+") as file:
        began = clock.monotonic()
        while not _locked(file.fileno()):
            holder = _read(place.lock)
            if clock.monotonic() - began > (patience if holder.brief else _GLANCE):
                raise InUse(
                    f"is in use by {holder}", where=str(place.root), hint="stop it, or choose another with --data"
                )
            clock.sleep(0.05)
        file.truncate(0)
        file.write(msgspec.json.encode(Holder(os.getpid(), what, time.now(), brief)).decode())
        file.flush()
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: Path) -> Holder:
    """What the holder wrote; one that has not written yet is taken for a brief one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return Holder(0, "another command", time.now(), brief=True)
