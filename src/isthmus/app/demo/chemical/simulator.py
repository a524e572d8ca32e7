# SPDX-License-Identifier: Apache-2.0
"""The chemical plant's process: lives in step with the wall clock, answers at its desk, keeps its state and its faults.

`python -m isthmus.app.demo.chemical.simulator --folder DIR --status FILE`, started by `isthmus demo chemical`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from isthmus.app.demo.chemical import keeping
from isthmus.app.demo.chemical.answering import Desk
from isthmus.app.demo.chemical.operation import CAMPAIGN, STEADY, Stage
from isthmus.app.demo.chemical.plant import Plant
from isthmus.app.demo.chemical.truth import Book
from isthmus.app.run import lifeline
from isthmus.app.run.service import Diary
from isthmus.core import time
from isthmus.core.errors import Damaged

PERIOD: Final = 1.0
"""s between two scans."""
KEEP: Final = 30 * time.SECOND
"""ns between two times the plant's state is kept: what a sudden end takes back."""
LONGEST: Final = 30 * time.SECOND
"""ns the plant catches up on after the machine stood; beyond, the plant stood too."""
PLANS: Final[dict[str, Sequence[Stage]]] = {"campaign": CAMPAIGN, "steady": STEADY}
"""What the operators follow while nobody orders anything."""


def plant_of(folder: Path, seed: int, plan: str) -> Plant:
    """The plant that was kept in the folder, or a new one."""
    with suppress(Damaged):
        kept = Plant(seed=seed, settle=0.0)
        if keeping.read(kept, folder / "state"):
            return kept
    return Plant(seed=seed, start=time.now(), campaign=PLANS[plan])


@dataclass(slots=True)
class Life:
    """A plant being lived."""

    plant: Plant
    folder: Path
    book: Book
    _kept: int = 0

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def advance(self, now: int) -> None:
        """Goes on to `now`; a clock that was set, or a machine that stood, is no time for the plant."""
        passing = now - self.plant.now
        if not -LONGEST < passing <= LONGEST:
            self.plant.set_clock(now)
        elif passing > 0:
            self.plant.step(passing / time.SECOND)
        with suppress(OSError):  # as below; it is tried again at the next scan
            self.book.write(self.plant.truth, self.plant.tempo)
        if now - self._kept > KEEP or now < self._kept:
            self.keep()

    def keep(self) -> None:
        """Keeps the state; a disk without room must not end the plant."""
        self._kept = time.now()
        with suppress(OSError):
            keeping.write(self.plant, self.state)


async def live(plant: Plant, folder: Path, diary: Diary) -> None:
    """Until `diary.stop` is set."""
    life = Life(plant, folder, Book(folder / "truth.jsonl", plant.born))
    life.book.abandon(time.now())
    desk = Desk(plant, life.keep)
    keeping_diary = asyncio.create_task(diary.keep())
    try:
        async with desk.open(folder):
            diary.ready()
            await _scan(life, desk, diary.stop)
    finally:
        keeping_diary.cancel()
        life.keep()
        diary.write()


async def _scan(life: Life, desk: Desk, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not stop.is_set():
        life.advance(time.now())
        desk.tell()
        with suppress(TimeoutError):
            async with asyncio.timeout(PERIOD - (loop.time() - began) % PERIOD):
                await stop.wait()


async def _main(arguments: Any) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plant = plant_of(arguments.folder, arguments.seed, arguments.plan)
    plant.tempo = arguments.tempo
    plant.set_clock(time.now())
    await live(plant, arguments.folder, Diary(arguments.status, "simulation", stop))


def main() -> None:
    parser = argparse.ArgumentParser(description="The simulated chemical plant, started by `isthmus demo chemical`.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--status", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tempo", type=float, default=1.0)
    parser.add_argument("--plan", choices=PLANS, default="campaign")
    parser.add_argument(lifeline.PARENT, type=int, required=True)
    arguments = parser.parse_args()
    lifeline.end_with(arguments.parent)
    try:
        asyncio.run(_main(arguments))
    except OSError as error:
        sys.exit(f"isthmus: the simulated plant cannot live: {error}")


if __name__ == "__main__":
    main()
