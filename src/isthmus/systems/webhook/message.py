# SPDX-License-Identifier: Apache-2.0
"""A pushed message: is it who it says, is it in time, and which rows does it hold? If not, what the sender is told."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec

from isthmus.core import time
from isthmus.systems.files.rows import Row, flat
from isthmus.systems.http.signing import ID, SIGNATURE, TIMESTAMP, signed
from isthmus.systems.webhook.spec import WebhookSpec

LONGEST_ID: Final = 200
"""Characters."""
MOST_ROWS: Final = 50_000
"""Rows of one message."""
_LINES: Final = ("ndjson", "jsonl", "jsonlines", "json-lines")
_UTF8: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})


class Turned(Exception):
    """A message that is not taken, and why, for its sender."""

    def __init__(self, status: int, what: str, hint: str = "", **headers: str) -> None:
        self.status, self.what, self.hint = status, what, hint
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(what)

    def body(self) -> bytes:
        """As problem+json (RFC 9457)."""
        said = {"title": HTTPStatus(self.status).phrase, "status": self.status, "detail": self.what}
        return msgspec.json.encode(said | ({"hint": self.hint} if self.hint else {}))


@dataclass(slots=True, eq=False)
class Message:
    """A message that was found good, on its way into the log."""

    id: str
    digest: bytes
    """Of its body."""
    rows: Sequence[Row]
    size: int
    """Bytes of its rows."""
    logged: asyncio.Future[None]
    """Done once the log has it."""
    samples: int = 0
    spoilt: int = 0
    """Values and rows that went to quarantine."""


def proved(headers: Mapping[str, str], body: bytes, key: bytes, spec: WebhookSpec, now: int) -> tuple[str, int]:
    """(id, signed time in ns) of a message whose signature is right and whose time is ours; raises Turned."""
    id_, stamp, said = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    for name, value in ((ID, id_), (TIMESTAMP, stamp), (SIGNATURE, said)):
        if not value:
            hint = f"send {ID}, {TIMESTAMP} and {SIGNATURE}, as Standard Webhooks has them"
            raise Turned(401, f"the header {name} is missing", hint)
    if len(id_) > LONGEST_ID or not id_.isascii() or not id_.isprintable():
        raise Turned(400, f"{ID} has more than {LONGEST_ID} characters, or others than of printable ASCII")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise Turned(400, f"{TIMESTAMP} is not the seconds since 1970", "write what date +%s says")
    if not signed(key, id_, stamp, body, said):
        hint = (
            f"sign ID.TIMESTAMP.BODY, the body as it is sent, with HMAC-SHA256; write v1, and its Base64 in {SIGNATURE}"
        )
        raise Turned(401, "the signature is not right", hint)
    at = int(stamp) * time.SECOND
    if abs(now - at) > time.duration(spec.window):
        off = abs(now - at) // time.SECOND
        which = "old" if at < now else "ahead"
        raise Turned(401, f"the message is {off} s {which}; {spec.window} are allowed", "is the sender's clock right?")
    return id_, at


def unpacked(body: bytes, encoding: str, largest: int) -> bytes:
    """The body without its Content-Encoding; raises Turned."""
    if encoding.lower() in ("", "identity"):
        return body
    if encoding.lower() not in ("gzip", "x-gzip"):
        raise Turned(415, f"Content-Encoding {encoding[:40]!r} is not read here", "send gzip, or nothing packed")
    try:
        stream = zlib.decompressobj(wbits=31)
        found = stream.decompress(body, largest + 1)
    except zlib.error as error:
        raise Turned(400, f"the body is no gzip: {error}") from error
    if len(found) > largest:
        raise Turned(413, f"the body has more than {largest:,} bytes when it is unpacked")
    if not stream.eof or stream.unused_data:
        raise Turned(400, "the body is not one whole gzip")
    return found


def rows_of(body: bytes, kind: str, charset: str, at: int, spec: WebhookSpec) -> list[Row]:
    """The rows of a body of this content type, each with a time; raises Turned."""
    if charset.lower() not in _UTF8:
        raise Turned(415, f"charset {charset[:40]!r} is not read here", "send UTF-8")
    found = _objects(body, kind)
    if len(found) > MOST_ROWS:
        raise Turned(413, f"the message has more than {MOST_ROWS:,} rows")
    stamp, rows = time.to_iso(at), list[Row]()
    for number, (raw, one) in enumerate(found, 1):
        if not isinstance(one, dict):
            raise Turned(400, f"row {number} is no object", 'write {"tag": "TT101", "value": 81.5}, or a list of such')
        try:
            cells = flat(one)
        except RecursionError as error:
            raise Turned(400, f"row {number} is nested too deep") from error
        cells.setdefault(spec.time, stamp)
        rows.append(Row(number, raw, cells))
    return rows


def _objects(body: bytes, kind: str) -> list[tuple[bytes, Any]]:
    """What a body holds, with its bytes: one thing, a list of them, or one in each line."""
    lined = any(word in kind for word in _LINES)
    try:
        pieces = [line for line in body.split(b"\n") if line.strip()] if lined else _pieces(body)
        return [(piece, msgspec.json.decode(piece)) for piece in pieces]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        hint = "" if lined else "for JSON lines say Content-Type: application/x-ndjson"
        raise Turned(400, f"the body is no JSON: {str(error)[:200]}", hint) from error


def _pieces(body: bytes) -> list[bytes]:
    """The members of a list, or the whole of anything else."""
    if not body.lstrip().startswith(b"["):
        return [body]
    return [bytes(piece) for piece in msgspec.json.decode(body, type=list[msgspec.Raw])]


def digest_of(body: bytes) -> bytes:
    """What tells two bodies apart."""
    return hashlib.blake2b(body, digest_size=16).digest()
