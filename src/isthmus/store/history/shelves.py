# SPDX-License-Identifier: Apache-2.0
"""Shelves are the files of a snapshot by what they hold, so that no question looks through all of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeAlias

from isthmus.store.history.kept import Kept, Kind
from isthmus.store.history.segment import Segment

Part: TypeAlias = Kept | Segment


@dataclass(frozen=True, slots=True)
class Shelves:
    """Files by what they hold."""

    parts: Sequence[Part]
    """Those that hold samples, in the order in which these came."""
    days: Sequence[Part]
    """Day files."""
    loose: Sequence[Part]
    """The others."""
    _derived: Mapping[Kind, Sequence[Kept]]
    """In the order of their days."""

    @classmethod
    def of(cls, kept: Sequence[Kept], segments: Sequence[Segment]) -> Shelves:
        parts: list[Part] = [one for one in kept if one.kind.of_samples]
        parts += segments
        derived: dict[Kind, list[Kept]] = {}
        for one in kept:
            if not one.kind.of_samples:
                derived.setdefault(one.kind, []).append(one)
        return cls(
            parts,
            [part for part in parts if is_day(part)],
            [part for part in parts if not is_day(part)],
            {kind: sorted(some, key=_day) for kind, some in derived.items()},
        )

    def derived(self, kind: Kind, first_day: int | None, last_day: int) -> Sequence[Kept]:
        """Those of one kind and of these UTC days (included; None: from the first one on), in their order."""
        some = self._derived.get(kind, ())
        low = 0 if first_day is None else bisect_left(some, first_day, key=_day)
        return some[low : bisect_right(some, last_day, key=_day)]


_day = attrgetter("day")


def is_day(part: Part) -> bool:
    return isinstance(part, Kept) and part.kind is Kind.DAY
