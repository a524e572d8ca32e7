# SPDX-License-Identifier: Apache-2.0
"""Whether the plant does its work, for whatever watches over processes."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec

from isthmus.app.condition import gather
from isthmus.app.run.place import Place


class Health(msgspec.Struct, frozen=True):
    """In one word, and why."""

    state: str
    """`ready`, `not connected`, `not ready` or `stopped`."""
    not_connected: list[str]
    """Systems that are away."""
    bad: int
    """Tags whose last quality is bad."""


@get(
    "/api/health",
    operation_id="health",
    summary="Whether the plant does its work",
    responses={503: ResponseSpec(Health, description="It does not, or a system is away")},
    tags=["health"],
)
async def health(place: Place) -> Response[Health]:
    """200 when everything is ready and every system connected, else 503."""
    found: dict[str, Any] = await asyncio.to_thread(gather, place)
    status = HTTPStatus.OK if found["state"] == "ready" else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(Health(found["state"], found["not_connected"], found["bad"]), status_code=status)
