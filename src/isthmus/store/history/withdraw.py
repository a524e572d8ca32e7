# SPDX-License-Identifier: Apache-2.0
"""Withdrawing takes the samples of one import out of the history again: they alone have its moment as `seen`.

File by file: each is replaced by one without them, and what was derived of it goes too, in one commit. Cut off it can
be begun again. What derives from days (roll-ups, carried values) is made again by the next compaction.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.quality import Mark
from isthmus.store.history.columns import Columns
from isthmus.store.history.damage import set_aside
from isthmus.store.history.folder import Folder, settle
from isthmus.store.history.kept import Kept, KeptFooter, Kind
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.merge import Harmed, Source, harmless
from isthmus.store.history.ties import Ties
from isthmus.store.history.write import KeptWriter


def withdraw(
    folder: Folder, manifest: Manifest, seen: int, first: int, last: int, progress: Callable[[int, int], None]
) -> int:
    """Takes out the historical samples with this `seen` and first <= time <= last (ns); how many there were.

    Only for who tends the history. `progress` is told files done and files in all.
    """
    count, files = 0, [part for part in manifest.kept() if part.kind.of_samples and _touches(part, first, last)]
    for done, part in enumerate(files):
        try:
            count += _without(folder, manifest, part, seen)
        except Harmed as harmed:
            set_aside(folder, part, harmed.why)
        progress(done + 1, len(files))
    return count


def _touches(part: Kept, first: int, last: int) -> bool:
    return bool(part.rows) and part.first_time <= last and part.last_time >= first


def _without(folder: Folder, manifest: Manifest, part: Kept, seen: int) -> int:
    """Replaces a file by one without the samples; how many it had."""
    source = Source.open(folder, part)
    former = source.file.footer
    assert isinstance(former, KeptFooter)  # of a kept file
    gone = sum(int(np.count_nonzero(_seen_then(source, group, seen))) for group in range(len(source.days)))
    if not gone:
        return 0
    stale = _derived(manifest, part) if part.kind is Kind.DAY else []
    empty = gone == part.rows
    footer = msgspec.structs.replace(
        former,
        kind=Kind.RUN if empty else part.kind,
        act=uuid4().hex,
        others=(),
        absorbed=(*former.absorbed, part.file, *stale),
        bookmarks=Ties.of(manifest, [source.file]).bookmarks,  # as they are now: whoever finds this file goes by them
        groups=(),
    )
    writer = KeptWriter(folder, footer.kind)
    try:
        for group in range(len(source.days)):
            columns = source.read(group)
            writer.add_columns(columns.pick(~_of(columns, seen)))
        kept = writer.close(footer)
    except BaseException:
        writer.abandon()
        raise
    settle(folder.kept)
    manifest.replace((kept,), (part.file, *stale))
    return gone


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


def _derived(manifest: Manifest, part: Kept) -> list[str]:
    """What was made of a day: its roll-ups, and the values carried into all days behind it."""
    rolled = [kept for kind in (Kind.MINUTES, Kind.QUARTERS) for kept in manifest.kept(kind, part.day, part.day)]
    return [kept.file for kept in (*rolled, *manifest.kept(Kind.CARRIED, part.day + 1))]
