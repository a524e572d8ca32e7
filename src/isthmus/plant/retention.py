# SPDX-License-Identifier: Apache-2.0
"""Retention says how long history is kept, by class of tag; what says nothing is kept for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

DEFAULT: Final = "default"
"""The class of tags that choose none."""


class Span(msgspec.Struct, frozen=True):
    """How long one class is kept, in days; 0: for ever."""

    raw: int = 0
    """Samples."""
    rollups: int = 0
    """What sums them up; never shorter than the samples."""


FOREVER: Final = Span()


class Retention(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long a plant's history is kept."""

    classes: Mapping[str, Span] = {}
    events: int = 0
    """Days for which events are kept, 0: for ever."""
    quarantine: int = 0
    """Days for which messages are kept that could not be understood, 0: as long as there is room."""

    def span(self, name: str) -> Span:
        """How long a class is kept: the default one's where `name` is empty, for ever where it is no class any more."""
        return self.classes.get(name or DEFAULT, FOREVER)


NONE: Final = Retention()
"""Everything is kept for ever."""
