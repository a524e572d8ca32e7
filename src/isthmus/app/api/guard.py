# SPDX-License-Identifier: Apache-2.0
"""Who may ask: only this machine, under its own name, from pages that this server gave.

Until there are people and roles nobody signs in, so nobody else may reach the API: a page of another site that is open
in the same browser could ask too. Its requests carry its `Origin`, and a name of its own that was pointed at this
machine (DNS rebinding) shows in `Host`; both are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec
from litestar.enums import ScopeType

from isthmus.app.api.problem import MEDIA_TYPE, Problem
from isthmus.app.run.address import is_loopback

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

_HINT: Final = "until people can sign in, the API answers this machine only: ask http://127.0.0.1"


def guarded(inner: ASGIApp) -> ASGIApp:
    """The application behind the guard."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in (ScopeType.HTTP, ScopeType.WEBSOCKET) and (wrong := _wrong(dict(scope["headers"]))):
            await _refuse(scope, send, wrong)
        else:
            await inner(scope, receive, send)

    return guard


def _wrong(headers: dict[bytes, bytes]) -> str:
    """What is wrong with where a request comes from; empty for nothing."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    asked = _name(f"//{host}")
    if asked is None or not (asked == "localhost" or is_loopback(asked)):
        return f"the request asks for the host {host!r}, which is not this one"
    origin = headers.get(b"origin", b"").decode("latin-1").lower()
    if origin and origin not in (f"http://{host}", f"https://{host}"):
        return f"the request comes from a page of {origin!r}"
    return ""


def _name(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - reading it checks it
        return parts.hostname if not (parts.path or parts.username) else None
    except ValueError:
        return None


async def _refuse(scope: Scope, send: Send, what: str) -> None:
    if scope["type"] == ScopeType.WEBSOCKET:
        await send({"type": "websocket.close", "code": 1008, "reason": "not from here"})
        return
    body = msgspec.json.encode(Problem(title=what, status=403, hint=_HINT))
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
