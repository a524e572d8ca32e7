# SPDX-License-Identifier: Apache-2.0
"""Withdrawing takes the samples of one import out of the history again: they alone have its moment as `seen`.

Runs are replaced one by one by others without them; days some at a time, with their roll-ups and carried values, as
compacting does it. What retention let go of is told by these alone, and stays. Cut off it can be begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from uuid import uuid4

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.quality import Mark
from isthmus.store.history.absorb import absorb_into_days
from isthmus.store.history.columns import Columns
from isthmus.store.history.damage import set_aside
from isthmus.store.history.folder import Folder, settle
from isthmus.store.history.kept import Kept, KeptFooter, Kind
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.merge import Harmed, Source, harmless
from isthmus.store.history.ties import Ties
from isthmus.store.history.write import KeptWriter

DAYS: Final = 64
"""Days that are written in one commit: fewer would write the values carried past them more often."""


def withdraw(
    folder: Folder, manifest: Manifest, seen: int, first: int, last: int, progress: Callable[[int, int], None]
) -> int:
    """Takes out the historical samples with this `seen` and first <= time <= last (ns); how many there were.

    Only for who tends the history. `progress` is told files done and files in all.
    """
    files = [part for part in manifest.kept() if part.kind.of_samples and _touches(part, first, last)]
    days = sorted(part.day for part in files if part.kind is Kind.DAY)
    count = done = 0
    for run in files:
        if run.kind is Kind.RUN:
            count += _out_of_run(folder, manifest, run, seen)
            done += 1
            progress(done, len(files))
    for begin in range(0, len(days), DAYS):
        some = days[begin : begin + DAYS]
        count += _out_of_days(folder, manifest, some, seen)
        done += len(some)
        progress(done, len(files))
    return count


def _touches(part: Kept, first: int, last: int) -> bool:
    return bool(part.rows) and part.first_time <= last and part.last_time >= first


def _out_of_days(folder: Folder, manifest: Manifest, days: Sequence[int], seen: int) -> int:
    """Writes those of the days that have such samples without them; how many there were."""
    while True:
        files = [part for part in manifest.kept(Kind.DAY, days[0], days[-1]) if part.day in days]
        try:
            counts = {part.day: _count(Source.open(folder, part), seen) for part in files}
            again = [day for day, count in counts.items() if count]
            if again:
                absorb_into_days(folder, manifest, (), again, _untold, lambda columns: _of(columns, seen))
            return sum(counts.values())
        except Harmed as harmed:
            set_aside(folder, harmed.part, harmed.why)


def _untold(samples: int) -> None:
    """Progress is told by files."""


def _out_of_run(folder: Folder, manifest: Manifest, run: Kept, seen: int) -> int:
    """Replaces a run by one without the samples; how many it had."""
    try:
        source = Source.open(folder, run)
        gone = _count(source, seen)
        if gone:
            _replace(folder, manifest, source, run, seen)
    except Harmed as harmed:
        set_aside(folder, run, harmed.why)
        return 0
    return gone


def _replace(folder: Folder, manifest: Manifest, source: Source, run: Kept, seen: int) -> None:
    former = source.file.footer
    assert isinstance(former, KeptFooter)  # of a kept file
    footer = msgspec.structs.replace(
        former,
        act=uuid4().hex,
        others=(),
        absorbed=(*former.absorbed, run.file),
        bookmarks=Ties.of(manifest, [source.file]).bookmarks,  # as they are now: whoever finds this file goes by them
        groups=(),
    )
    writer = KeptWriter(folder, Kind.RUN)
    try:
        for group in range(len(source.days)):
            columns = source.read(group)
            writer.add_columns(columns.pick(~_of(columns, seen)))
        kept = writer.close(footer)
    except BaseException:
        writer.abandon()
        raise
    settle(folder.kept)
    manifest.replace((kept,), (run.file,))


def _count(source: Source, seen: int) -> int:
    """How many such samples a file has."""
    return sum(int(np.count_nonzero(_seen_then(source, group, seen))) for group in range(len(source.days)))


def _seen_then(source: Source, group: int, seen: int) -> NDArray[np.bool_]:
    with harmless(source.part):
        table = source.file.read(group, ["seen", "mark"])
    marks = table["mark"].to_numpy()
    found: NDArray[np.bool_] = (table["seen"].cast(pa.int64()).to_numpy() == seen) & _historical(marks)
    return found


def _of(columns: Columns, seen: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (columns.seen == seen) & _historical(columns.mark)
    return found


def _historical(marks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (marks & np.uint8(Mark.HISTORICAL)) != 0
    return found
