# SPDX-License-Identifier: Apache-2.0
"""How long each tag of a plant is kept: by the revision that runs, for tags that are gone by the last that had them."""

from __future__ import annotations

from contextlib import closing

from isthmus.app.run.endpoint import current, revision_of
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.plant.retention import DEFAULT, NONE
from isthmus.plant.revision import Revision
from isthmus.store.history.compact import never, nothing
from isthmus.store.history.folder import Folder
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.retain import Progress, Retained, Stop, is_due, retain
from isthmus.store.ledger.files import RevisionFiles


def classes(place: Place, revision: Revision) -> dict[int, str]:
    """The class of history of every number that was ever given; a tag that is gone keeps the one it had last."""
    files = RevisionFiles(place.revisions)
    found = _classes(revision)
    for _, path in sorted(files.numbers().items(), reverse=True):
        for number, name in _classes(files.read(path)).items():
            found.setdefault(number, name)
    return found


def _classes(revision: Revision) -> dict[int, str]:
    return {
        number: setting.keep or DEFAULT
        for setting in revision.tags
        for number in (setting.tag.number, *(each.number for each in (*setting.formers, *setting.apart)))
    }


def let_go(place: Place, *, progress: Progress = nothing, stop: Stop = never, dry: bool = False) -> Retained:
    """Retention of a plant's history, by hand; raises as `store.history.retain.retain`."""
    revision = revision_of(place)
    known = classes(place, revision)
    return retain(place.history, revision.retention, known, progress=progress, stop=stop, dry=dry)


def let_go_when_due(place: Place, stop: Stop) -> Retained | None:
    """Retention of a plant's history, once a day; None where nothing is due."""
    revision = current(place)
    if revision is None or revision.retention == NONE:
        return None
    known, now = classes(place, revision), time.now()
    folder = Folder(place.history)
    with closing(Manifest.open(folder.manifest, reading=True)) as manifest:
        if not is_due(folder, manifest, revision.retention, known, now):
            return None
    return retain(place.history, revision.retention, known, now=now, stop=stop)


def anything_goes(place: Place) -> bool:
    """Whether the revision that runs lets go of anything."""
    revision = current(place)
    return revision is not None and revision.retention != NONE
