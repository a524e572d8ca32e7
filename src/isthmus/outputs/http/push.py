# SPDX-License-Identifier: Apache-2.0
"""Samples pushed over HTTP: many in a message, signed, sent again under the same key until they are taken."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import msgspec
from pydantic import Field, SecretStr, field_validator

from isthmus.core.errors import Disconnected, IsthmusError
from isthmus.core.time import SECOND, now
from isthmus.outputs.contract import Delivery, Refusal, Surroundings
from isthmus.outputs.words import Words
from isthmus.store.history.columns import Columns
from isthmus.systems.http.signing import ID, SIGNATURE, TIMESTAMP, key_of, signature
from isthmus.systems.http.site import Site

PROBE: Final = 10.0
"""Seconds without anything to push after which we look whether the far end is there."""
UNKNOWN: Final = 60.0
"""Seconds that a far end is left alone that does not know us: each try may count as an attack."""
_REFUSED: Final = frozenset({400, 413, 422})
"""Answers that speak of what was sent: it is halved until what is refused stands alone."""
_TYPES: Final = {"jsonl": "application/x-ndjson", "json": "application/json"}


class PushSpec(Site):
    """Every sample pushed to a web service, many in a message."""

    format: Literal["jsonl", "json"] = Field(
        "jsonl", description="`jsonl`: an object in each line; `json`: one list of objects."
    )
    gzip: bool = Field(True, description="Pack the messages.")
    secret: SecretStr | None = Field(
        None, description="What messages are signed with, as Standard Webhooks has it; written `!secret name`."
    )
    most: int = Field(2_000, ge=1, le=2_000, description="The most samples of a message.")
    largest: int = Field(1_000_000, ge=1_000, le=16_000_000, description="The most bytes of a message, unpacked.")

    @field_validator("secret")
    @classmethod
    def _key(cls, secret: SecretStr | None) -> SecretStr | None:
        try:
            if secret is not None:
                key_of(secret.get_secret_value())
        except IsthmusError as error:
            raise ValueError(f"{error.what}; {error.hint}" if error.hint else error.what) from error
        return secret


class Push:
    """One such output; remembers how long the far end wants to be left alone."""

    def __init__(self, spec: PushSpec, surroundings: Surroundings) -> None:
        self.spec, self._house = spec, surroundings
        self.key = key_of(spec.secret.get_secret_value()) if spec.secret is not None else None
        self._words = Words.of(surroundings.tags)
        self._begins = {
            number: b'{"tag":' + msgspec.json.encode(one.tag.path) + b"," for number, one in surroundings.tags.items()
        }
        self._alone: tuple[float, Disconnected] | None = None
        """Until when (monotonic) nothing is sent, and why."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[_Sink]:
        """Makes sure that something listens there."""
        from isthmus.systems.http.client import talking

        if self._alone is not None and time.monotonic() < self._alone[0]:
            raise self._alone[1]
        self._alone = None
        async with talking(self.spec, self._house.data / "pki") as client:
            await client.reach()
            yield _Sink(self, client)

    def rows(self, columns: Columns) -> list[bytes]:
        """Each sample as a JSON object."""
        messages = self._words.messages(columns)
        return [self._begins[tag] + message[1:] for tag, message in zip(columns.tag.tolist(), messages, strict=True)]

    def leave_alone(self, seconds: float, why: Disconnected) -> Disconnected:
        """Nothing is sent for so long; `why`, to be raised."""
        self._alone = (time.monotonic() + seconds, why)
        return why

    def body(self, rows: Sequence[bytes]) -> bytes:
        """A message of rows."""
        return b"\n".join(rows) + b"\n" if self.spec.format == "jsonl" else b"[" + b",".join(rows) + b"]"

    def packed(self, body: bytes) -> tuple[bytes, dict[str, str]]:
        """A message as it is sent, and its headers; the same one has the same key each time."""
        key = hashlib.blake2b(body, digest_size=16, key=self._house.output.encode()[:64]).hexdigest()
        said = {"Content-Type": _TYPES[self.spec.format], ID: key, "Idempotency-Key": key}
        if self.spec.gzip:
            body = gzip.compress(body, 3, mtime=0)
            said["Content-Encoding"] = "gzip"
        if self.key is not None:
            stamp = str(now() // SECOND)
            said |= {TIMESTAMP: stamp, SIGNATURE: signature(self.key, key, stamp, body)}
        return body, said


class _Sink:
    """An open session with the far end."""

    def __init__(self, push: Push, client: Any) -> None:
        self._push, self._client = push, client
        self._heard = time.monotonic()

    async def write(self, delivery: Delivery) -> Sequence[Refusal]:
        if not len(delivery):
            if time.monotonic() - self._heard >= PROBE:
                await self._client.reach()
                self._heard = time.monotonic()
            return ()
        rows, most, refused = self._push.rows(delivery.columns), self._push.spec.most, list[Refusal]()
        for begin in range(0, len(rows), most):
            refused += await self._send(rows[begin : begin + most], begin)
        return refused

    async def _send(self, rows: Sequence[bytes], begin: int) -> list[Refusal]:
        """Pushes rows; what is refused as a whole is tried in halves."""
        body, half = self._push.body(rows), len(rows) // 2
        refused = ""
        if len(body) > self._push.spec.largest:
            refused = f"it has {len(body):,} bytes, more than largest: allows"
        else:
            refused = await self._posted(body)
        if refused and half:
            return await self._send(rows[:half], begin) + await self._send(rows[half:], begin + half)
        return [Refusal(begin, refused)] if refused else []

    async def _posted(self, body: bytes) -> str:
        """Why the far end refuses a message, empty when it has it; raises Disconnected when it is to be tried again."""
        from isthmus.systems.http.client import BUSY, UNASKED, Silence

        where = self._push.spec.where
        packed, said = self._push.packed(body)
        answer = await self._client.post(packed, said)
        if isinstance(answer, Silence):
            raise answer.error(where)
        self._heard = time.monotonic()
        if 200 <= answer.status < 300:
            return ""
        if answer.status in _REFUSED:
            return f"{answer.words}: {_reason(answer.body)}".removesuffix(": ")
        hint = f"is it {answer.location[:200]}?" if answer.location else _reason(answer.body)
        why = Disconnected(f"the far end answers {answer.words}", where=where, hint=hint)
        if answer.status in BUSY or answer.rest:
            raise self._push.leave_alone(answer.rest or UNASKED, why)
        if answer.status in (401, 403):
            raise self._push.leave_alone(UNKNOWN, why)
        raise why


def _reason(body: bytes) -> str:
    """What a far end says of what it does not take, in one line."""
    text: Any = body[:2000].decode("utf-8", "replace")
    try:
        found = msgspec.json.decode(body)
        if isinstance(found, dict):
            said = (found.get(key) for key in ("detail", "error", "message", "title"))
            text = next((one for one in said if isinstance(one, str) and one), text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    return "".join(c if c.isprintable() else " " for c in text).strip()[:200]
