# SPDX-License-Identifier: Apache-2.0
"""Every aggregate says of every interval what a row-wise reading of the standard's text says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from isthmus.store.history.aggregates.catalogue import AGGREGATES, aggregates
from isthmus.store.history.aggregates.reading import at_times
from tests.aggregates import oracle
from tests.aggregates.bounding import NOTHING, interpolated_bound, simple_bound
from tests.aggregates.cases import Question, questions


def check(question: Question) -> None:
    intervals = question.intervals
    found = aggregates(AGGREGATES, question.series, intervals, question.settings)
    for name, result in found.items():
        for i in range(len(intervals)):
            place = len(intervals) - 1 - i if intervals.backward else i
            early, late = int(intervals.edges[place]), int(intervals.edges[place + 1])
            rest = bool(intervals.is_rest()[place])
            time, value, code = oracle.answer(name, question.tag, early, late, backward=intervals.backward, rest=rest)
            actual = (int(result.time[i]), float(result.value[i]), int(result.quality[i]))
            wanted = np.nan if value is None else value
            same = actual[0] == time and actual[2] == code
            near = actual[1] == pytest.approx(wanted, rel=1e-9, abs=1e-9, nan_ok=True)
            assert same and near, (
                f"{name} [{early / 1e9:g}, {late / 1e9:g}) is {actual[0] / 1e9:g} s {actual[1]} 0x{actual[2]:08X}, "
                f"should be {time / 1e9:g} s {value} 0x{code:08X}"
            )


@settings(max_examples=400, deadline=None)
@given(questions)
def test_all_aggregates_agree_with_the_text_of_the_standard(question: Question) -> None:
    check(question)


@pytest.mark.soak
@pytest.mark.timeout(900)
@settings(max_examples=10_000, deadline=None)
@given(questions)
def test_all_aggregates_agree_with_the_text_of_the_standard_for_long(question: Question) -> None:
    check(question)


@settings(max_examples=200, deadline=None)
@given(questions)
def test_values_at_given_times_are_the_bounding_values_of_the_standard(question: Question) -> None:
    times = question.intervals.edges[::-1].copy()
    for simple in (False, True):
        found = at_times(question.series, times, question.settings, simple=simple)
        for i, time in enumerate(times.tolist()):
            bound = simple_bound if simple else interpolated_bound
            value, code, raw, extra = bound(question.tag, time) if question.tag.samples else NOTHING
            bits = (oracle.EXTRA if extra else 0) if raw else oracle.INTERPOLATED
            assert found.quality[i] == (code if value is None else code | bits)
            assert found.value[i] == pytest.approx(np.nan if value is None else value, nan_ok=True)


def test_the_oracle_knows_every_aggregate() -> None:
    assert set(oracle.COMPUTE) == set(AGGREGATES)
