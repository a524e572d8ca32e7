# SPDX-License-Identifier: Apache-2.0
"""Every aggregate once more, one interval and one sample at a time, straight from the text of Part 13 (1.05).

Nothing here is shared with the code it judges. A time-weighted result is taken from the middle of every piece between
two moments at which anything changes: within such a piece all is a straight line.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.aggregates.bounding import (
    BAD,
    GOOD,
    NO_DATA,
    SUBNORMAL,
    UNIT,
    Bound,
    Sample,
    Tag,
    interpolated_bound,
    simple_bound,
)

CALCULATED, INTERPOLATED, PARTIAL, EXTRA, MULTIPLE = 0x401, 0x402, 0x404, 0x408, 0x410

Answer = tuple[int, float | None, int]
"""Time, value, StatusCode."""


@dataclass(frozen=True)
class Interval:
    tag: Tag
    early: int
    late: int
    backward: bool
    rest: bool

    @property
    def stamp(self) -> int:
        return self.late if self.backward else self.early

    @property
    def samples(self) -> list[Sample]:
        if self.backward:
            return [sample for sample in self.tag.samples if self.early < sample.time <= self.late]
        return [sample for sample in self.tag.samples if self.early <= sample.time < self.late]

    @property
    def good(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.severity == 0]

    @property
    def outside(self) -> bool:
        tag = self.tag
        if self.backward:
            return self.late < tag.start or self.early >= (tag.end if tag.extends else tag.last.time)
        return self.late <= tag.start or self.early >= tag.end

    @property
    def partial(self) -> bool:
        begins = self.early < self.tag.start <= self.late
        return not self.outside and (begins or self.early < self.tag.end < self.late or self.rest)

    @property
    def known_end(self) -> int:
        return min(self.late, self.tag.end)

    @property
    def width(self) -> int:
        return self.known_end - self.early

    @property
    def hidden(self) -> bool:
        return any(start < self.known_end and end > self.early and end > start for start, end in self.tag.gaps)

    @property
    def dark(self) -> bool:
        return all(
            any(start <= moment < end for start, end in self.tag.gaps)
            for moment in [(a + b) // 2 for a, b in self.pieces(self.known_end)]
        )

    def pieces(self, until: int) -> list[tuple[int, int]]:
        cuts = {self.early, until, self.tag.start, self.tag.end, *(sample.time for sample in self.tag.samples)}
        cuts |= {moment for gap in self.tag.gaps for moment in gap}
        inside = sorted(cut for cut in cuts if self.early <= cut <= until)
        return list(itertools.pairwise(inside))


def verdict(tag: Tag, good: int, bad: int, total: int) -> int:
    """5.4.3.2.1."""
    if good == total:
        return GOOD
    if tag.percent_good == 100 - tag.percent_bad:
        return GOOD if good * 100 >= tag.percent_good * total else BAD if bad == total else SUBNORMAL
    if bad > 0 and bad * 100 >= tag.percent_bad * total:
        return BAD
    return GOOD if good * 100 >= tag.percent_good * total else SUBNORMAL


def by_values(interval: Interval) -> int:
    samples = interval.samples
    return verdict(interval.tag, len(interval.good), sum(map(interval.tag.bad, samples)), len(samples))


def in_part(interval: Interval, code: int) -> int:
    return SUBNORMAL if code == GOOD and interval.hidden else code


def average(interval: Interval) -> Answer:
    good = interval.good
    if not good:
        return interval.stamp, None, NO_DATA
    return (
        interval.stamp,
        math.fsum(s.value for s in good) / len(good),
        in_part(interval, by_values(interval)) | CALCULATED,
    )


def number(interval: Interval, found: int) -> Answer:
    if interval.dark and not interval.samples:
        return interval.stamp, None, NO_DATA
    code = in_part(interval, by_values(interval))
    return interval.stamp, None if code == BAD else found, code if code == BAD else code | CALCULATED


def count(interval: Interval) -> Answer:
    return number(interval, len(interval.good))


def transitions(interval: Interval) -> Answer:
    found, previous = 0, None
    mine = interval.samples
    for sample in interval.tag.samples:
        if interval.tag.bad(sample):
            continue
        found += any(sample is each for each in mine) and (previous is None or previous != sample.value)
        previous = sample.value
    return number(interval, found)


def extreme(interval: Interval, pick: Callable[[list[float]], float], actual: bool) -> Answer:
    """5.4.3.10 to 13."""
    good = interval.good
    if not good:
        return interval.stamp, None, NO_DATA
    value = pick([sample.value for sample in good])
    times = sorted({sample.time for sample in good if sample.value == value})
    maybe = [s.value for s in interval.samples if s.severity == 1 and not interval.tag.bad(s)]
    doubted = any(map(interval.tag.bad, interval.samples)) or (bool(maybe) and pick([*maybe, value]) != value)
    code = SUBNORMAL if doubted else in_part(interval, GOOD)
    raw = not doubted and (actual or times[0] == interval.stamp)
    code |= (0 if raw else CALCULATED) | (MULTIPLE if len(times) > 1 else 0)
    return times[0] if actual else interval.stamp, value, code


def difference(interval: Interval) -> Answer:
    low, high = extreme(interval, min, False), extreme(interval, max, False)
    if low[1] is None or high[1] is None:
        return interval.stamp, None, NO_DATA
    doubted = (low[2] | high[2]) & 0x40000000
    return interval.stamp, high[1] - low[1], (SUBNORMAL if doubted else GOOD) | CALCULATED


def time_shares(interval: Interval) -> tuple[int, int, float]:
    """StatusCode, ns with values, and area of the simple course."""
    good = known = 0
    area = 0.0
    for start, end in interval.pieces(interval.known_end):
        value, code, _, _ = simple_bound(interval.tag, (start + end) // 2)
        if value is None:
            continue
        known += end - start
        area += value * (end - start) / 1e9
        good += end - start if code == GOOD or not interval.tag.uncertain_is_bad else 0
    return verdict(interval.tag, good, interval.width - good, interval.width), known, area


def candidates(interval: Interval, actual: bool) -> list[tuple[float, int, int]]:
    """Value, time and origin bits of the start bound, the samples and the end bound of a sloped tag."""
    tag = interval.tag
    found: list[tuple[float, int, int]] = []
    value, _, raw, _ = simple_bound(tag, interval.early)
    if value is not None:
        found.append((value, interval.early, 0 if raw else INTERPOLATED))
    for sample in interval.samples:
        if not tag.bad(sample):
            bits = 0 if actual or sample.time == interval.stamp else CALCULATED
            found.append((sample.value, sample.time, bits))
    value, _, raw, _ = simple_bound(tag, interval.late)
    if value is not None and not tag.stepped:
        time = max(interval.late - UNIT, interval.early)
        found.append((value, time, CALCULATED if raw and not actual else INTERPOLATED))
    return found


def extreme2(interval: Interval, pick: Callable[[list[float]], float], actual: bool) -> Answer:
    """5.4.3.15 to 18."""
    found = candidates(interval, actual)
    if not found:
        return interval.stamp, None, NO_DATA
    code, _, _ = time_shares(interval)
    if code == BAD:
        return interval.stamp, None, BAD | CALCULATED
    value = pick([each[0] for each in found])
    same = [each for each in found if each[0] == value]
    ended = simple_bound(interval.tag, interval.late)[0] == value and not interval.tag.stepped
    times = {each[1] for each in same[: -1 if ended else None]}
    several = len(times) + ended > 1
    return same[0][1] if actual else interval.stamp, value, code | same[0][2] | (MULTIPLE if several else 0)


def range2(interval: Interval) -> Answer:
    low, high = extreme2(interval, min, False), extreme2(interval, max, False)
    if low[1] is None or high[1] is None:
        return interval.stamp, None, NO_DATA
    doubted = (low[2] | high[2]) & 0x40000000
    return interval.stamp, high[1] - low[1], (SUBNORMAL if doubted else GOOD) | CALCULATED


def sample_of(interval: Interval, sample: Sample) -> Answer:
    several = len([s for s in interval.tag.samples if s.time == sample.time]) > 1
    bad = sample.quality >= BAD
    return (
        sample.time,
        None if bad or math.isnan(sample.value) else sample.value,
        sample.quality | (EXTRA if several else 0),
    )


def first(interval: Interval) -> Answer:
    if not interval.samples:
        return interval.stamp, None, NO_DATA
    return sample_of(interval, [s for s in interval.samples if s.time == interval.samples[0].time][-1])


def final(interval: Interval) -> Answer:
    return sample_of(interval, interval.samples[-1]) if interval.samples else (interval.stamp, None, NO_DATA)


def delta(interval: Interval) -> Answer:
    good = interval.good
    if not good:
        return interval.stamp, None, NO_DATA
    skipped = good[0] is not interval.samples[0] or good[-1] is not interval.samples[-1]
    code = SUBNORMAL if skipped else in_part(interval, GOOD)
    return interval.stamp, good[-1].value - good[0].value, code | CALCULATED


def as_answer(interval: Interval, bound: Bound) -> Answer:
    value, code, raw, extra = bound
    return interval.stamp, value, code if value is None else code | (EXTRA * extra if raw else INTERPOLATED)


def interpolative(interval: Interval) -> Answer:
    return as_answer(interval, interpolated_bound(interval.tag, interval.stamp))


def start_bound(interval: Interval) -> Answer:
    return as_answer(interval, simple_bound(interval.tag, interval.stamp))


def end_bound(interval: Interval) -> Answer:
    value, code, _, _ = simple_bound(interval.tag, interval.early if interval.backward else interval.late)
    return interval.stamp, value, code if value is None else code | CALCULATED


def delta_bounds(interval: Interval) -> Answer:
    start, end = start_bound(interval), end_bound(interval)
    if start[1] is None or end[1] is None:
        return interval.stamp, None, NO_DATA
    doubted = (start[2] | end[2]) & 0x40000000
    return interval.stamp, end[1] - start[1], (SUBNORMAL if doubted else GOOD) | CALCULATED


def time_average(interval: Interval, total: bool) -> Answer:
    area, known, sure = 0.0, 0, True
    for start, end in interval.pieces(interval.late):
        value, code, _, _ = interpolated_bound(interval.tag, (start + end) // 2, stepped=False)
        sure &= value is not None and code == GOOD
        if value is not None:
            known, area = known + end - start, area + value * (end - start) / 1e9
    if not known:
        return interval.stamp, None, NO_DATA
    return interval.stamp, area if total else area / (known / 1e9), (GOOD if sure else SUBNORMAL) | CALCULATED


def time_average2(interval: Interval, total: bool) -> Answer:
    code, known, area = time_shares(interval)
    if not known:
        return interval.stamp, None, NO_DATA
    value = None if code == BAD else area if total else area / (known / 1e9)
    return interval.stamp, value, code | CALCULATED


def in_state(interval: Interval, zero: bool) -> Answer:
    spent = 0
    for start, end in interval.pieces(interval.known_end):
        middle = (start + end) // 2
        before = [s for s in interval.tag.samples if s.time <= middle]
        if not before or interval.tag.lost(before[-1].time, middle):
            continue
        if before[-1].time < interval.early:
            value, code, _, _ = simple_bound(interval.tag, interval.early)
            counts = value is not None and code >> 30 == 0 and (value == 0) == zero
        else:
            counts = before[-1].severity == 0 and (before[-1].value == 0) == zero
        spent += end - start if counts else 0
    code = time_shares(interval)[0]
    return interval.stamp, None if code == BAD else spent / 1e6, code | CALCULATED


def lasted(interval: Interval, good: bool) -> int:
    spent = 0
    for start, end in interval.pieces(interval.known_end):
        middle = (start + end) // 2
        before = [s for s in interval.tag.samples if s.time <= middle]
        unknown = not before or interval.tag.lost(before[-1].time, middle)
        counts = not unknown and before[-1].severity == 0 if good else unknown or interval.tag.bad(before[-1])
        spent += end - start if counts else 0
    return spent


def duration(interval: Interval, good: bool) -> Answer:
    return interval.stamp, lasted(interval, good) / 1e6, CALCULATED


def percent(interval: Interval, good: bool) -> Answer:
    return interval.stamp, lasted(interval, good) * 100 / interval.width, CALCULATED


def worst(interval: Interval, codes: list[tuple[int, int]]) -> Answer:
    """The first of the worst, by (time, StatusCode)."""
    if not codes:
        return interval.stamp, None, NO_DATA
    severity = max(min(code >> 30, 2) for _, code in codes)
    hits = [(time, code) for time, code in codes if min(code >> 30, 2) == severity]
    several = severity > 0 and len({time for time, _ in hits}) > 1
    return interval.stamp, hits[0][1], CALCULATED | (MULTIPLE if several else 0)


def worst_quality(interval: Interval) -> Answer:
    return worst(interval, [(sample.time, sample.quality) for sample in interval.samples])


def worst_quality2(interval: Interval) -> Answer:
    codes = [(sample.time, sample.quality) for sample in interval.samples]
    code = simple_bound(replace(interval.tag, uncertain_is_bad=False), interval.early)[1]
    if not (interval.tag.at(interval.early) and not interval.backward):
        codes.insert(0, (interval.early, code))
    return worst(interval, codes)


def spread(interval: Interval, less: int, root: bool) -> Answer:
    good = interval.good
    if not good:
        return interval.stamp, None, NO_DATA
    mean = math.fsum(s.value for s in good) / len(good)
    variance = math.fsum((s.value - mean) ** 2 for s in good) / max(len(good) - less, 1)
    code = in_part(interval, GOOD if len(good) == len(interval.samples) else SUBNORMAL)
    return interval.stamp, math.sqrt(variance) if root else variance, code | CALCULATED


COMPUTE: dict[str, Callable[[Interval], Answer]] = {
    "Interpolative": interpolative,
    "Average": average,
    "TimeAverage": lambda i: time_average(i, total=False),
    "TimeAverage2": lambda i: time_average2(i, total=False),
    "Total": lambda i: time_average(i, total=True),
    "Total2": lambda i: time_average2(i, total=True),
    "Minimum": lambda i: extreme(i, min, False),
    "Maximum": lambda i: extreme(i, max, False),
    "MinimumActualTime": lambda i: extreme(i, min, True),
    "MaximumActualTime": lambda i: extreme(i, max, True),
    "Range": difference,
    "Minimum2": lambda i: extreme2(i, min, False),
    "Maximum2": lambda i: extreme2(i, max, False),
    "MinimumActualTime2": lambda i: extreme2(i, min, True),
    "MaximumActualTime2": lambda i: extreme2(i, max, True),
    "Range2": range2,
    "Count": count,
    "DurationInStateZero": lambda i: in_state(i, zero=True),
    "DurationInStateNonZero": lambda i: in_state(i, zero=False),
    "NumberOfTransitions": transitions,
    "Start": first,
    "End": final,
    "Delta": delta,
    "StartBound": start_bound,
    "EndBound": end_bound,
    "DeltaBounds": delta_bounds,
    "DurationGood": lambda i: duration(i, good=True),
    "DurationBad": lambda i: duration(i, good=False),
    "PercentGood": lambda i: percent(i, good=True),
    "PercentBad": lambda i: percent(i, good=False),
    "WorstQuality": worst_quality,
    "WorstQuality2": worst_quality2,
    "StandardDeviationSample": lambda i: spread(i, 1, root=True),
    "VarianceSample": lambda i: spread(i, 1, root=False),
    "StandardDeviationPopulation": lambda i: spread(i, 0, root=True),
    "VariancePopulation": lambda i: spread(i, 0, root=False),
}


def answer(name: str, tag: Tag, early: int, late: int, *, backward: bool, rest: bool) -> Answer:
    """One aggregate of one interval, with what holds for all of them (5.3.3.2, "before start", "after end of data")."""
    stamp = late if backward else early
    if not tag.samples:
        return stamp, None, NO_DATA
    interval = Interval(tag, early, late, backward, rest)
    if interval.outside and name != "Interpolative":
        return stamp, None, NO_DATA
    time, value, code = COMPUTE[name](interval)
    value = None if code >= BAD else value
    if interval.partial and name not in ("Interpolative", "Average"):
        code |= PARTIAL
    return time, value, code
