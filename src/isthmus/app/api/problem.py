# SPDX-License-Identifier: Apache-2.0
"""An error as the API tells it: problem+json with what, where and what next (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from isthmus.core.errors import Damaged, Disconnected, InUse, IsthmusError, LogFull, NotFound

MEDIA_TYPE: Final = "application/problem+json"

say = structlog.get_logger("api")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What went wrong with one request."""

    title: str
    """What, in one sentence."""
    status: int
    """The HTTP status."""
    where: str = ""
    """The parameter, tag, file or system it is about."""
    hint: str = ""
    """What to do next."""
    type: str = "about:blank"


_STATUS: Final[tuple[tuple[type[IsthmusError], HTTPStatus], ...]] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (Disconnected, HTTPStatus.SERVICE_UNAVAILABLE),
    (InUse, HTTPStatus.SERVICE_UNAVAILABLE),
    (LogFull, HTTPStatus.SERVICE_UNAVAILABLE),
    (Damaged, HTTPStatus.INTERNAL_SERVER_ERROR),
    (IsthmusError, HTTPStatus.BAD_REQUEST),
)

ASKED_WRONGLY: Final = {
    400: ResponseSpec(Problem, description="The question cannot be understood", media_type=MEDIA_TYPE),
    503: ResponseSpec(Problem, description="The log or history cannot be read now", media_type=MEDIA_TYPE),
}
"""What every question may be answered with instead, for the OpenAPI document."""

NOT_THERE: Final = {
    **ASKED_WRONGLY,
    404: ResponseSpec(Problem, description="Nothing has this name", media_type=MEDIA_TYPE),
}


def of(error: IsthmusError) -> Problem:
    """An error of ours as a problem."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    return Problem(title=error.what, status=status, where=error.where, hint=error.hint)


def answer(problem: Problem, headers: dict[str, str] | None = None) -> Response[Any]:
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def explained(_request: Request[Any, Any, Any], error: IsthmusError) -> Response[Any]:
    """The answer to an error of ours."""
    return answer(of(error))


def refused(_request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """The answer to what the framework refuses: an unknown path, a wrong method, a parameter of the wrong type."""
    where = hint = ""
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        where = ", ".join(str(found.get("key", "")) for found in error.extra if isinstance(found, dict))
        hint = "; ".join(str(found.get("message", "")) for found in error.extra if isinstance(found, dict))
    title = HTTPStatus(error.status_code).phrase if error.status_code == HTTPStatus.NOT_FOUND else error.detail
    hint = hint or ("/api/schema/openapi.json lists what there is" if error.status_code == HTTPStatus.NOT_FOUND else "")
    return answer(Problem(title=title, status=error.status_code, where=where, hint=hint), error.headers)


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The answer to a mistake of ours: the person gets no traceback, the service's log does."""
    say.error("failed", path=str(request.url.path), exc_info=error)
    hint = "run/serve.log in the data directory says more"
    return answer(Problem(title="this answer could not be made", status=500, hint=hint))
