# SPDX-License-Identifier: Apache-2.0
"""The plant's equipment."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.params import Parameter

from isthmus.app.api.picture import Picture
from isthmus.app.api.plant import applied
from isthmus.app.api.problem import ASKED_WRONGLY, NOT_THERE
from isthmus.core.errors import NotFound
from isthmus.core.path import matcher
from isthmus.plant.revision import AssetSetting


class Asset(msgspec.Struct, frozen=True):
    """One piece of equipment."""

    path: str
    type: str
    """Type and version; empty for a place that only has tags of its own."""
    description: str
    owner: str
    symbol: str
    """How the screen draws it; empty where the plant file does not say."""
    file: str
    line: int
    """Where the plant file says it."""

    @classmethod
    def of(cls, setting: AssetSetting) -> Asset:
        place = setting.place
        return cls(
            setting.path, setting.type, setting.description, setting.owner, setting.symbol, place.file, place.line
        )


@get("/api/assets", operation_id="assets", summary="Pieces of equipment", responses=ASKED_WRONGLY, tags=["assets"])
async def assets(
    picture: Picture,
    match: Annotated[str, Parameter(description="A path, the end of one, or a pattern: `*` one part, `**` any")] = "",
) -> list[Asset]:
    """In order of their paths."""
    matches = matcher(match) if match else None
    found = [a for a in applied(picture).assets if matches is None or matches(a.path)]
    return [Asset.of(setting) for setting in sorted(found, key=lambda setting: setting.path)]


@get("/api/asset", operation_id="asset", summary="One piece of equipment", responses=NOT_THERE, tags=["assets"])
async def asset(picture: Picture, path: str) -> Asset:
    for setting in applied(picture).assets:
        if setting.path == path:
            return Asset.of(setting)
    raise NotFound(f"no asset has the path {path!r}", where="path", hint="/api/assets lists them")
