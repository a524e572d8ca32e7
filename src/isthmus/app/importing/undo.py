# SPDX-License-Identifier: Apache-2.0
"""Undoing an import takes all its samples out of the history; nothing else has its moment as `seen`.

A sample that the plant recorded itself, or that was imported again later, identically, is not this import's any more
and stays. So do roll-ups of samples that retention let go of: nobody can tell any more whose these were.
"""

from __future__ import annotations

from collections.abc import Callable

from isthmus.app.importing.account import Account, accounts
from isthmus.app.importing.take import patiently
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import NotFound
from isthmus.store.history.border import NEVER, Borders
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import DAY
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.withdraw import withdraw


def undo(place: Place, id_: str, progress: Callable[[int, int], None]) -> tuple[Account, int, int | None]:
    """The import, taken back, and how many samples were removed. Cut off, it can be begun again.

    With the time (ns) before which samples of it may have been let go, so that their roll-ups stay; None: none were.
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
        return account, count, _let_go(manifest, account)


def _let_go(manifest: Manifest, account: Account) -> int | None:
    of = Borders.noted(manifest).of
    before = max((of[number].raw for number in account.tags if number in of), default=NEVER) * DAY
    return before if before > account.first else None
