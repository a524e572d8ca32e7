# SPDX-License-Identifier: Apache-2.0
"""The plant and its revisions."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import Parameter

from isthmus.app.api.picture import Picture
from isthmus.app.api.problem import ASKED_WRONGLY, NOT_THERE
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import Disconnected
from isthmus.plant.revision import Revision
from isthmus.store.ledger import Ledger


class Plant(msgspec.Struct, frozen=True):
    """What runs."""

    plant: str
    """`enterprise/site`: every path begins with it."""
    revision: int
    created: str
    """When the revision was applied first, ISO 8601, UTC."""
    author: str
    comment: str
    time_zone: str
    systems: int
    assets: int
    tags: int


class RevisionLine(msgspec.Struct, frozen=True):
    """One revision of the plant."""

    number: int
    created: str
    author: str
    comment: str
    digest: str
    """The same for the same content."""
    applied: str | None
    """When it was last put to work; null: never."""


class RevisionText(msgspec.Struct, frozen=True):
    """What a revision was made from."""

    number: int
    files: dict[str, str]
    """The plant file and its includes: name → text. Secrets stand in none of them."""


def applied(picture: Picture) -> Revision:
    """The revision that runs; raises Disconnected before it is known."""
    if picture.watch.applied is None:
        raise Disconnected("the plant is being started", hint="ask again in a moment")
    return picture.watch.applied


@get("/api/plant", operation_id="plant", summary="What runs", responses=ASKED_WRONGLY, tags=["plant"])
async def plant(picture: Picture) -> Plant:
    runs = applied(picture)
    return Plant(
        plant=runs.plant,
        revision=runs.number,
        created=time.to_iso(runs.created),
        author=runs.author,
        comment=runs.comment,
        time_zone=runs.time_zone,
        systems=len(runs.systems),
        assets=len(runs.assets),
        tags=len(runs.tags),
    )


@get("/api/revisions", operation_id="revisions", summary="Every revision", responses=ASKED_WRONGLY, tags=["plant"])
async def revisions(place: Place) -> list[RevisionLine]:
    """The newest first."""

    def read() -> list[RevisionLine]:
        with Ledger.open(place.root) as ledger:
            return [
                RevisionLine(
                    number=line.number,
                    created=time.to_iso(line.created),
                    author=line.author,
                    comment=line.comment,
                    digest=line.digest,
                    applied=time.to_iso(line.applied) if line.applied is not None else None,
                )
                for line in ledger.revisions()
            ]

    return await asyncio.to_thread(read)


@get(
    "/api/revisions/{number:int}",
    operation_id="revision",
    summary="The plant file of one revision",
    responses=NOT_THERE,
    tags=["plant"],
)
async def revision(place: Place, number: Annotated[int, Parameter(ge=1, le=2**31)]) -> RevisionText:
    def read() -> RevisionText:
        with Ledger.open(place.root) as ledger:
            return RevisionText(number, ledger.revision(number).sources)

    return await asyncio.to_thread(read)
