# SPDX-License-Identifier: Apache-2.0
"""A tag and its bounding values, one at a time, straight from the text of Part 13 (1.05), 3.1.8 and 3.1.9."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

GOOD, SUBNORMAL, BAD, NO_DATA = 0, 0x40A40000, 0x80000000, 0x809B0000
UNIT = 1_000_000
"""The time resolution: 1 ms."""


@dataclass(frozen=True, eq=False)
class Sample:
    time: int
    value: float
    quality: int

    @property
    def severity(self) -> int:
        if math.isnan(self.value):
            return 2
        return min(self.quality >> 30, 2)


@dataclass(frozen=True)
class Tag:
    samples: tuple[Sample, ...]
    stepped: bool
    gaps: tuple[tuple[int, int], ...]
    observed_until: int | None
    uncertain_is_bad: bool
    percent_bad: int
    percent_good: int
    sloped_extrapolation: bool

    def bad(self, sample: Sample) -> bool:
        return sample.severity == 2 or (sample.severity == 1 and self.uncertain_is_bad)

    @property
    def start(self) -> int:
        return self.samples[0].time

    @property
    def last(self) -> Sample:
        return self.samples[-1]

    @property
    def extends(self) -> bool:
        """The historian knows that the last value holds beyond its sample (3.1.9)."""
        return self.observed_until is not None and self.observed_until > self.last.time

    @property
    def end(self) -> int:
        return self.observed_until if self.extends and self.observed_until is not None else self.last.time + UNIT

    def lost(self, since: int, until: int) -> bool:
        """What was known at `since` is not known at a later moment: there is a gap between, or it was in one."""
        return any(start <= until and end > since and start < self.end and end > start for start, end in self.gaps)

    def at(self, time: int) -> list[Sample]:
        return [sample for sample in self.samples if sample.time == time]

    def held(self, time: int) -> Sample | None:
        """The value that is known to hold up to `time`, where a gap begins or the data ends."""
        earlier = [sample for sample in self.samples if sample.time < time]
        ends = time == self.end and self.extends and not self.at(time)
        begins = any(start == time and end > start for start, end in self.gaps) and not self.inside(time)
        if not earlier or not (ends or begins) or self.lost(earlier[-1].time, time if ends else time - 1):
            return None
        return replace(earlier[-1], time=time)

    def inside(self, time: int) -> bool:
        """A gap that began earlier is not over, or ends here where another one begins."""
        return any(start < time <= end for start, end in self.gaps)

    def next(self, time: int) -> Sample | None:
        """The first value after a moment at which one is known: a sample, or what held up to a gap or the end."""
        later = [sample.time for sample in self.samples if sample.time > time]
        later += [start for start, end in self.gaps if start > time and end > start and start < self.end]
        later += [self.end] if self.extends and self.end > time else []
        for moment in sorted(later):
            held = self.held(moment)
            if held is not None:
                return held
            if self.lost(time, moment) and not self.at(moment):
                return None
            if self.at(moment):
                return None if self.lost(time, moment - 1) else self.at(moment)[0]
        return None


Bound = tuple[float | None, int, bool, bool]
"""Value, StatusCode, a sample lies there, it supersedes others."""
NOTHING: Bound = (None, NO_DATA, False, False)


def line(tag: Tag, before: Sample, after: Sample, time: int) -> float:
    if after.time == before.time:
        return before.value
    share = Fraction(time - before.time, after.time - before.time)
    return before.value + float(share) * (after.value - before.value)


def simple_bound(tag: Tag, time: int) -> Bound:
    """3.1.9."""
    there = tag.at(time)
    if there:
        return NOTHING if tag.bad(there[-1]) else (there[-1].value, there[-1].quality, True, len(there) > 1)
    earlier = [sample for sample in tag.samples if sample.time < time]
    if not earlier or tag.lost(earlier[-1].time, time) or tag.bad(earlier[-1]):
        return NOTHING
    before = earlier[-1]
    if time >= tag.end:
        return (before.value, before.quality, False, False) if tag.extends and time == tag.end else NOTHING
    if tag.stepped:
        return before.value, SUBNORMAL if before.severity else GOOD, False, False
    after = tag.next(time)
    if after is None or tag.bad(after):
        return before.value, SUBNORMAL, False, False
    doubtful = before.severity or after.severity
    return line(tag, before, after, time), SUBNORMAL if doubtful else GOOD, False, False


def interpolated_bound(tag: Tag, time: int, stepped: bool | None = None) -> Bound:
    """3.1.8."""
    stepped = tag.stepped if stepped is None else stepped
    there = [sample for sample in tag.at(time) if not tag.bad(sample)]
    if there:
        extra = len(tag.at(time)) > 1 and there[-1] is not tag.at(time)[0]
        return there[-1].value, there[-1].quality, True, extra
    usable = [sample for sample in tag.samples if sample.time < time and not tag.bad(sample)]
    if not usable or tag.lost(usable[-1].time, time):
        return NOTHING
    before = usable[-1]
    place = max(i for i, sample in enumerate(tag.samples) if sample is before)
    skipped = [sample for sample in tag.samples[place + 1 :] if sample.time <= time]
    if tag.extends and time == tag.end and before is tag.last:
        return before.value, before.quality, False, False
    over = time > (tag.end if tag.extends else tag.last.time)
    if stepped:
        return before.value, SUBNORMAL if before.severity or skipped or over else GOOD, False, False
    after, between = following(tag, place, time)
    if after is not None:
        doubtful = before.severity or after.severity or between
        return line(tag, before, after, time), SUBNORMAL if doubtful else GOOD, False, False
    return extrapolated(tag, usable, time), SUBNORMAL, False, False


def following(tag: Tag, place: int, time: int) -> tuple[Sample | None, bool]:
    """The first usable value after sample `place` that no gap separates from it, and whether Bad ones are between."""
    before = tag.samples[place]
    held_at = [start for start, end in tag.gaps if end > start and start > before.time and start < tag.end]
    held_at += [tag.end] if tag.extends else []
    found: list[tuple[int, int, Sample, bool]] = []
    for moment in held_at:
        held = tag.held(moment)
        if held is not None and not tag.bad(held) and moment > time:
            i = max(i for i, sample in enumerate(tag.samples) if sample.time < moment)
            found.append((moment, 0, held, i > place and any(map(tag.bad, tag.samples[place + 1 : i]))))
    for i, sample in enumerate(tag.samples):
        if i > place and sample.time > time and not tag.bad(sample):
            found.append((sample.time, 1, sample, i > place + 1))
            break
    for moment, kind, sample, between in sorted(found, key=lambda each: each[:2]):
        apart = tag.lost(before.time, moment - 1) if kind == 0 else crosses(tag, before.time, moment)
        return (None, False) if apart else (sample, between)
    return None, False


def crosses(tag: Tag, since: int, until: int) -> bool:
    """Between two samples nothing was known for a while: a gap began at or before the later one."""
    return tag.lost(since, until - 1) or any(
        start == until and end > start and start < tag.end for start, end in tag.gaps
    )


def extrapolated(tag: Tag, usable: list[Sample], time: int) -> float:
    last = usable[-1]
    if not tag.sloped_extrapolation or len(usable) < 2 or usable[-2].time == last.time:
        return last.value
    if crosses(tag, usable[-2].time, last.time) or (tag.extends and last is tag.last and time > tag.end):
        return last.value
    share = Fraction(time - last.time, last.time - usable[-2].time)
    return last.value + float(share) * (last.value - usable[-2].value)
