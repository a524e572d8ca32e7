# SPDX-License-Identifier: Apache-2.0
"""A parameter that makes no physical sense is refused, with its name and what would make sense."""

from __future__ import annotations

import math


def finite(**values: float) -> None:
    """Raises ValueError unless each value is a finite number."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, not {value!r}")


def positive(**values: float) -> None:
    """Raises ValueError unless each value is finite and above zero."""
    finite(**values)
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{name} must be above 0, not {value!r}")


def not_negative(**values: float) -> None:
    """Raises ValueError unless each value is finite and zero or more."""
    finite(**values)
    for name, value in values.items():
        if value < 0:
            raise ValueError(f"{name} must be 0 or more, not {value!r}")


def fraction(**values: float) -> None:
    """Raises ValueError unless each value lies from 0 to 1."""
    finite(**values)
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie from 0 to 1, not {value!r}")


def clamp(value: float, low: float, high: float) -> float:
    """`value`, or the limit it lies beyond."""
    return low if value < low else high if value > high else value
