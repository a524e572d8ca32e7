# SPDX-License-Identifier: Apache-2.0
"""Who tends a history (compacts, imports, retains, corrects) does it alone; recording goes on meanwhile."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isthmus.core.errors import InUse, NotFound
from isthmus.store.history.folder import Folder
from isthmus.store.history.manifest import Manifest


@contextmanager
def tended(root: Path) -> Iterator[Manifest]:
    """The manifest of the history in `root`, for the only process that tends it as long as the block runs.

    Raises InUse when another one does, NotFound when there is no folder. A recorder may run at the same time: both
    write into the manifest in short transactions.
    """
    folder = Folder(root)
    if not folder.root.is_dir():
        raise NotFound("there is no history", where=str(root), hint="`isthmus run` records one")
    with alone(folder):
        manifest = Manifest.open(folder.manifest)
        try:
            yield manifest
        finally:
            manifest.close()


@contextmanager
def alone(folder: Folder) -> Iterator[None]:
    """Nobody else tends the folder for as long as the block runs; raises InUse when somebody does."""
    folder.make()
    with (folder.root / "tend.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            hint = "wait until it is done (a compaction starts by itself and takes minutes), then try again"
            what = "the history is being compacted, imported into or corrected by another process"
            raise InUse(what, where=str(folder.root), hint=hint) from error
        yield
