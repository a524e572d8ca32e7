# SPDX-License-Identifier: Apache-2.0
"""Tidying brings `kept/` in agreement with the manifest, and unlinks what nobody reads any more."""

from __future__ import annotations

from isthmus.core.time import SECOND
from isthmus.store.history.adopt import take_in
from isthmus.store.history.due import GRACE
from isthmus.store.history.folder import SPARE, TEMPORARY, Folder, settle
from isthmus.store.history.lease import oldest_lease
from isthmus.store.history.manifest import Manifest


def tidy(folder: Folder, manifest: Manifest, now: int) -> int:
    """Only for who tends the folder alone; how many files were unlinked."""
    for path in folder.kept.glob(f"*{TEMPORARY}"):
        path.unlink()
    for path in folder.kept.glob(f"*{SPARE}"):
        if not path.with_name(path.name.removesuffix(SPARE)).exists():
            path.unlink()
    take_in(folder, manifest)
    return unlink_left(folder, manifest, now)


def unlink_left(folder: Folder, manifest: Manifest, now: int) -> int:
    """Unlinks the files that do not count since GRACE before `now`, nor for anybody who still reads; how many."""
    manifest.check_place()
    files = manifest.leaving(min(now - GRACE, oldest_lease(folder, now) - SECOND))
    if not files:
        return 0
    for file in files:
        folder.drop(file)
    for place in (folder.segments, folder.kept):
        settle(place)
    manifest.left(files)
    return len(files)
