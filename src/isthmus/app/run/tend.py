# SPDX-License-Identifier: Apache-2.0
"""Compacting beside a running recorder: a process of its own that yields to everything else, started when it is due.

`python -m isthmus.app.run.tend --data FOLDER --parent PID` does once what is due and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import psutil
import structlog

from isthmus.app.retaining import anything_goes, let_go_when_due
from isthmus.app.run import lifeline, logs
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import InUse, IsthmusError
from isthmus.store.history.compact import Compacted, compact
from isthmus.store.history.due import due
from isthmus.store.history.folder import Folder
from isthmus.store.history.inventory import Inventory, inventory
from isthmus.store.history.kept import DAY
from isthmus.store.history.manifest import Manifest

EVERY: Final = 60.0
"""Seconds between two looks at whether something is due."""
LONGEST: Final = 3600.0
"""Seconds at most between two tries of what could not be done."""
PATIENCE: Final = 10.0
"""Seconds that a process gets to leave what it was doing."""

say = structlog.get_logger("tend")


async def tend(place: Place, told: Callable[[Inventory], None], *, every: float = EVERY) -> None:
    """Starts the process whenever something is due; ends it, in good order, when cancelled.

    `told` gets what lies in the history, at every look.
    """
    wait, looked = every, -1
    while True:
        found = await asyncio.to_thread(_look, place)
        if found is not None:
            told(found[1])
        today = time.now() // DAY
        new_day = found is not None and today != looked and await asyncio.to_thread(_lets_go, place)
        looked = today if found is not None else looked
        done = found is None or not (found[0] or new_day) or await _once(place) == 0
        wait = every if done else min(2 * wait, LONGEST)
        await asyncio.sleep(wait)


def _look(place: Place) -> tuple[str, Inventory] | None:
    """What there is to do and what there is; None where the manifest cannot be read, for its owner will say that."""
    folder = Folder(place.history)
    try:
        with closing(Manifest.open(folder.manifest, reading=True)) as manifest:
            return due(folder, manifest, time.now()), inventory(folder, manifest)
    except (IsthmusError, OSError, sqlite3.Error):
        return None


def _lets_go(place: Place) -> bool:
    try:
        return anything_goes(place)
    except IsthmusError:
        return False


async def _once(place: Place) -> int:
    process = await lifeline.start("isthmus.app.run.tend", ["--data", str(place.root)])
    try:
        return await process.wait()
    finally:
        await lifeline.stop(process, PATIENCE)


def main() -> None:
    parser = argparse.ArgumentParser(prog="isthmus tend", description="Started by the recorder.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(lifeline.PARENT, type=int, required=True)
    arguments = parser.parse_args()
    lifeline.end_with(arguments.parent)
    place = Place(arguments.data)
    logs.begin("tend", place.run / "tend.log", logs.Speech.TEXT)
    yield_to_others()
    sys.exit(_run(place))


def yield_to_others() -> None:
    """From now on this process gets what the others leave of processor and disk."""
    os.nice(10)
    psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)


def _run(place: Place) -> int:
    """Does what is due; 0 when there is no need to wait longer than usual with the next try."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: told.append(number))
    try:
        done: Compacted = compact(place.history, stop=lambda: bool(told))
    except InUse as error:
        say.info("put off", reason=str(error))
        return 0
    except (IsthmusError, OSError, sqlite3.Error) as error:
        say.error("cannot compact", problem=str(error))
        return 1
    idle = psutil.Process().ionice().ioclass == psutil.IOPRIO_CLASS_IDLE
    priority = {"nice": os.nice(0), "disk_when_idle": idle}
    say.info("compacted", files=done.files, days=done.days, samples=done.samples, stopped=done.stopped, **priority)
    return 0 if told else _let_go(place, lambda: bool(told))


def _let_go(place: Place, stop: Callable[[], bool]) -> int:
    """Lets go of what is over; the same numbers as `_run`."""
    try:
        gone = let_go_when_due(place, stop)
    except InUse as error:
        say.info("put off", reason=str(error))
        return 0
    except (IsthmusError, OSError, sqlite3.Error) as error:
        say.error("cannot let go of what is over", problem=str(error))
        return 1
    if gone is not None:
        say.info("let go of what is over", files=gone.files, events=gone.events, stopped=gone.stopped)
    return 0


if __name__ == "__main__":
    main()
