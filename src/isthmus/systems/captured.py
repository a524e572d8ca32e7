# SPDX-License-Identifier: Apache-2.0
"""How a test writes what a far end said: bytes in hexadecimal, a payload as text or as the JSON it is."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator


def _bytes(text: str) -> str:
    try:
        return bytes.fromhex(text.replace("0x", "").replace(":", " ")).hex()
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} are no bytes; write them in hexadecimal: 7b 22 61 22") from error


Hexadecimal = Annotated[str, AfterValidator(_bytes)]
"""Bytes, in a Spec."""


def payload_of(payload: Any, hexadecimal: str | None) -> bytes:
    """What was sent: bytes as they are, text in UTF-8, anything else as JSON."""
    if hexadecimal is not None:
        return bytes.fromhex(hexadecimal)
    return payload.encode() if isinstance(payload, str) else msgspec.json.encode(payload)


def one_of_two(first: Any, second: Any, names: str) -> None:
    """Raises ValueError unless just one of two fields is given."""
    if (first is None) == (second is None):
        raise ValueError(f"say one of {names}")
