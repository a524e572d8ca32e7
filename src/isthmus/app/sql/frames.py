# SPDX-License-Identifier: Apache-2.0
"""What the answering process writes: frames of a kind and a body, each with its length in front."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

HEAD: Final = 5
"""Bytes in front of a body: its kind, its length (little-endian)."""
LONGEST: Final = 1 << 30


class Frame(IntEnum):
    """Kinds of frames."""

    READY = 0
    """It begins with the question now."""
    PART = 1
    """A piece of the Arrow stream."""
    DONE = 2
    """`Done`, behind the last piece."""
    FAILED = 3
    """`Failed`, instead of what would follow."""


class Done(msgspec.Struct, frozen=True):
    """How an answer ended."""

    rows: int
    more: bool
    """There are rows beyond the limits."""
    remarks: tuple[str, ...] = ()
    """What the one who asked should know besides."""
    landlock: int = 0
    seccomp: bool = False


class Failed(msgspec.Struct, frozen=True):
    """Why there is no answer."""

    kind: str
    """Name of the class in `core.errors`."""
    what: str
    where: str = ""
    hint: str = ""


def encode(kind: Frame, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(4, "little") + body
