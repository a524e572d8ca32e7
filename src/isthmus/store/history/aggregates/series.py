# SPDX-License-Identifier: Apache-2.0
"""A series is one tag's raw samples with what is known of when it was observed; settings say how it is summed up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core.errors import Misasked
from isthmus.core.time import MILLISECOND
from isthmus.store.history.aggregates.folds import Folds

RESOLUTION: Final = MILLISECOND
"""ns; the time resolution of 5.4.2.4: how long a last value lasts that nothing is known to follow, and how far before
an interval's end its effective end lies."""


def _no_gaps() -> NDArray[np.int64]:
    return np.zeros((0, 2), np.int64)


@dataclass(frozen=True, slots=True)
class Series:
    """n raw samples of one tag, ascending in time, those of one time in log order.

    They should begin with the last usable sample before the asked range (two of them for sloped extrapolation) and end
    with the first usable one after it, where there are such: the first sample is taken for the start of data, and the
    last one (or `observed_until`) for its end.
    """

    time: NDArray[np.int64]
    """(n,) ns since 1970-01-01 UTC."""
    value: NDArray[np.float64]
    """(n,) NaN where there is no value."""
    quality: NDArray[np.uint32]
    """(n,) OPC UA StatusCode."""
    integer: NDArray[np.int64] | None = None
    """(n,) exact values of an integer tag, whose `value` is then the nearest float."""
    unsigned: bool = False
    """`integer` is unsigned, by two's complement."""
    stepped: bool = False
    """A value holds until the next one (else: a straight line leads there). True for booleans and enumerations."""
    numeric: bool = True
    """False for text: only what holds for all data types can be asked."""
    gaps: NDArray[np.int64] = field(default_factory=_no_gaps)
    """(g, 2) start and end, ns, of the spans in which the tag was not observed. A value holds up to the start of a gap;
    from there on nothing is known until the next sample, and never is anything interpolated over it."""
    observed_until: int | None = None
    """Up to when (ns) the last value is known to hold, as 3.1.9 allows a historian to know; None, or a time before the
    last sample: not known, and the last value lasts for `RESOLUTION`."""
    folds: Folds | None = None
    """Good samples that are left out here, and counted all the same."""

    def __post_init__(self) -> None:
        lengths = {len(self.time), len(self.value), len(self.quality)}
        lengths |= {len(self.integer)} if self.integer is not None else set()
        if len(lengths) != 1 or self.gaps.shape[1:] != (2,):
            raise ValueError("the columns of a Series differ in length")
        if np.any(self.time[1:] < self.time[:-1]):
            raise ValueError("the samples of a Series do not ascend in time")

    def __len__(self) -> int:
        return len(self.time)

    @property
    def holds(self) -> bool:
        """A value holds until the next one: the tag is stepped, or cannot be interpolated at all."""
        return self.stepped or not self.numeric

    def usable(self) -> NDArray[np.uint32]:
        """The StatusCodes, Bad where a number is missing: what cannot be used is not good."""
        if not self.numeric:
            return self.quality
        missing = np.isnan(self.value) & (self.quality < np.uint32(0x8000_0000))
        if not missing.any():
            return self.quality
        return np.where(missing, np.uint32(0x809B_0000), self.quality)

    def exact(self) -> NDArray[np.float64] | NDArray[np.int64] | NDArray[np.uint64]:
        """The values in the type in which they compare exactly."""
        if self.integer is None:
            return self.value
        return self.integer.view(np.uint64) if self.unsigned else self.integer


@dataclass(frozen=True, slots=True)
class Settings:
    """AggregateConfigurationType (4.2.1.2), with the standard's defaults."""

    treat_uncertain_as_bad: bool = True
    percent_data_bad: int = 100
    """At least so much Bad makes a result Bad."""
    percent_data_good: int = 100
    """At least so much Good makes a result Good."""
    use_sloped_extrapolation: bool = False
    """After the end of data: go on along the line of the last two values instead of holding the last one."""

    def __post_init__(self) -> None:
        if not (0 <= self.percent_data_bad <= 100 and 0 <= self.percent_data_good <= 100):
            raise Misasked("percent of bad and of good data must lie between 0 and 100")
        if self.percent_data_good < 100 - self.percent_data_bad:
            raise Misasked(
                f"{self.percent_data_good} % good and {self.percent_data_bad} % bad contradict each other",
                hint="percent-data-good must be at least 100 minus percent-data-bad (OPC UA Part 13, 4.2.1.2)",
            )
