# SPDX-License-Identifier: Apache-2.0
"""A status file is what a service says of itself every two seconds: written whole, read by anyone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from isthmus.core import time

EVERY: Final = 2.0
"""Seconds between two writings."""

SILENT: Final = 7.0
"""Seconds without a heartbeat after which a service is called silent."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What a service, or the supervisor, says of itself."""

    service: str
    pid: int
    started: int
    heartbeat: int
    """When this was written, ns."""
    ready: bool = False
    """It does its work; before that it is starting."""
    stopping: bool = False
    counters: dict[str, Any] = {}
    """Numbers and states of the service's own."""

    def silent(self, now: int) -> bool:
        """Whether it has not been heard of for too long."""
        return now - self.heartbeat > SILENT * time.SECOND


def write(path: Path, status: Status) -> None:
    """Puts `status` into place of the file before; a reader sees one or the other, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(status), indent=1) + b"\n")
    temporary.replace(path)


def read(path: Path) -> Status | None:
    """What is in the file; None when there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None
