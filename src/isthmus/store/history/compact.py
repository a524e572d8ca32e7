# SPDX-License-Identifier: Apache-2.0
"""Compacting turns many small files into few: segments into runs, and what lies in closed days into files of days.

Whole files are taken in, so none is left with a rest: samples of the day that still runs go into a file of that day,
which is written again later. Everything one step makes counts with one commit, or not at all; whoever reads meanwhile
still finds the files it replaced for a while.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from isthmus.core import time
from isthmus.core.errors import InUse, IsthmusError
from isthmus.store.history.absorb import Part, absorb_into_days, absorb_into_run
from isthmus.store.history.damage import set_aside
from isthmus.store.history.due import MANY, late, underived
from isthmus.store.history.folder import Folder
from isthmus.store.history.form import GROUP
from isthmus.store.history.kept import Kept, Kind, day_of
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.merge import AT_ONCE, Harmed, Source, peak
from isthmus.store.history.tend import tended

FAN: Final = AT_ONCE // GROUP
"""Files of any content that can be merged at once."""
TRIES: Final = 5
"""Commits that may be refused because files were replaced meanwhile."""
SPARE: Final = 1 << 30
"""Bytes of the disk, at most, that compacting leaves to recording; of a small disk a twentieth."""

log = structlog.get_logger("compact")


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was done."""

    files: int = 0
    """Segments and kept files that were taken in."""
    days: int = 0
    """Days that were written."""
    samples: int = 0
    """Samples that were written, those of runs on their way too."""
    stopped: bool = False
    """Whether it was told to stop before it was through."""


class _Stopped(Exception):
    """Told to stop."""


def nothing(done: int, total: int) -> None:
    """What `progress` does when nobody looks."""


def never() -> bool:
    """What `stop` says when nobody stops it."""
    return False


def compact(
    root: Path,
    *,
    progress: Callable[[int, int], None] = nothing,
    stop: Callable[[], bool] = never,
    now: int | None = None,
    wait: bool = True,
    today: bool = False,
) -> Compacted:
    """Compacts the history in `root` as far as is due at `now` (ns); with `today` all there is.

    With `wait` a closed day's late samples are left until none came for a while (`due.QUIET`). `progress` is called
    with samples done and all samples of the step; `stop` is asked all the time, and what is not committed is left as
    it was. Raises InUse when another process tends the history, IsthmusError or OSError when the disk has no room.
    """
    with tended(root) as manifest:
        work = _Compaction(Folder(root), manifest, progress, stop)
        return work.run(now if now is not None else time.now(), wait=wait, today=today)


@dataclass(slots=True)
class _Compaction:
    """One compaction under way."""

    folder: Folder
    manifest: Manifest
    progress: Callable[[int, int], None]
    stop: Callable[[], bool]
    result: Compacted = field(default_factory=Compacted)
    done: int = 0
    """Samples of this step that are written."""
    total: int = 0
    refused: int = 0
    through: bool = False
    """Days were written: what came meanwhile is left to the next compaction."""

    def run(self, now: int, *, wait: bool, today: bool) -> Compacted:
        try:
            while self._step(now, wait=wait, today=today):
                pass
        except _Stopped:
            self.result = replace(self.result, stopped=True)
        return self.result

    def _step(self, now: int, *, wait: bool, today: bool) -> bool:
        """Does the next thing that is due; False: nothing is."""
        segments, runs = self.manifest.segments(), self.manifest.kept(Kind.RUN)
        if len(segments) >= MANY:
            return self._tried(lambda: self._run(segments[:FAN], self.manifest.next_number()), segments[:FAN])
        if self.through:
            return False
        parts: list[Part] = [*runs, *segments]
        chosen = _all(parts) if today else late(self.folder, parts, now, wait=wait)
        again = underived(self.manifest)
        if not chosen and not again:
            return False
        if self._too_many(chosen):
            some = _smallest(runs)
            return self._tried(lambda: self._run(some, some[-1].number), some)
        days = {*again, *(day for part in chosen for day in (day_of(part.first_time), day_of(part.last_time)))}
        former = [kept for kept in self.manifest.kept(Kind.DAY) if kept.day in days]
        return self._tried(lambda: self._days(chosen, again), [*chosen, *former])

    def _too_many(self, parts: Sequence[Part]) -> bool:
        """Whether they have to become fewer first, because all together do not fit into memory."""
        if len(parts) <= FAN:
            return False
        try:
            return peak([Source.open(self.folder, part).file.footer.groups for part in parts]) > AT_ONCE
        except Harmed as harmed:
            set_aside(self.folder, harmed.part, harmed.why)
            return self._too_many([part for part in parts if part is not harmed.part])

    def _tried(self, step: Callable[[], None], parts: Sequence[Part]) -> bool:
        """True when the step was done, or has to be tried again because a file turned out damaged."""
        _make_sure_of_room(self.folder, sum(part.size for part in parts))
        self.done, self.total = 0, sum(part.rows for part in parts)
        try:
            step()
        except Harmed as harmed:
            set_aside(self.folder, harmed.part, harmed.why)
        except InUse:  # a reader found one of the files damaged, and set it aside
            self.refused += 1
            if self.refused == TRIES:
                raise
        else:
            files = self.result.files + len(parts)
            self.result = replace(self.result, files=files, samples=self.result.samples + self.done)
        return True

    def _run(self, parts: Sequence[Part], number: int) -> None:
        absorb_into_run(self.folder, self.manifest, parts, number, self._told)
        log.info("run written", files=len(parts), samples=self.done)

    def _days(self, parts: Sequence[Part], again: Sequence[int]) -> None:
        days = absorb_into_days(self.folder, self.manifest, parts, again, self._told)
        self.result, self.through = replace(self.result, days=days), True
        log.info("days written", files=len(parts), days=days, samples=self.done)

    def _told(self, samples: int) -> None:
        self.done += samples
        self.progress(self.done, max(self.done, self.total))
        if self.stop():
            raise _Stopped


def _all(parts: Sequence[Part]) -> Sequence[Part]:
    return parts if any(part.rows for part in parts) else ()


def _smallest(runs: Sequence[Kept]) -> Sequence[Kept]:
    """Runs that follow one another, as many as can be merged at once, with the fewest samples."""
    count = min(FAN, len(runs))
    return min((runs[i : i + count] for i in range(len(runs) - count + 1)), key=lambda some: sum(r.rows for r in some))


def _make_sure_of_room(folder: Folder, size: int) -> None:
    """Raises IsthmusError when files that replace `size` bytes would take what recording needs."""
    disk = shutil.disk_usage(folder.root)
    spare = min(SPARE, disk.total // 20)
    if disk.free < size * 5 // 4 + spare:
        what = f"there is no room for compacting: {size:,} bytes are to be written again, {disk.free:,} are free"
        raise IsthmusError(what, where=str(folder.root), hint="make room on the disk; recording goes on as before")
