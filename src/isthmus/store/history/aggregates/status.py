# SPDX-License-Identifier: Apache-2.0
"""What the StatusCode of an aggregate can say beside Good, Uncertain and Bad.

Information bits: Part 4 (1.05), 7.39.1 (InfoType DataValue, historian bits); their use: Part 13, 5.3.3.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import BAD_NO_DATA, GOOD

SUBNORMAL: Final = 0x40A4_0000
"""Uncertain_DataSubNormal: derived from raw values, with fewer Good ones than required."""
NO_DATA: Final = BAD_NO_DATA
INVALID_INPUTS: Final = 0x80D6_0000
"""Bad_AggregateInvalidInputs: no result can be derived from these values (infinities, overflows)."""
BOUND_NOT_FOUND: Final = 0x80D7_0000
"""Bad_BoundNotFound: no raw value bounds the range."""

RAW: Final = 0x000
"""A stored value as it is."""
CALCULATED: Final = 0x401
INTERPOLATED: Final = 0x402
PARTIAL: Final = 0x404
"""Not based on a complete interval: the same question may get another answer later (5.3.3.2)."""
EXTRA_DATA: Final = 0x408
"""The value supersedes others at the same time."""
MULTIPLE_VALUES: Final = 0x410
"""Several values at different times match: several minima, for instance."""

UNKNOWN, UNCERTAIN, SURE = np.uint8(0), np.uint8(1), np.uint8(2)
"""States of a stretch of time: nothing usable, Uncertain, Good."""

STATES: Final = np.array([NO_DATA, SUBNORMAL, GOOD], np.uint32)
"""The StatusCode of a bound that lies within a stretch, by the stretch's state (3.1.8, 3.1.9)."""


def severities(quality: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """0 Good, 1 Uncertain, 2 Bad (and 3, which is to be read as Bad)."""
    return (quality >> np.uint32(30)).astype(np.uint8)


def codes(*values: int) -> tuple[np.uint32, ...]:
    """These StatusCodes as numpy has them."""
    return tuple(np.uint32(value) for value in values)


def describe(quality: int) -> str:
    """The information bits in words, as the standard's examples print them: `Calculated, Partial`."""
    if quality & 0xC00 != 0x400:
        return ""
    words = [("", "Calculated", "Interpolated", "")[quality & 0x3]]
    words += [word for bit, word in ((0x10, "MultipleValues"), (0x08, "ExtraData"), (0x04, "Partial")) if quality & bit]
    return ", ".join(word for word in words if word)
