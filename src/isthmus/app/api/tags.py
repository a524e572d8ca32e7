# SPDX-License-Identifier: Apache-2.0
"""The plant's tags as the plant file has them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import Parameter

from isthmus.app.api.picture import Picture
from isthmus.app.api.plant import applied
from isthmus.app.api.problem import ASKED_WRONGLY, NOT_THERE
from isthmus.app.recorded import find
from isthmus.core import time
from isthmus.core.path import matcher
from isthmus.core.tag import DataType
from isthmus.plant.revision import Revision, TagSetting

Match = Annotated[
    str, Parameter(description="A path, the end of one, or a pattern: `*` one part of a path, `**` any number")
]


class Tag(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tag."""

    number: int
    """Permanent: live values name it."""
    path: str
    type: DataType
    unit: str
    """UCUM code; empty for none."""
    system: str
    address: str
    stepped: bool = False
    range: tuple[float, float] | None = None
    """In the tag's unit; values outside it are marked."""
    normal: tuple[float, float] | None = None
    """In the tag's unit: where it stands in normal operation."""
    labels: dict[str, str] = {}
    """Names of the values of an enumeration."""
    description: str = ""
    every: float = 0.0
    """Wanted sampling interval, s; 0: as fast as the system likes."""
    file: str = ""
    line: int = 0
    """Where the plant file says from where it is read."""
    meant_file: str = ""
    meant_line: int = 0
    """Where its type says what it means; empty for a tag of an asset without a type."""

    @classmethod
    def of(cls, setting: TagSetting) -> Tag:
        tag = setting.tag
        return cls(
            number=tag.number,
            path=tag.path,
            type=tag.type,
            unit=tag.unit,
            system=setting.system,
            address=setting.address,
            stepped=tag.stepped,
            range=setting.range,
            normal=setting.normal,
            labels={str(value): name for value, name in setting.labels.items()},
            description=setting.description,
            every=setting.every / time.SECOND,
            file=setting.place.file,
            line=setting.place.line,
            meant_file=setting.meant.file,
            meant_line=setting.meant.line,
        )


def matching(revision: Revision, match: str) -> Sequence[TagSetting]:
    """The tags of a pattern, in order of their paths; of an empty one all."""
    matches = matcher(match) if match else None
    found = [s for s in revision.tags if matches is None or matches(s.tag.path)]
    return sorted(found, key=lambda setting: setting.tag.path)


@get("/api/tags", operation_id="tags", summary="Tags", responses=ASKED_WRONGLY, tags=["tags"])
async def tags(
    picture: Picture,
    match: Match = "",
    limit: Annotated[int, Parameter(ge=1, le=200_000, description="At most so many")] = 200_000,
    offset: Annotated[int, Parameter(ge=0, le=2**31, description="Without so many of the first")] = 0,
) -> list[Tag]:
    """In order of their paths."""
    revision = applied(picture)

    def found() -> list[Tag]:
        return [Tag.of(setting) for setting in matching(revision, match)[offset : offset + limit]]

    return await asyncio.to_thread(found)  # of ten thousand tags it takes a while, and live pages go on


@get("/api/tag", operation_id="tag", summary="One tag", responses=NOT_THERE, tags=["tags"])
async def tag(picture: Picture, path: Annotated[str, Parameter(description="Its path, or the end of one")]) -> Tag:
    revision = applied(picture)
    return Tag.of(revision.by_path[path] if path in revision.by_path else find(revision, [path])[0])
