# SPDX-License-Identifier: Apache-2.0
"""A picture says where equipment stands on the screen and what flows between it, for an area, an asset or a type."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

ITSELF: Final = "."
"""In a picture of an asset or a type: the asset itself."""

Spot: TypeAlias = tuple[float, float]
"""Column and row, from the upper left; parts of them count."""


class Flow(msgspec.Struct, frozen=True, omit_defaults=True):
    """What flows through equipment, in order."""

    through: tuple[str | Spot, ...]
    """Equipment, and spots at which the line bends."""
    name: str = ""
    """What it is: water, steam, product."""


class Picture(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where equipment stands and what flows between it."""

    of: str
    """A whole path; or a type with its version, for every asset of it."""
    place: dict[str, Spot] = {}
    """Equipment → its spot: whole paths, in the picture of a type the names of parts; `.` is the asset itself."""
    flows: tuple[Flow, ...] = ()
