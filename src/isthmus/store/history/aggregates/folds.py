# SPDX-License-Identifier: Apache-2.0
"""Folds stand for Good samples that a series leaves out: what these add where aggregates count or integrate."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Folds:
    """k runs of samples, all Good and of one StatusCode, at times of their own.

    Of each run the series has the first and the last sample and those with the least and the greatest value, where they
    are first and last; whatever follows from those alone is true without the folds. No interval of a question may begin
    or end, and no gap lie, within a run.
    """

    first: NDArray[np.intp]
    """(k,) where in the series its first sample is, ascending."""
    last: NDArray[np.intp]
    """(k,) and its last one; those between belong to it as well."""
    count: NDArray[np.int64]
    """(k,) samples, those in the series included; the same holds for all that follows."""
    sum: NDArray[np.float64]
    squares: NDArray[np.float64]
    """(k,) of the distances from the run's mean."""
    line: NDArray[np.float64]
    """(k,) integral, value times seconds, along lines from the first to the last sample."""
    held: NDArray[np.float64]
    """(k,) the same with every value held until the next one; NaN where that is not known, of a tag that is sloped."""
    zero_time: NDArray[np.int64]
    """(k,) ns that begin with zero."""
    changes: NDArray[np.int64]
    """(k,) samples that differ from the one before them in the run."""

    def __len__(self) -> int:
        return len(self.first)

    def shifted(self, by: int) -> Folds:
        """The same of a series with so many samples in front."""
        return replace(self, first=self.first + by, last=self.last + by)
