# SPDX-License-Identifier: Apache-2.0
"""A message of a test is read like one that was pushed: whoever signed it, and by the same rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import Field, model_validator

from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.systems.captured import Hexadecimal, one_of_two, payload_of
from isthmus.systems.contract import Address, Readings, Spec
from isthmus.systems.files.picking import Picker, Piece
from isthmus.systems.webhook.message import Turned, rows_of
from isthmus.systems.webhook.spec import WebhookSpec


class Pushed(Spec):
    """A message, as a test writes it."""

    body: Any = Field(None, description="What it says: a text as it stands; a mapping or a list is JSON.")
    bytes: Hexadecimal | None = Field(None, description="Its body in hexadecimal, in place of `body`.")
    lines: bool = Field(False, description="It is of the type `application/x-ndjson`: an object in each line.")
    signed: str = Field("", description="When it was signed, in ISO 8601; without it, now.")

    @model_validator(mode="after")
    def _whole(self) -> Pushed:
        one_of_two(self.body, self.bytes, "body and bytes")
        if self.signed:
            try:
                time.from_iso(self.signed)
            except IsthmusError as error:
                raise ValueError(str(error)) from error
        return self


def begin(spec: WebhookSpec, system: str, addresses: Sequence[Address]) -> Callable[[Pushed], Readings]:
    """Reads messages of a test one after the other."""
    picker = Picker(addresses, spec)

    def read(message: Pushed) -> Readings:
        at = time.from_iso(message.signed) if message.signed else time.now() // time.SECOND * time.SECOND
        body = payload_of(message.body, message.bytes)
        try:
            rows = rows_of(body, "application/x-ndjson" if message.lines else "application/json", "", at, spec)
        except Turned as no:
            raise IsthmusError(f"{no.status}: {no.what}", where=system, hint=no.hint) from no
        piece = Piece(file="message test")
        for row in rows:
            picker.take(row, piece)
        return piece.readings()

    return read
