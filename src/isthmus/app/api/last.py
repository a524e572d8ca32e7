# SPDX-License-Identifier: Apache-2.0
"""Last values, with where they stand in time and what is known of them."""

from __future__ import annotations

from time import monotonic_ns
from typing import Annotated, Any

import msgspec
from litestar import get
from litestar.params import Parameter

from isthmus.app.api.picture import Picture, Shown, shown
from isthmus.app.api.plant import applied
from isthmus.app.api.problem import ASKED_WRONGLY
from isthmus.app.api.tags import Match, matching
from isthmus.core import time
from isthmus.core.quality import marks, name
from isthmus.plant.revision import TagSetting


class Last(msgspec.Struct, frozen=True):
    """One tag's last value."""

    path: str
    number: int
    value: Shown
    """null: none. 64-bit integers of 2^53 and more are text."""
    label: str
    """Name of an enumeration's value."""
    unit: str
    time: str | None
    """The device's time, ISO 8601, UTC; null: it never had a value."""
    seen: str | None
    """When we received it."""
    quality: str
    """The standard's name of the StatusCode."""
    code: int
    marks: str
    """Our own remarks."""
    stale: bool
    """Its source has not been heard of for a while."""


def last_of(picture: Picture, setting: TagSetting, now: int) -> Last:
    """The last value of one tag; `now` is monotonic."""
    tag, latest = setting.tag, picture.live.latest(setting.tag.number, setting.tag.type, now)
    if latest is None:
        return Last(tag.path, tag.number, None, "", tag.unit, None, None, "BadNoData", 0x809B_0000, "", True)
    value: Any = shown(latest.value)
    return Last(
        path=tag.path,
        number=tag.number,
        value=value,
        label=setting.labels.get(value, "") if isinstance(value, int) else "",
        unit=tag.unit,
        time=time.to_iso(latest.time),
        seen=time.to_iso(latest.seen),
        quality=name(latest.quality),
        code=latest.quality,
        marks=marks(latest.mark),
        stale=latest.stale,
    )


@get("/api/last", operation_id="last", summary="Last values", responses=ASKED_WRONGLY, tags=["tags"])
async def last(
    picture: Picture,
    match: Match = "",
    limit: Annotated[int, Parameter(ge=1, le=200_000, description="At most so many")] = 10_000,
) -> list[Last]:
    """In order of their paths."""
    now = monotonic_ns()
    return [last_of(picture, setting, now) for setting in matching(applied(picture), match)[:limit]]
