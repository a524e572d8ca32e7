# SPDX-License-Identifier: Apache-2.0
"""Spells above a limit against the same told moment by moment, and cases of which the answer is known."""

from __future__ import annotations

import random
from itertools import groupby

import numpy as np
import pytest

from isthmus.core.errors import IsthmusError
from isthmus.store.history.aggregates.series import Series, Settings
from isthmus.store.history.aggregates.spells import spells

TICK = 1_000_000_000
BAD, UNCERTAIN = 0x8000_0000, 0x4000_0000

Sample = tuple[int, float, int]
"""Tick, value, StatusCode."""


def series(
    samples: list[Sample],
    *,
    stepped: bool = False,
    gaps: list[tuple[int, int]] | None = None,
    until: int | None = None,
) -> Series:
    time, value, quality = zip(*samples, strict=True)
    return Series(
        time=np.array(time, np.int64) * TICK,
        value=np.array(value, np.float64),
        quality=np.array(quality, np.uint32),
        stepped=stepped,
        gaps=np.array(gaps or [], np.int64).reshape(-1, 2) * TICK,
        observed_until=None if until is None else until * TICK,
    )


def told(
    moment: float, samples: list[Sample], *, stepped: bool, gaps: list[tuple[int, int]], until: int, strict: bool
) -> float | None:
    """What the tag was at a moment between two ticks; None: not known."""
    before = [sample for sample in samples if sample[0] <= moment]
    after = [sample for sample in samples if sample[0] > moment]
    if not before or moment >= max(until, samples[-1][0]):
        return None
    at, value, quality = before[-1]
    worst = UNCERTAIN if strict else BAD
    lost = [first for first, last in gaps if last > first and (first <= moment < last or at < first <= moment)]
    if lost or any(first <= at < last for first, last in gaps) or quality >= worst or value != value:
        return None
    if stepped or not after:
        return value
    then, following, its = after[0]
    if its >= worst or following != following or any(at < first <= then and last > first for first, last in gaps):
        return value
    return value + (following - value) * (moment - at) / (then - at)


def slowly(
    start: int,
    end: int,
    limit: float,
    samples: list[Sample],
    *,
    below: bool,
    stepped: bool,
    gaps: list[tuple[int, int]],
    until: int,
    strict: bool,
) -> list[tuple[int, int, bool, bool]]:
    def above(tick: int) -> bool | None:
        value = told(tick + 0.5, samples, stepped=stepped, gaps=gaps, until=until, strict=strict)
        return None if value is None else value < limit if below else value > limit

    found = []
    for hot, run in groupby(range(start, end), lambda tick: above(tick) is True):
        ticks = list(run)
        if hot:
            first, last = ticks[0], ticks[-1] + 1
            found.append((first, last, above(first - 1) is False, above(last) is False))
    return found


@pytest.mark.parametrize("seed", range(300))
def test_spells_are_what_every_moment_tells(seed: int) -> None:
    """Values are one and zero around a limit of a half, in even ticks: each crossing is on a tick."""
    rng = random.Random(seed)
    tick, value, samples = rng.randrange(0, 20, 2), 0.0, []
    for _ in range(rng.randrange(1, 40)):
        quality = rng.choice([0] * 8 + [BAD, UNCERTAIN])
        samples.append((tick, value if rng.random() < 0.97 else float("nan"), quality))
        tick += rng.choice((2, 2, 4, 10, 30))
        value = rng.choice((0.0, 1.0))
    last = samples[-1][0]
    gaps = [(first, first + rng.randrange(0, 12)) for first in rng.sample(range(last + 2), min(rng.randrange(4), last))]
    until, stepped, below, strict = (
        last + rng.randrange(1, 30),
        rng.random() < 0.5,
        rng.random() < 0.5,
        rng.random() < 0.5,
    )
    start = rng.randrange(-5, last + 2)
    end = start + rng.randrange(1, last + 20)
    found = spells(
        series(samples, stepped=stepped, gaps=gaps, until=until),
        start * TICK,
        end * TICK,
        0.5,
        Settings(treat_uncertain_as_bad=strict),
        below=below,
    )
    columns = (found.start // TICK, found.end // TICK, found.begins, found.ends)
    assert not ((found.start % TICK).any() or (found.end % TICK).any())
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == slowly(
        start, end, 0.5, samples, below=below, stepped=stepped, gaps=gaps, until=until, strict=strict
    )


def lasting(samples: list[Sample], minutes: float = 5, **more: object) -> list[tuple[float, float]]:
    found = spells(series(samples, stepped=True, **more), 0, 10**6 * TICK, 90.0)  # type: ignore[arg-type]  # as given
    found = found.lasting(int(minutes * 60 * TICK))
    return [(a / TICK, b / TICK) for a, b in zip(found.start.tolist(), found.end.tolist(), strict=True)]


def test_exactly_five_minutes_are_not_more_than_five() -> None:
    assert lasting([(0, 80.0, 0), (60, 91.0, 0), (360, 80.0, 0)]) == []
    assert lasting([(0, 80.0, 0), (60, 91.0, 0), (361, 80.0, 0)]) == [(60, 361)]


def test_the_limit_itself_is_not_above_it() -> None:
    assert lasting([(0, 80.0, 0), (60, 90.0, 0), (1000, 80.0, 0)]) == []


def test_two_spells_with_time_below_between_them_are_not_one() -> None:
    assert lasting([(0, 91.0, 0), (200, 89.0, 0), (201, 91.0, 0), (400, 80.0, 0)]) == []


def test_what_was_not_observed_or_bad_parts_a_spell() -> None:
    hot = [(0, 91.0, 0), (200, 92.0, 0), (400, 80.0, 0)]
    assert lasting(hot) == [(0, 400)]
    assert lasting(hot, gaps=[(50, 200)]) == []
    assert lasting([(0, 91.0, 0), (150, 95.0, BAD), (200, 92.0, 0), (400, 80.0, 0)]) == []
    assert lasting([(0, 91.0, 0), (150, float("nan"), 0), (200, 92.0, 0), (400, 80.0, 0)]) == []


def test_what_is_still_above_counts_as_far_as_it_was_observed() -> None:
    assert lasting([(0, 80.0, 0), (60, 91.0, 0)], until=360) == []
    assert lasting([(0, 80.0, 0), (60, 91.0, 0)], until=361) == [(60, 361)]


def test_the_extreme_is_that_of_the_spell() -> None:
    rising = series([(0, 80.0, 0), (100, 100.0, 0), (200, 80.0, 0)])
    assert spells(rising, 0, 200 * TICK, 90.0).extreme.tolist() == [100.0]
    assert spells(rising, 0, 75 * TICK, 90.0).extreme.tolist() == [95.0]
    assert spells(rising, 0, 200 * TICK, 90.0, below=True).extreme.tolist() == [80.0, 80.0]


def test_infinite_values_are_above_and_make_no_noise() -> None:
    found = spells(series([(0, 80.0, 0), (10, float("inf"), 0), (20, 80.0, 0)]), 0, 30 * TICK, 90.0)
    assert (found.start.tolist(), found.end.tolist()) == ([0], [20 * TICK])
    assert found.extreme.tolist() == [float("inf")]


def test_of_no_samples_there_are_no_spells_and_of_text_it_is_not_asked() -> None:
    nothing = Series(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.uint32))
    assert len(spells(nothing, 0, TICK, 1.0)) == 0
    text = Series(np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.uint32), numeric=False)
    with pytest.raises(IsthmusError, match="text"):
        spells(text, 0, TICK, 1.0)
