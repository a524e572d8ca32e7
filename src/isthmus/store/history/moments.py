# SPDX-License-Identifier: Apache-2.0
"""Manifests for readers stay open from question to question: one that was found sound is asked again for what is new.

A manifest that was made again, set back or checkpointed is another file, or has another size or age, and is opened and
checked anew. Nothing is locked between questions.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

from isthmus.core.errors import Damaged
from isthmus.store.history.manifest import Manifest

MOST: Final = 8
"""Manifests that wait for the next question."""

_waiting: list[tuple[int, Manifest]] = []
"""With the process that opened them."""
_lock: Final = Lock()


def taken(path: Path) -> Manifest | None:
    """A manifest that waits, as it is at this moment; None when it has to be opened. Give it back with `waits`."""
    with _lock:
        found = next((entry for entry in reversed(_waiting) if entry[1].path == path), None)
        if found is None:
            return None
        _waiting.remove(found)
    process, manifest = found
    if process != os.getpid():  # this one is a copy of it: the connection is not ours to close
        return None
    with suppress(Damaged, sqlite3.Error):
        if manifest.is_as_opened():
            manifest.freeze()
            manifest.state()
            return manifest
    manifest.close()
    return None


def waits(manifest: Manifest) -> None:
    """The question is answered; the manifest may be taken for the next one."""
    try:
        manifest.thaw()
        sound = manifest.is_as_opened()
    except sqlite3.Error:
        sound = False
    if not sound:
        manifest.close()
        return
    with _lock:
        _waiting.append((os.getpid(), manifest))
        surplus = [_waiting.pop(0) for _ in range(len(_waiting) - MOST)]
    _close(surplus)


@atexit.register
def close_all() -> None:
    """Nothing waits any more."""
    with _lock:
        surplus, _waiting[:] = list(_waiting), []
    _close(surplus)


def _close(entries: Iterable[tuple[int, Manifest]]) -> None:
    for process, manifest in entries:
        if process == os.getpid():
            manifest.close()
