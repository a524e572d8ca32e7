# SPDX-License-Identifier: Apache-2.0
"""The catalogue has every aggregate by its standard name; `aggregate` answers for one tag and many intervals."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np

from isthmus.core.errors import IsthmusError, NotFound
from isthmus.store.history.aggregates import consumed, extremes, samples, timed
from isthmus.store.history.aggregates.case import Case
from isthmus.store.history.aggregates.intervals import Intervals
from isthmus.store.history.aggregates.outcome import Outcome, Result, nothing, result
from isthmus.store.history.aggregates.series import Series, Settings


@dataclass(frozen=True, slots=True)
class Definition:
    """One aggregate of Part 13."""

    name: str
    clause: str
    meaning: str
    compute: Callable[[Case], Outcome]
    numeric: bool = True
    """Of numbers only; the others hold for text as well (Table 13)."""
    partial: bool = True
    """Tells of partial intervals."""
    bounded: bool = True
    """Bad_NoData after the end of data; the others go on there."""


_ALL: Final = (
    Definition(
        "Interpolative",
        "5.4.3.4",
        "interpolated value at the interval's start",
        timed.interpolative,
        partial=False,
        bounded=False,
    ),
    Definition("Average", "5.4.3.5", "mean of the Good samples", samples.average, partial=False),
    Definition("TimeAverage", "5.4.3.6", "time-weighted mean along lines, Bad values skipped", timed.time_average),
    Definition("TimeAverage2", "5.4.3.7", "time-weighted mean of the time with values", timed.time_average_2),
    Definition("Total", "5.4.3.8", "time integral of TimeAverage, in seconds", timed.total),
    Definition("Total2", "5.4.3.9", "time integral of TimeAverage2, in seconds", timed.total_2),
    Definition(
        "Minimum",
        "5.4.3.10",
        "least Good sample",
        partial(extremes.of_samples, greatest=False, actual_time=False),
    ),
    Definition(
        "Maximum",
        "5.4.3.11",
        "greatest Good sample",
        partial(extremes.of_samples, greatest=True, actual_time=False),
    ),
    Definition(
        "MinimumActualTime",
        "5.4.3.12",
        "least Good sample, at its time",
        partial(extremes.of_samples, greatest=False, actual_time=True),
    ),
    Definition(
        "MaximumActualTime",
        "5.4.3.13",
        "greatest Good sample, at its time",
        partial(extremes.of_samples, greatest=True, actual_time=True),
    ),
    Definition("Range", "5.4.3.14", "greatest minus least Good sample", extremes.range_of_samples),
    Definition(
        "Minimum2",
        "5.4.3.15",
        "least value, with simple bounds",
        partial(extremes.with_bounds, greatest=False, actual_time=False),
    ),
    Definition(
        "Maximum2",
        "5.4.3.16",
        "greatest value, with simple bounds",
        partial(extremes.with_bounds, greatest=True, actual_time=False),
    ),
    Definition(
        "MinimumActualTime2",
        "5.4.3.17",
        "least value, with simple bounds, at its time",
        partial(extremes.with_bounds, greatest=False, actual_time=True),
    ),
    Definition(
        "MaximumActualTime2",
        "5.4.3.18",
        "greatest value, with simple bounds, at its time",
        partial(extremes.with_bounds, greatest=True, actual_time=True),
    ),
    Definition("Range2", "5.4.3.19", "Maximum2 minus Minimum2", extremes.range_with_bounds),
    Definition("Count", "5.4.3.21", "number of Good samples", samples.count, numeric=False),
    Definition("DurationInStateZero", "5.4.3.22", "ms at zero", partial(timed.duration_in_state, zero=True)),
    Definition("DurationInStateNonZero", "5.4.3.23", "ms not at zero", partial(timed.duration_in_state, zero=False)),
    Definition("NumberOfTransitions", "5.4.3.24", "number of changes of the value", samples.number_of_transitions),
    Definition("Start", "5.4.3.25", "earliest sample, at its time", samples.start, numeric=False),
    Definition("End", "5.4.3.26", "latest sample, at its time", samples.end, numeric=False),
    Definition("Delta", "5.4.3.27", "latest minus earliest Good sample", samples.delta),
    Definition("StartBound", "5.4.3.28", "value at the interval's start", timed.start_bound, numeric=False),
    Definition("EndBound", "5.4.3.29", "value at the interval's end", timed.end_bound, numeric=False),
    Definition("DeltaBounds", "5.4.3.30", "end bound minus start bound", timed.delta_bounds),
    Definition("DurationGood", "5.4.3.31", "ms Good", partial(timed.duration, good=True), numeric=False),
    Definition("DurationBad", "5.4.3.32", "ms Bad", partial(timed.duration, good=False), numeric=False),
    Definition("PercentGood", "5.4.3.33", "share of time Good", partial(timed.percent, good=True), numeric=False),
    Definition("PercentBad", "5.4.3.34", "share of time Bad", partial(timed.percent, good=False), numeric=False),
    Definition("WorstQuality", "5.4.3.35", "worst StatusCode of the samples", samples.worst_quality, numeric=False),
    Definition(
        "WorstQuality2",
        "5.4.3.36",
        "worst StatusCode of the start bound and the samples",
        timed.worst_quality_2,
        numeric=False,
    ),
    Definition(
        "StandardDeviationSample",
        "5.4.3.37",
        "standard deviation of the Good samples (n - 1)",
        partial(samples.deviation, sample=True, root=True),
    ),
    Definition(
        "VarianceSample",
        "5.4.3.38",
        "variance of the Good samples (n - 1)",
        partial(samples.deviation, sample=True, root=False),
    ),
    Definition(
        "StandardDeviationPopulation",
        "5.4.3.39",
        "standard deviation of the Good samples (n)",
        partial(samples.deviation, sample=False, root=True),
    ),
    Definition(
        "VariancePopulation",
        "5.4.3.40",
        "variance of the Good samples (n)",
        partial(samples.deviation, sample=False, root=False),
    ),
)

AGGREGATES: Final[Mapping[str, Definition]] = MappingProxyType({each.name: each for each in _ALL})
"""All of Part 13 but AnnotationCount: nothing here is annotated."""

OWN: Final[Mapping[str, Definition]] = MappingProxyType(
    {"Consumed": Definition("Consumed", "", "what a counter counted, over resets too", consumed.consumed)}
)
"""Aggregates that are ours. They need all samples: no roll-up says enough for them."""

_MEANT: Final = {
    "mean": "Average",
    "avg": "Average",
    "integral": "Total",
    "first": "Start",
    "last": "End",
    "std": "StandardDeviationSample",
    "stddev": "StandardDeviationSample",
}
"""What people call an aggregate elsewhere → its name here."""

_BY_NAME: Final = {name.lower(): found for name, found in {**AGGREGATES, **OWN}.items()}


def definition(name: str) -> Definition:
    """The aggregate of this name, in whatever case. Raises NotFound with the nearest one."""
    found = _BY_NAME.get(name.lower())
    if found is not None:
        return found
    near = difflib.get_close_matches(name.lower(), _BY_NAME, 1, 0.5)
    meant = _MEANT.get(name.lower()) or (_BY_NAME[near[0]].name if near else "")
    raise NotFound(f"there is no aggregate {name!r}", hint=f"did you mean {meant}?" if meant else "")


def aggregate(name: str, series: Series, intervals: Intervals, settings: Settings | None = None) -> Result:
    """One aggregate of one tag, for each interval. Raises NotFound, or IsthmusError when the tag is no number."""
    return aggregates([name], series, intervals, settings)[definition(name).name]


def aggregates(
    names: Iterable[str], series: Series, intervals: Intervals, settings: Settings | None = None
) -> dict[str, Result]:
    """Several aggregates of one tag by their standard names; what they share is worked out once."""
    wanted = [definition(name) for name in names]
    _refuse_text(series, wanted)
    if not len(series):
        return {each.name: nothing(intervals) for each in wanted}
    case = Case(series, intervals, settings or Settings())
    with np.errstate(invalid="ignore", over="ignore"):
        return {
            each.name: result(case, each.compute(case), partial=each.partial, bounded=each.bounded) for each in wanted
        }


def _refuse_text(series: Series, wanted: Iterable[Definition]) -> None:
    refused = [each.name for each in wanted if each.numeric and not series.numeric]
    if refused:
        raise IsthmusError(
            f"{', '.join(refused)} needs numbers", hint="of text ask for Start, End, Count, bounds or durations"
        )
