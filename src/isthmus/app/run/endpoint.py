# SPDX-License-Identifier: Apache-2.0
"""Where the log of a plant is: the embedded one of its data directory, or the one its revision names."""

from __future__ import annotations

from isthmus.app.run.place import Place
from isthmus.core.errors import NotFound
from isthmus.flow.secrets import reveal
from isthmus.plant.revision import Revision
from isthmus.store.ledger.files import RevisionFiles
from isthmus.stream.endpoint import Endpoint


def endpoint(place: Place, service: str) -> Endpoint:
    """How `service` reaches the log; raises NotFound when the embedded one has never run here."""
    external = external_log(current(place), place)
    return external if external is not None else Endpoint.load(place.endpoint(service))


def current(place: Place) -> Revision | None:
    """The applied revision; None when there is none. Raises Damaged when its file is not what was written."""
    return RevisionFiles(place.revisions).current()


def revision_of(place: Place) -> Revision:
    """The applied revision; raises NotFound when `place` has none."""
    revision = current(place)
    if revision is None:
        raise NotFound(
            "there is no plant here",
            where=str(place.root),
            hint="--data names its data directory; isthmus demo makes one",
        )
    return revision


def external_log(revision: Revision | None, place: Place) -> Endpoint | None:
    """The log a revision names under `stream`; None when it says nothing and the embedded one is meant."""
    if revision is None or not revision.stream.get("url"):
        return None
    named = reveal(revision.stream, place.root)
    return Endpoint(url=named["url"], user=named.get("user", ""), password=named.get("password", ""))
