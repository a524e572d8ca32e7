# SPDX-License-Identifier: Apache-2.0
"""What the screen draws of the plant."""

from __future__ import annotations

from litestar import get

from isthmus.app.api.picture import Picture
from isthmus.app.api.plant import applied
from isthmus.app.api.problem import ASKED_WRONGLY
from isthmus.plant.picture import Picture as Drawing


@get("/api/pictures", operation_id="pictures", summary="What the screen draws", responses=ASKED_WRONGLY, tags=["plant"])
async def pictures(picture: Picture) -> list[Drawing]:
    """The pictures that the plant file gives of places and of types of equipment."""
    return list(applied(picture).pictures)
