# SPDX-License-Identifier: Apache-2.0
"""What is due: many small segments, samples of closed days that nobody adds to any more, files that can be unlinked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from isthmus.core.time import SECOND
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import DAY, Kept, Kind, day_of
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.segment import Segment

MANY: Final = 32
"""Segments that are worth a run."""
QUIET: Final = 15 * 60 * SECOND
"""ns without new samples of closed days after which these are compacted."""
PATIENCE: Final = DAY
"""ns after which samples of closed days are compacted although more are coming."""
GRACE: Final = 10 * 60 * SECOND
"""ns that replaced files stay on the disk for readers that still have them in their list."""


def due(folder: Folder, manifest: Manifest, now: int) -> str:
    """What there is to do at `now` (ns), in a few words; empty: nothing."""
    segments = manifest.segments()
    if len(segments) >= MANY:
        return f"{len(segments)} segments"
    chosen = late(folder, [*manifest.kept(Kind.RUN), *segments], now, wait=True)
    if chosen:
        return f"{len(chosen)} files with samples of closed days"
    if underived(manifest):
        return "carried values or roll-ups that are missing"
    leaving = len(manifest.leaving(now - GRACE))
    return f"{leaving} replaced files" if leaving else ""


def late(folder: Folder, parts: Sequence[Segment | Kept], now: int, *, wait: bool) -> Sequence[Segment | Kept]:
    """Runs and segments (in the order of their samples) up to the last one with samples of a closed day.

    None while such come, if we are to `wait`: until none came for QUIET, at most PATIENCE.
    """
    today = day_of(now) * DAY
    with_late = [i for i, part in enumerate(parts) if part.rows and part.first_time < today]
    if not with_late:
        return ()
    if wait:
        came = [_came(folder, parts[i], now) for i in with_late]
        if now - max(came) < QUIET and now - min(came) < PATIENCE:
            return ()
    return parts[: with_late[-1] + 1]


def _came(folder: Folder, part: Segment | Kept, now: int) -> int:
    """When the file was written, ns."""
    try:
        return folder.place(part.file).stat().st_mtime_ns
    except FileNotFoundError:
        return now


def underived(manifest: Manifest) -> list[int]:
    """Days of which carried values or roll-ups are missing."""
    there: dict[Kind, set[int]] = {kind: set() for kind in Kind}
    for kept in manifest.kept():
        there[kept.kind].add(kept.day)
    whole = there[Kind.MINUTES] & there[Kind.QUARTERS] & {day - 1 for day in there[Kind.CARRIED]}
    return sorted(there[Kind.DAY] - whole)
