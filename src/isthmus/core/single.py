# SPDX-License-Identifier: Apache-2.0
"""A number is shown with no more digits than were measured, where single precision or the tag's scale added some.

12.3 in single precision is 12.300000190734863 in double: digits that nobody measured. Where a value is exactly what a
single-precision one becomes by the tag's scale and offset, the shortest decimal that gives the same one is meant. The
same holds for a short decimal in double precision: 68.9 of a file times 0.1 is 6.890000000000001. A double that a
device sent, and whatever is computed of values, keeps its digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DIGITS = 15
"""That a double keeps of any decimal number."""
_SHORT = 12
"""Digits at most of a decimal that is taken for one: of all doubles one in some thousands is so near to such a one."""
_LEAST, _MOST = 1e-4, 1e7
_POWERS = 10.0 ** np.arange(13)
_FEW = 32
"""Numbers for which columns do not pay."""


def shortened(value: NDArray[np.float64], scale: float = 1.0, offset: float = 0.0) -> NDArray[np.float64]:
    """(n,) values `device * scale + offset`, each as the short decimal where `device` was a single-precision number,
    or a decimal of at most 12 digits.

    Others, and NaN and infinities, stay what they are.
    """
    shown = value.copy()
    if scale == 0.0:
        return shown
    plain = (scale, offset) == (1.0, 0.0)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        device = (value if plain else (value - offset) / scale).astype(np.float32)
        again = device if plain else device.astype(np.float64) * scale + offset
        rows = np.flatnonzero((again == value) & np.isfinite(value))
        shown[rows] = decimals(device[rows])
        if not plain:
            shown[rows] = _cut(shown[rows] * scale + offset)
            others = np.flatnonzero(np.isfinite(value) & (_decimal((value - offset) / scale) * scale + offset == value))
            others = np.setdiff1d(others, rows, assume_unique=True)
            shown[others] = _cut(value[others])
    return shown


def decimals(device: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) the shortest decimals that give these finite single-precision numbers, as numpy writes them.

    Between 0.0001 and ten million, where products with powers of ten are exact, the shortest is the nearest one of 6
    digits, else of 7, 8 or 9: a shorter one is the nearest of 6 too. Others are written and read, 30 times as slowly.
    """
    if len(device) < _FEW:
        return device.astype(str).astype(np.float64)
    exact = device.astype(np.float64)
    size = np.abs(exact)
    found = exact.copy()
    left = np.flatnonzero((size >= _LEAST) & (size < _MOST))
    slow = ((size < _LEAST) & (size > 0)) | (size >= _MOST)
    places = np.floor(np.log10(size[left])).astype(np.intp)
    for digits in (6, 7, 8, 9):
        steps = _POWERS[np.maximum(digits - 1 - places, 0)]
        near = np.rint(exact[left] * steps) / steps
        good = near.astype(np.float32) == device[left]
        found[left[good]] = near[good]
        left, places = left[~good], places[~good]
        if not len(left):
            break
    slow[left] = True
    found[slow] = device[slow].astype(str).astype(np.float64)
    return found


def _cut(value: NDArray[np.float64]) -> list[float]:
    return [float(f"{number:.{_DIGITS}g}") for number in value.tolist()]


def _decimal(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) the nearest decimals of few digits; NaN where there is none."""
    with np.errstate(divide="ignore"):
        steps = 10.0 ** (_SHORT - 1 - np.floor(np.log10(np.abs(value))))
    found: NDArray[np.float64] = np.round(value * steps) / steps
    return found


def shortest(value: float, scale: float = 1.0, offset: float = 0.0) -> float:
    """`shortened` of one value."""
    return float(shortened(np.array([value]), scale, offset)[0])
