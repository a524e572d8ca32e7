# SPDX-License-Identifier: Apache-2.0
"""A run is written by whoever brings samples that did not come through the log: an import, a correction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from isthmus.core.event import Event
from isthmus.store.history.columns import Columns, ordered
from isthmus.store.history.flush import latest
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import Bookmark, Kept, KeptFooter, Kind, day_of
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.write import write_samples


def write_run(
    root: Path,
    manifest: Manifest,
    columns: Columns,
    *,
    bookmark: Bookmark | None = None,
    events: Sequence[Event] = (),
) -> Kept:
    """Adds these samples (in any order) to the history in `root`, with the bookmark and the events, all or nothing.

    Only who tends the history may call it, with the manifest from `tended`. Everything is on the disk on return. A
    live sample, or correction of one, becomes the latest of its tag when it is.
    """
    folder, columns = Folder(root), ordered(columns)
    footer = KeptFooter(
        kind=Kind.RUN,
        day=day_of(int(columns.time.min())) if len(columns) else 0,
        number=manifest.next_number(),
        act=uuid4().hex,
        others=(),
        events=tuple(events),
        bookmarks=(bookmark,) if bookmark is not None else (),
    )
    kept = write_samples(folder, columns, footer)
    manifest.replace((kept,), (), events=events, latest=latest(columns), bookmark=bookmark)
    return kept
