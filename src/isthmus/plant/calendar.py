# SPDX-License-Identifier: Apache-2.0
"""The calendar says how a plant divides its time: where weeks begin, its shifts, their crews, days without shifts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import msgspec

DAY_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
"""In the order of `date.weekday`."""
DAY: Final = 24 * 60
"""Minutes by the clock on the wall."""
OFF: Final = "off"
"""What a crew does that has no shift."""


class Shift(msgspec.Struct, frozen=True):
    """One shift of a day. It belongs to the day on which it begins, also when it ends on the next."""

    name: str
    begins: int
    """Minutes after local midnight, as a clock on the wall shows them."""
    ends: int
    """The same, of the day on which it begins: above 1,440 it ends on the next day, at most 24 hours on."""
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """The days of the week on which it begins, Monday is 0."""


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """Which crew works which shift, in a cycle."""

    begins: str
    """The first day of a cycle: an ISO 8601 date. The cycle goes on for ever, before it too."""
    each: int
    """Days for which one entry of a crew counts: 1 or 7."""
    crews: Mapping[str, tuple[str, ...]]
    """Crew → its shifts, entry by entry; `off` where it has none. All are of one length."""

    def crew(self, shift: str, day: date) -> str:
        """Who works a shift that begins on `day`; empty for nobody."""
        passed = (day - date.fromisoformat(self.begins)).days // self.each
        for crew, works in self.crews.items():
            if works[passed % len(works)] == shift:
                return crew
        return ""


class Calendar(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a plant divides its time; days always begin at local midnight."""

    week_begins: int = 0
    """Monday is 0, as ISO 8601 has it."""
    shifts: tuple[Shift, ...] = ()
    """They do not overlap."""
    rotation: Rotation | None = None
    no_shifts: tuple[tuple[str, str], ...] = ()
    """First and last of days (ISO 8601 dates) on which no shift begins."""

    def works(self, day: date) -> bool:
        """Shifts may begin on this day."""
        text = day.isoformat()
        return not any(first <= text <= last for first, last in self.no_shifts)


PLAIN: Final = Calendar()
"""Weeks begin on Monday and there are no shifts."""


def clock(minutes: int) -> str:
    """`06:00`."""
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
