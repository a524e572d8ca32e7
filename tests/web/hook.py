# SPDX-License-Identifier: Apache-2.0
"""Senders to a webhook that share no code with it: curl with openssl, and http.client with hmac."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
from typing import Any

SECRET = "0123456789abcdef0123456789abcdef"

SCRIPT = """
id=${ID:-$(openssl rand -hex 16)}; at=$(date +%s)
signature=$(printf '%s.%s.%s' "$id" "$at" "$body" | openssl dgst -sha256 -hmac "$SECRET" -binary | base64)
"""


def headers(id_: str, body: bytes, *, at: float | None = None, secret: str = SECRET, **more: str) -> dict[str, str]:
    """The headers of a signed message."""
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), f"{id_}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    said = {"webhook-id": id_, "webhook-timestamp": stamp, "webhook-signature": signature}
    return said | {"Content-Type": "application/json"} | {name.replace("_", "-"): text for name, text in more.items()}


def push(port: int, id_: str, found: Any, *, path: str = "/results", **more: Any) -> tuple[int, dict[str, Any]]:
    """(status, what was said) of a message; `found` is sent as JSON unless it is bytes."""
    body = found if isinstance(found, bytes) else json.dumps(found).encode()
    return send(port, body, headers(id_, body, **more), path=path)


def send(
    port: int, body: bytes, said: dict[str, str], *, method: str = "POST", path: str = "/results"
) -> tuple[int, dict[str, Any]]:
    """(status, what was said) of a request with these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        connection.request(method, path, body, said)
        answer = connection.getresponse()
        text = answer.read()
        told: dict[str, Any] = json.loads(text) if text[:1] == b"{" else {"text": text.decode()}
        return answer.status, told | {"retry": answer.getheader("Retry-After")}
    finally:
        connection.close()
