# SPDX-License-Identifier: Apache-2.0
"""Signatures of pushed messages: HMAC-SHA256 over id, time and body, as Standard Webhooks 1.0.0 has them.

`webhook-signature: v1,BASE64` of `id.timestamp.body`, with `webhook-id` and `webhook-timestamp` (seconds since 1970)
beside it. A secret that begins with `whsec_` is Base64 of the key, any other is the key itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from isthmus.core.errors import IsthmusError

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

SHORTEST: Final = 16
"""Bytes of a key."""
MOST: Final = 10
"""Signatures of one message that are looked at."""
_PREFIX: Final = "whsec_"


def key_of(secret: str) -> bytes:
    """The key; raises IsthmusError when it is none, or one that can be guessed."""
    try:
        key = base64.b64decode(secret[len(_PREFIX) :], validate=True) if secret.startswith(_PREFIX) else secret.encode()
    except (binascii.Error, ValueError) as error:
        raise IsthmusError("what follows whsec_ in the secret is no Base64") from error
    if len(key) < SHORTEST:
        hint = "make one with: openssl rand -hex 32"
        raise IsthmusError(f"the secret has {len(key)} bytes; it needs {SHORTEST} at least", hint=hint)
    return key


def signature(key: bytes, id_: str, timestamp: str, body: bytes) -> str:
    """The value of `webhook-signature`."""
    digest = hmac.digest(key, f"{id_}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def signed(key: bytes, id_: str, timestamp: str, body: bytes, said: str) -> bool:
    """One of the signatures `said`, divided by blanks, is right. Takes as long for a wrong one as for a right one."""
    right = signature(key, id_, timestamp, body).encode()
    matches = [hmac.compare_digest(right, one.encode("utf-8", "replace")) for one in said.split()[:MOST]]
    return any(matches)
