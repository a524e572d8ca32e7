# SPDX-License-Identifier: Apache-2.0
"""Tags, questions and settings of every sort for Hypothesis, as the oracle and as the code under test see them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from isthmus.core.time import SECOND
from isthmus.store.history.aggregates.intervals import Intervals, between, every
from isthmus.store.history.aggregates.series import Series, Settings
from tests.aggregates.bounding import Sample, Tag

QUALITIES = (0, 0, 0, 0, 0x00960000, 0x40000000, 0x408F0000, 0x80000000, 0x808B0000)
VALUES = (0.0, 0.0, 1.0, 1.0, 2.0, -3.0, 7.5, 40.0, math.nan)
END = 60


@dataclass(frozen=True)
class Question:
    tag: Tag
    intervals: Intervals

    @property
    def series(self) -> Series:
        samples = self.tag.samples
        return Series(
            time=np.array([s.time for s in samples], np.int64),
            value=np.array([s.value for s in samples], np.float64),
            quality=np.array([s.quality for s in samples], np.uint32),
            stepped=self.tag.stepped,
            gaps=np.array(self.tag.gaps, np.int64).reshape(-1, 2),
            observed_until=self.tag.observed_until,
        )

    @property
    def settings(self) -> Settings:
        tag = self.tag
        return Settings(tag.uncertain_is_bad, tag.percent_bad, tag.percent_good, tag.sloped_extrapolation)


moments = st.integers(0, END).map(lambda second: second * SECOND)
gaps = st.lists(st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair))), max_size=3)
samples = st.lists(
    st.builds(Sample, moments, st.sampled_from(VALUES), st.sampled_from(QUALITIES)), min_size=0, max_size=14
).map(lambda found: tuple(sorted(found, key=lambda sample: sample.time)))
percents = st.sampled_from([(100, 100), (50, 50), (30, 80), (100, 0), (0, 100), (60, 60)])


@st.composite
def tags(draw: st.DrawFn) -> Tag:
    bad, good = draw(percents)
    return Tag(
        samples=draw(samples),
        stepped=draw(st.booleans()),
        gaps=tuple(draw(st.one_of(st.just([]), gaps))),
        observed_until=draw(st.one_of(st.none(), moments)),
        uncertain_is_bad=draw(st.booleans()),
        percent_bad=bad,
        percent_good=good,
        sloped_extrapolation=draw(st.booleans()),
    )


@st.composite
def spans(draw: st.DrawFn) -> Intervals:
    start, end = draw(st.tuples(moments, moments).filter(lambda pair: pair[0] != pair[1]))
    return every(start, end, draw(st.sampled_from([0, 5, 7, 16, 30])) * SECOND)


edged = st.builds(
    lambda found, backward: between(sorted(found), backward=backward),
    st.sets(moments, min_size=2, max_size=8),
    st.booleans(),
)
questions = st.builds(Question, tags(), st.one_of(spans(), edged))
