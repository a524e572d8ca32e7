# SPDX-License-Identifier: Apache-2.0
"""What could not be understood, as people and programs read it: from whom, why, when, and its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from isthmus.core.errors import Damaged
from isthmus.store.history.manifest import Which
from isthmus.store.history.read import History
from isthmus.stream.log import Quarantined
from isthmus.stream.names import quarantine_subject

SHOWN: Final = 60
"""Bytes that a line of a table has room for."""


def quarantined(history: History, start: int, end: int, system: str = "", most: int | None = None) -> list[Quarantined]:
    """What the log took from `start` (ns), before `end`: of one system or all, the newest so many, oldest first."""
    subject = quarantine_subject(system) if system else ""
    return list(_unpacked(history, Which(subject, start, end, most)))


def _unpacked(history: History, which: Which) -> Iterator[Quarantined]:
    for oddity in history.oddities(which):
        with suppress(Damaged):  # the recorder told of it
            yield Quarantined.unpack(oddity.body)


def escaped(payload: bytes, size: int | None = None, most: int = SHOWN) -> str:
    """Bytes as a person reads them: text where they are text, anything else as `\\x07`; cut, then with their number."""
    size = len(payload) if size is None else size
    said = payload[:most].decode("utf-8", "backslashreplace")
    said = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in said)
    return said if size <= most else f"{said} ... ({size:,} bytes)"
