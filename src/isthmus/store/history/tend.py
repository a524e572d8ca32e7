# SPDX-License-Identifier: Apache-2.0
"""Who tends a history (compacts, imports, retains, corrects) does it alone; recording goes on meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from isthmus.core import time
from isthmus.core.errors import Damaged, NotFound
from isthmus.store.history.adopt import open_manifest
from isthmus.store.history.folder import Folder, alone, owned
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.tidy import tidy

PATIENCE: Final = 3.0
"""Seconds that somebody who tends the history already is waited for."""


@contextmanager
def tended(root: Path) -> Iterator[Manifest]:
    """The manifest of the history in `root`, for the only process that tends it as long as the block runs.

    Raises InUse when another one does, NotFound when there is no folder. A recorder may run at the same time: both
    write into the manifest in short transactions.
    """
    folder = Folder(root)
    if not folder.root.is_dir():
        raise NotFound("there is no history", where=str(root), hint="`isthmus run` records one")
    _make_sound(folder)
    with alone(folder, PATIENCE):
        manifest = Manifest.open(folder.manifest)
        try:
            tidy(folder, manifest, time.now())
            yield manifest
        finally:
            manifest.close()


def _make_sound(folder: Folder) -> None:
    """Makes the manifest again where it is lost, as a recorder would; raises InUse when one is running."""
    folder.make()
    try:
        if folder.manifest.exists():
            Manifest.open(folder.manifest, reading=True).close()
            return
    except Damaged:
        pass
    with owned(folder):
        open_manifest(folder).close()
