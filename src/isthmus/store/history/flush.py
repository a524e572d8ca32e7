# SPDX-License-Identifier: Apache-2.0
"""A flush makes a cut of the intake durable: one segment, then one commit; both steps may be repeated."""

from __future__ import annotations

import numpy as np

from isthmus.core.quality import Mark
from isthmus.store.history.columns import Columns, ordered
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.intake import Cut
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.segment import Footer, Segment, encode


def flush(folder: Folder, manifest: Manifest, cut: Cut) -> Segment | None:
    """Writes the segment of `cut` and commits it; without samples and events only the position is committed.

    Blocks for as long as the disk takes. Raises OSError or sqlite3.OperationalError when the disk does not; then
    nothing has changed and the same cut can be flushed again. Raises InUse, before anything is written, when the
    manifest is not at the state the cut began with: no flush may overtake one that failed.
    """
    manifest.check(cut.former)
    if cut.empty:
        manifest.commit(cut.former, cut.new, oddities=cut.oddities)
        return None
    columns = ordered(cut.memory.columns())
    segment, data = encode(columns, Footer(after=cut.former.position, state=cut.new, events=cut.events))
    manifest.put_aside(cut.former, cut.oddities)  # first: a segment that is found after a sudden end brings none
    keep(folder.segments / segment.file, data)
    manifest.commit(
        cut.former,
        cut.new,
        segment=segment,
        latest=latest(columns),
        events=cut.events,
    )
    return segment


def latest(columns: Columns) -> Columns:
    """The last live sample of each tag of ordered columns: back-filled ones never are."""
    live = (columns.mark & np.uint8(Mark.HISTORICAL)) == 0
    return final(columns if live.all() else columns.pick(live))


def final(columns: Columns) -> Columns:
    """The last sample of each tag of ordered columns."""
    ends = np.ones(len(columns), np.bool_)
    ends[:-1] = columns.tag[1:] != columns.tag[:-1]
    return columns.pick(ends)
