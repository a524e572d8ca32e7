# SPDX-License-Identifier: Apache-2.0
"""Pictures from outlines are those from all samples: over whatever samples, gaps, corrections and pixel columns.

The oracle draws every sample of one tag after the other, which tests/aggregates proves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pytest

from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.quality import Mark
from isthmus.core.samples import Value
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import SECOND
from isthmus.plant.revision import TagSetting
from isthmus.store.history.aggregates.pixels import columns as pixel_columns
from isthmus.store.history.aggregates.pixels import draw
from isthmus.store.history.border import Borders
from isthmus.store.history.columns import Columns, empty, join, ordered
from isthmus.store.history.excerpt import excerpt
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import DAY, Kept, Kind
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.read import History
from isthmus.store.history.rollup.picture import pictures
from isthmus.store.history.watch import Watch

HOUR = 3600 * SECOND
FIRST = 20_000 * DAY - HOUR
LAST = FIRST + 3 * HOUR
"""Three hours, over midnight."""
TAGS = tuple(Tag(n, f"acme/lyon/line/tag-{n}", "m", DataType.FLOAT, stepped=n == 4) for n in (2, 3, 4))
SETTINGS = [TagSetting(tag=tag, system="dcs", address="x") for tag in TAGS]
T = TypeVar("T")
QUALITIES = np.array([0, 0, 0x4000_0000, 0x8000_0000, 0x808A_0000], np.uint32)


@dataclass(slots=True)
class Grouped(History):
    """A snapshot whose samples are in memory; those that are not `late` come as row groups of days."""

    groups: Sequence[Columns] = ()
    late: Columns = field(default_factory=empty)

    def loose(self, numbers: Sequence[int], start: int, end: int) -> Columns:
        return _within(self.late, numbers, start, end)

    def of_days(
        self, numbers: Sequence[int], start: int, end: int, made: Callable[[Columns], T], unread: Sequence[str] = ()
    ) -> Iterator[T]:
        for group in self.groups:
            found = _within(group, numbers, start, end)
            assert set(unread) <= {"seen", "integer", "text"}
            nothing = np.zeros(len(found), np.int64)
            yield made(replace(found, integer=nothing, seen=nothing if "seen" in unread else found.seen))

    def derived(
        self,
        kind: Kind,
        numbers: Sequence[int] | None,
        first_day: int,
        last_day: int,
        columns: Sequence[str] | None = None,
    ) -> Iterator[tuple[Kept, pa.Table]]:
        return iter(())

    def borders(self) -> Borders:
        return Borders({})


def _within(samples: Columns, numbers: Sequence[int], start: int, end: int) -> Columns:
    wanted = np.isin(samples.tag, np.array(numbers, np.uint32))
    return samples.pick(wanted & (samples.time >= start) & (samples.time < end))


def samples_of(rng: np.random.Generator, tag: int) -> Columns:
    """Three hours of a tag: few different values, some at one time, runs that are Bad or have no value."""
    n = int(rng.integers(3, 3000))
    found = empty(n)
    found.tag[:] = tag
    found.time[:] = FIRST + np.sort(rng.integers(0, 3 * HOUR // SECOND, n)) * SECOND
    found.seen[:] = found.time + rng.integers(0, 2 if rng.random() < 0.5 else 2000, n) * SECOND
    found.value[:] = rng.integers(0, 9, n) if rng.random() < 0.5 else rng.normal(0, 1, n)
    for _ in range(int(rng.integers(0, 12))):
        place = int(rng.integers(0, n))
        found.quality[place : place + int(rng.integers(1, 40))] = rng.choice(QUALITIES)
    for _ in range(int(rng.integers(0, 3))):
        found.value[int(rng.integers(0, n))] = np.nan
    found.mark[rng.random(n) < rng.choice([0, 0, 0.3])] = Mark.HISTORICAL
    if rng.random() < 0.2:
        made = rng.integers(1, n, 3)
        found.time[made] = found.time[made - 1]
        found.value[made - 1] = [10, -10, 10]
        found.mark[made] |= np.uint8(Mark.CORRECTED)
    return found


def gaps_of(rng: np.random.Generator) -> tuple[Event, ...]:
    def gap() -> Event:
        first = int(rng.integers(FIRST - HOUR // 2, LAST))
        last = first + int(rng.integers(1, rng.choice([HOUR, 100 * SECOND])))
        details: dict[str, Value] = {"first": first} if rng.random() < 0.9 else {}
        details |= {"last": last} if rng.random() < 0.9 else {}
        details |= {"first_tag": 3, "last_tag": 4} if rng.random() < 0.5 else {}
        return Event(
            id="gap",
            kind=EventKind.GAP,
            severity=Severity.ERROR,
            source="dcs",
            at=last,
            message="",
            details=details,
        )

    return tuple(gap() for _ in range(int(rng.integers(0, 6))))


def missing(rng: np.random.Generator, samples: Columns, gaps: Sequence[Event]) -> Columns:
    """The samples without those in most of the gaps."""
    for gap in gaps:
        first, last = gap.details.get("first"), gap.details.get("last")
        if isinstance(first, int) and isinstance(last, int) and rng.random() < 0.7:
            samples = samples.pick((samples.time < first) | (samples.time > last))
    return samples


def history_of(rng: np.random.Generator, gaps: Sequence[Event]) -> Grouped:
    came = missing(rng, join([samples_of(rng, tag.number) for tag in TAGS]), gaps)
    late = rng.random(len(came)) < rng.choice([0, 0.003, 0.3])
    days, loose = ordered(came.pick(~late)), ordered(came.pick(late))
    cuts = [0, *np.sort(rng.integers(0, len(days) + 1, 4)).tolist(), len(days)]
    return Grouped(
        folder=Folder(Path("nowhere")),
        position=None,
        behind=False,
        segments=(),
        kept=(),
        tail=ordered(join([days, loose])),
        _manifest=Manifest.passing(),
        groups=[days.pick(slice(low, high)) for low, high in pairwise(cuts)],
        late=loose,
    )


def assert_drawn_as_from_all(history: History, watch: Watch, start: int, end: int, width: int) -> None:
    drawn = pictures(history, SETTINGS, {"dcs": watch}, start, end, width)
    for setting, found in zip(SETTINGS, drawn, strict=True):
        expected = draw(excerpt(history, setting, watch, start, end).series, pixel_columns(start, end, width))
        for name in ("time", "value", "quality", "bad"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def round_of(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gaps = gaps_of(rng)
    history, watch = history_of(rng, gaps), Watch([None, LAST - HOUR, LAST + HOUR][int(rng.integers(3))], gaps)
    for width in (1, 7, 60, 1000):
        start = int(rng.integers(FIRST - HOUR // 2, FIRST + HOUR))
        end = int(rng.integers(start + 1, min(start + width * 200 * SECOND, LAST + HOUR)))
        assert_drawn_as_from_all(history, watch, start, end, width)


@pytest.mark.parametrize("seed", range(60))
def test_outlines_show_what_all_samples_show(seed: int) -> None:
    round_of(seed)


@pytest.mark.soak
def test_outlines_show_what_all_samples_show_thousands_of_times() -> None:
    for seed in range(100, 2100):
        round_of(seed)
