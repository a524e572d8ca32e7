# SPDX-License-Identifier: Apache-2.0
"""The state says how far the history follows the log: what a commit compares and sets."""

from __future__ import annotations

import msgspec

from isthmus.stream.log import Position


class State(msgspec.Struct, frozen=True):
    """How far the history goes."""

    position: Position | None = None
    """Up to where the log is recorded; None: nothing yet."""
    sources: dict[str, list[list[int]]] = {}
    """What `stream.numbers.Sources` knew there."""
    ordinal: int = 0
    """Number of the last segment; segments count from 1 without holes."""
    heard: dict[str, int] = {}
    """Source → when its last samples reached us (ns): where a gap of it begins."""

    @property
    def stored_at(self) -> int | None:
        """When the log took the message at `position`, ns; None when that is not known."""
        return None if self.position is None or self.position.at == 0 else self.position.at

    def is_at(self, other: State) -> bool:
        """The same place; what is known there follows from it."""
        return self.position == other.position and self.ordinal == other.ordinal
