# SPDX-License-Identifier: Apache-2.0
"""Undoing an import takes all its samples out of the history; nothing else has its moment as `seen`.

A sample that the plant recorded itself, or that was imported again later, identically, is not this import's any more
and stays.
"""

from __future__ import annotations

from collections.abc import Callable

from isthmus.app.importing.account import Account, accounts
from isthmus.app.importing.take import patiently
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import NotFound
from isthmus.store.history.folder import Folder
from isthmus.store.history.withdraw import withdraw


def undo(place: Place, id_: str, progress: Callable[[int, int], None]) -> tuple[Account, int]:
    """The import, taken back, and how many samples were removed. Cut off, it can be begun again.

    Raises NotFound when there is no such import.
    """
    revision_of(place)
    with patiently(place.history) as manifest:
        known = [account for account in accounts(manifest) if account.id == id_]
        if not known:
            raise NotFound(f"there is no import {id_!r}", where=str(place.root), hint="isthmus import --list")
        account, count = known[-1], 0
        account.undoing = time.now()
        manifest.replace((), (), bookmark=account.bookmark())
        if account.tags:
            count = withdraw(Folder(place.history), manifest, account.seen, account.first, account.last, progress)
        account.undone = time.now()
        manifest.replace((), (), bookmark=account.bookmark())
    return account, count
