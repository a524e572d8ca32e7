# SPDX-License-Identifier: Apache-2.0
"""What tells samples of one tag at one time apart: a number made of their value, quality and mark.

A sample that comes again has the same number, so that a key of tag, time and number keeps it once; two that differ have
different ones, but for a chance of 2^-64. The numbers are part of what lies in databases: they never change.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.store.history.columns import Columns

_ODD: Final = np.uint64(0x9E37_79B9_7F4A_7C15)


def numbers(columns: Columns, *, marks: bool = True) -> NDArray[np.int64]:
    """(n,) the number of each sample; without `marks` samples that differ in nothing else have the same one."""
    value = np.where(np.isnan(columns.value), np.float64(np.nan), columns.value) + 0.0  # one NaN, one zero
    words = np.array([0, *map(_of_text, columns.words)], np.uint64)
    parts = [value.view(np.uint64), np.where(columns.whole, columns.integer, 0).view(np.uint64)]
    parts += [columns.whole.astype(np.uint64), words[columns.text], columns.quality.astype(np.uint64)]
    parts += [columns.mark.astype(np.uint64)] if marks else []
    total = np.zeros(len(columns), np.uint64)
    for part in parts:
        total = _mixed(total + _ODD + part)
    return total.view(np.int64)


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of the result depends on every bit of x (the finaliser of SplitMix64, Steele et al., 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return x ^ (x >> np.uint64(31))


def _of_text(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
