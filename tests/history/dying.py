# SPDX-License-Identifier: Apache-2.0
"""A recorder in a process of its own that may kill itself at a named step of a flush: `dying.py ENDPOINT FOLDER STEP`.

The steps are wrapped around the recorder's own functions from here; the recorder knows nothing of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

from isthmus.store.history import flush, folder
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.record import Limits, record
from isthmus.stream.log import Endpoint, Log, open_log

STEPS = (
    "put aside",
    "before writing",
    "half written",
    "written",
    "renamed",
    "directory synced",
    "inside the commit",
    "committed",
    "before purging",
    "purged",
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, act: Callable[..., None]) -> None:
    """From now on `act` gets the arguments of `owner.name` before it runs."""
    wrapped = getattr(owner, name)

    def stepped(*args: Any, **kwargs: Any) -> Any:
        act(*args)
        return wrapped(*args, **kwargs)

    setattr(owner, name, stepped)


def after(owner: Any, name: str, when: Callable[..., bool]) -> None:
    """From now on this process dies after `owner.name` where `when` says so of its arguments."""
    wrapped = getattr(owner, name)

    def stepped(*args: Any, **kwargs: Any) -> Any:
        result = wrapped(*args, **kwargs)
        if when(*args):
            die()
        return result

    setattr(owner, name, stepped)


def of_segment(path: Path, *_: object) -> bool:
    return ".parquet" in path.name


def half(path: Path, data: bytes) -> None:
    if of_segment(path):
        path.write_bytes(bytes(data)[: len(data) // 2])
        die()


def arm(step: str) -> None:
    if step == "before writing":
        before(flush, "keep", lambda *_: die())
    elif step == "half written":
        before(folder, "write_through", half)
    elif step == "written":
        after(folder, "write_through", of_segment)
    elif step == "renamed":
        after(Path, "rename", of_segment)
    elif step == "directory synced":
        after(folder, "settle", lambda path: path.name == "segments" and any(path.glob("*.parquet")))
    elif step == "inside the commit":
        before(Manifest, "_add", lambda *_: die())
    elif step == "put aside":
        after(Manifest, "put_aside", lambda *_: True)
    elif step == "committed":
        after(Manifest, "commit", lambda *_: True)
    elif step == "before purging":
        before(Log, "purge", lambda *_: die())
    elif step == "purged":
        wrapped = Log.purge

        async def purge(log: Log, upto: int) -> None:
            await wrapped(log, upto)
            die()

        setattr(Log, "purge", purge)  # noqa: B010  (a method is not assigned to otherwise)


async def main(endpoint: str, place: str, step: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    limits = Limits(rows=500, seconds=0.2, margin=0.0)

    def ready() -> None:  # only now: flushes die, not the start that finishes what an earlier death left
        arm(step)
        print("ready", flush=True)

    async with open_log(Endpoint.load(Path(endpoint))) as log:
        await record(log, Path(place), ready=ready, stop=stop, limits=limits)


class NoPandas(MetaPathFinder):
    """pyarrow would load pandas, which takes a second and which no plant has."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)


if __name__ == "__main__":
    sys.meta_path.insert(0, NoPandas())
    asyncio.run(main(*sys.argv[1:]))
