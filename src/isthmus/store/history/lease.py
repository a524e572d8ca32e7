# SPDX-License-Identifier: Apache-2.0
"""A lease says that somebody reads the history as it was at a time: files replaced later stay on the disk for them.

It is a file that its reader keeps locked, so it ends with the reader however that ends. Who may not write into the
folder reads without one, and has the files for the time that replaced files stay anyway.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from uuid import uuid4

from isthmus.core.time import SECOND
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import DAY

LONGEST: Final = DAY
"""ns after which a lease is not respected any more."""
_YOUNG: Final = 60 * SECOND
"""ns in which a lease may not be locked yet."""


@contextmanager
def leased(folder: Folder) -> Iterator[None]:
    """Files that are listed when the block begins are not unlinked while it runs (and not longer than LONGEST)."""
    path = folder.readers / uuid4().hex
    try:
        folder.readers.mkdir(exist_ok=True)
        file = path.open("x")
    except OSError:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def oldest_lease(folder: Folder, now: int) -> int:
    """When the longest reader that is respected began, ns; `now` where nobody reads. Removes what dead ones left."""
    oldest = now
    for path in folder.readers.iterdir() if folder.readers.is_dir() else ():
        with suppress(FileNotFoundError), path.open() as file:
            began = path.stat().st_mtime_ns
            if now - began > _YOUNG and _is_free(file.fileno()):
                path.unlink()
            elif now - began < LONGEST:
                oldest = min(oldest, began)
    return oldest


def _is_free(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
