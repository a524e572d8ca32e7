# SPDX-License-Identifier: Apache-2.0
"""A number that a device sent in single precision is shown with no more digits than single precision has.

12.3 in single precision is 12.300000190734863 in double: digits that nobody measured. Where a value is exactly what a
single-precision one becomes by the tag's scale and offset, the shortest decimal that gives the same one is meant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DIGITS = 15
"""That a double keeps of any decimal number."""


def shortened(value: NDArray[np.float64], scale: float = 1.0, offset: float = 0.0) -> NDArray[np.float64]:
    """(n,) values `device * scale + offset`, each as the short decimal where `device` was a single-precision number.

    Others, and NaN and infinities, stay what they are.
    """
    shown = value.copy()
    if scale == 0.0:
        return shown
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        device = ((value - offset) / scale).astype(np.float32)
        rows = np.flatnonzero(np.isfinite(value) & (device.astype(np.float64) * scale + offset == value))
        shown[rows] = device[rows].astype(str).astype(np.float64)
        if (scale, offset) != (1.0, 0.0):
            shown[rows] = [float(f"{number:.{_DIGITS}g}") for number in shown[rows] * scale + offset]
    return shown


def shortest(value: float, scale: float = 1.0, offset: float = 0.0) -> float:
    """`shortened` of one value."""
    return float(shortened(np.array([value]), scale, offset)[0])
