# SPDX-License-Identifier: Apache-2.0
"""What roll-ups answer is what the samples answer: every aggregate, over whatever samples, gaps and intervals.

The oracle is the aggregator on the samples as they are, which tests/aggregates proves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.quality import Mark
from isthmus.core.samples import Value
from isthmus.core.tag import DataType, Tag
from isthmus.core.time import SECOND
from isthmus.plant.revision import Former, TagSetting
from isthmus.store.history.aggregates.catalogue import AGGREGATES, aggregates
from isthmus.store.history.aggregates.intervals import Intervals, between, every
from isthmus.store.history.aggregates.outcome import Result
from isthmus.store.history.aggregates.pixels import draw
from isthmus.store.history.aggregates.series import Series, Settings
from isthmus.store.history.border import Border, Borders
from isthmus.store.history.columns import Columns, empty, ordered
from isthmus.store.history.excerpt import excerpt
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import DAY, Kept, Kind
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.read import History
from isthmus.store.history.rollup.condense import condensed, sketched
from isthmus.store.history.rollup.roll import roll
from isthmus.store.history.rollup.rows import MINUTE, QUARTER
from isthmus.store.history.watch import Watch

HOUR = 4 * QUARTER
FIRST = 20_000 * DAY - HOUR
LAST = FIRST + 3 * HOUR
"""Three hours, over midnight."""


@dataclass(slots=True)
class Rolled(History):
    """A snapshot whose samples are in memory; of those that are not `late` there are roll-ups."""

    late: Columns = field(default_factory=empty)
    tables: dict[tuple[Kind, int], pa.Table] = field(default_factory=dict)
    retired: Borders = field(default_factory=lambda: Borders({}))

    def loose(self, numbers: Sequence[int], start: int, end: int) -> Columns:
        wanted = np.isin(self.late.tag, np.array(numbers, np.uint32))
        return self.late.pick(wanted & (self.late.time >= start) & (self.late.time < end))

    def derived(
        self,
        kind: Kind,
        numbers: Sequence[int] | None,
        first_day: int,
        last_day: int,
        columns: Sequence[str] | None = None,
    ) -> Iterator[tuple[Kept, pa.Table]]:
        for (of, day), table in self.tables.items():
            if of is kind and first_day <= day <= last_day:
                some = columns is not None and {*columns} <= {*table.schema.names}
                yield (
                    Kept(f"{kind}-{day}", kind, day, 0, 1, 1, 0, 9, day * DAY, (day + 1) * DAY),
                    (table.select(list(columns or ())) if some else table),
                )

    def borders(self) -> Borders:
        return self.retired


def history_of(columns: Columns, late: np.ndarray, tags: dict[int, Tag], *, sparse: bool) -> Rolled:
    samples = ordered(columns)
    kept = ordered(columns.pick(~late))
    tables: dict[tuple[Kind, int], pa.Table] = {}
    for day in np.unique(kept.time // DAY).tolist():
        pair = roll(kept.pick(kept.time // DAY == day), tags, () if sparse else tuple(tags))
        tables |= {(kind, day): table for kind, table in zip((Kind.MINUTES, Kind.QUARTERS), pair, strict=True)}
    return Rolled(
        folder=Folder(Path("nowhere")),
        position=None,
        behind=False,
        segments=(),
        kept=(),
        tail=samples,
        _manifest=Manifest.passing(),
        late=ordered(columns.pick(late)),
        tables=tables,
    )


def told(first: int | None, last: int | None) -> Event:
    details: dict[str, Value] = {n: v for n, v in (("first", first), ("last", last)) if v is not None}
    return Event(
        id="gap",
        kind=EventKind.GAP,
        severity=Severity.ERROR,
        source="dcs",
        at=last or LAST,
        message="",
        details=details,
    )


@dataclass(frozen=True)
class Case:
    history: Rolled
    setting: TagSetting
    watch: Watch
    intervals: Intervals
    settings: Settings
    stepped: bool | None

    def applied(self, series: Series) -> Series:
        return series if self.stepped is None else replace(series, stepped=self.stepped)

    def by_samples(self, names: Sequence[str]) -> dict[str, Result]:
        edges = self.intervals.edges
        found = excerpt(self.history, self.setting, self.watch, int(edges[0]), int(edges[-1]))
        return aggregates(names, self.applied(found.series), self.intervals, self.settings)

    def by_rows(self, names: Sequence[str]) -> tuple[dict[str, Result], int, int]:
        """The answers, and how many samples and folds they are from."""
        found = condensed(
            self.history, self.setting, self.watch, self.intervals, self.settings, stepped=self.stepped
        )  # fmt: skip
        series = self.applied(found.series)
        folds = series.folds
        return aggregates(names, series, self.intervals, self.settings), len(series), 0 if folds is None else len(folds)


def setting_of(rng: np.random.Generator) -> TagSetting:
    type_ = rng.choice([DataType.FLOAT, DataType.FLOAT, DataType.INTEGER, DataType.BOOLEAN])
    tag = Tag(3, "acme/lyon/line/tag", "m", DataType(type_), stepped=bool(rng.integers(2)))
    former = [
        (),
        (),
        (Former(2, "m", tag.type),),
        (Former(2, "cm", tag.type, scale=0.01),),
        (Former(2, "m", tag.type), Former(1, "degF", tag.type, 2.0, 3.0)),
    ]
    return TagSetting(tag=tag, system="dcs", address="x", formers=former[rng.integers(5)])


def samples_of(rng: np.random.Generator, setting: TagSetting) -> Columns:
    """Of each of its numbers some, mostly Good, at a rate that changes, with pauses."""
    n = int(rng.choice([5, 50, 500, 900, 900]) * rng.random())
    found = empty(n)
    steps = rng.exponential(3 * HOUR / max(n, 1) * rng.choice([0.3, 1.0]), n)
    steps[rng.random(n) < 0.01] += rng.choice([MINUTE, QUARTER, HOUR])
    found.time[:] = FIRST + rng.integers(0, HOUR) + np.cumsum(steps).astype(np.int64)
    if rng.random() < 0.5:
        found.time[:] = found.time // SECOND * SECOND
    kind = rng.integers(4)
    values = (
        rng.integers(0, 3, n).astype(float),
        np.round(50 + np.cumsum(rng.normal(0, 0.3, n)), 1),
        np.repeat(rng.integers(0, 2, n // 20 + 1), 20)[:n].astype(float),
        rng.normal(0, 1e6, n),
    )
    found.value[:] = values[kind]
    if setting.tag.type is DataType.BOOLEAN:
        found.value[:] = values[2]
    if setting.tag.whole:
        found.value[:] = np.round(found.value)
        found.whole[:], found.integer[:] = True, found.value.astype(np.int64)
    found.value[rng.random(n) < rng.choice([0, 0, 0, 0.003])] = np.nan
    found.whole[np.isnan(found.value)] = False
    bad = rng.random(n) < rng.choice([0, 0, 0.003, 0.01])
    found.quality[bad] = rng.choice([0x40000000, 0x808B0000, 0x00960000], int(bad.sum()))
    found.mark[rng.random(n) < rng.choice([0, 0, 0.01])] = Mark.HISTORICAL
    found.seen[:] = found.time + rng.integers(0, SECOND)
    if rng.random() < 0.3:
        found.seen[rng.random(n) < 0.005] += 20 * MINUTE
    numbers = [setting.tag.number, *(former.number for former in setting.formers)]
    cuts = np.sort(rng.integers(0, n + 1, len(numbers) - 1))
    found.tag[:] = np.repeat(numbers[::-1], np.diff([0, *cuts, n]))
    if rng.random() < 0.05:
        found.tag[:] = rng.choice(numbers, n)
    return found


def intervals_of(rng: np.random.Generator) -> Intervals:
    grain = int(rng.choice([QUARTER, QUARTER, QUARTER, MINUTE, MINUTE, SECOND, 1]))
    start = FIRST + int(rng.integers(-HOUR // 2, 2 * HOUR)) // grain * grain
    end = start + max(int(rng.integers(HOUR // 2, 3 * HOUR)) // grain * grain, grain)
    if rng.random() < 0.3:
        edges = np.unique(rng.integers(start, end + 1, rng.integers(2, 6)) // grain * grain)
        return between(edges) if len(edges) > 1 else every(start, end)
    width = int(rng.choice([0, 0, HOUR, QUARTER, 7 * MINUTE, 5 * MINUTE, 90 * SECOND]))
    if end - start > 1000 * max(width, end - start if not width else 1):
        width = 0
    return every(start, end, width) if rng.random() < 0.95 else every(end, start, width)


def watch_of(rng: np.random.Generator, columns: Columns) -> Watch:
    newest = int(columns.time.max()) if len(columns) else FIRST
    gaps = []
    for _ in range(int(rng.choice([0, 0, 0, 0, 1, 2]))):
        first = int(rng.integers(FIRST, LAST))
        last = first + int(rng.integers(0, HOUR))
        gaps.append(told(first if rng.random() < 0.9 else None, last))
    return Watch(newest + int(rng.choice([0, MINUTE])), tuple(gaps))


def case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    setting = setting_of(rng)
    columns = samples_of(rng, setting)
    late = rng.random(len(columns)) < rng.choice([0, 0, 0.003])
    tags = dict.fromkeys((1, 2, 3), setting.tag)
    history = history_of(columns, late, tags, sparse=bool(rng.random() < 0.3))
    settings = [Settings(), Settings(), Settings(False, 50, 50), Settings(True, 30, 80)][rng.integers(4)]
    stepped = [None, None, None, True, False][rng.integers(5)]
    if setting.tag.type is DataType.BOOLEAN:
        stepped = None
    return Case(history, setting, watch_of(rng, columns), intervals_of(rng), settings, stepped)


def assert_same(mine: Result, theirs: Result, name: str) -> None:
    np.testing.assert_array_equal(mine.time, theirs.time, err_msg=name)
    different = mine.quality != theirs.quality
    assert not different.any(), (name, [hex(code) for code in (*mine.quality[different], *theirs.quality[different])])
    scale = np.nanmax(np.abs(theirs.value), initial=1.0)
    np.testing.assert_allclose(mine.value, theirs.value, rtol=1e-9, atol=1e-9 * scale, err_msg=name)
    np.testing.assert_array_equal(mine.whole, theirs.whole, err_msg=name)
    np.testing.assert_array_equal(mine.integer[mine.whole], theirs.integer[mine.whole], err_msg=name)
    np.testing.assert_array_equal(mine.row >= 0, theirs.row >= 0, err_msg=name)


@limits(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_rows_answer_what_samples_answer(seed: int) -> None:
    question = case(seed)
    mine, _, _ = question.by_rows(list(AGGREGATES))
    theirs = question.by_samples(list(AGGREGATES))
    for name in AGGREGATES:
        assert_same(mine[name], theirs[name], name)


@pytest.mark.soak
def test_rows_answer_what_samples_answer_ten_thousand_times() -> None:
    for seed in range(10_000):
        question = case(seed)
        mine, _, _ = question.by_rows(list(AGGREGATES))
        theirs = question.by_samples(list(AGGREGATES))
        for name in AGGREGATES:
            assert_same(mine[name], theirs[name], f"{name}, seed {seed}")


def assert_drawn_alike(question: Case, told: object) -> None:
    """Drawn from the rows that are seen it is what all samples show."""
    edges = np.sort(question.intervals.edges)
    asked = (question.history, question.setting, question.watch)
    mine = draw(sketched(*asked, edges).series, edges)
    theirs = draw(excerpt(*asked, int(edges[0]), int(edges[-1])).series, edges)
    for name in ("time", "value", "quality", "bad"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name), err_msg=f"{name}, {told}")


@limits(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_rows_show_what_samples_show(seed: int) -> None:
    assert_drawn_alike(case(seed), seed)


@pytest.mark.soak
def test_rows_show_what_samples_show_ten_thousand_times() -> None:
    for seed in range(10_000):
        assert_drawn_alike(case(seed), seed)


def test_two_numbers_of_a_tag_that_take_turns_are_read_where_one_of_them_is_rough() -> None:
    """Of the rough one minutes stand beside its quarter, of the other they are in a file: they share every minute."""
    tag = Tag(3, "acme/lyon/line/tag", "m", DataType.FLOAT, stepped=True)
    setting = TagSetting(tag=tag, system="dcs", address="x", formers=(Former(2, "m", tag.type),))
    columns = empty(3600)
    columns.tag[:] = 2 + np.arange(3600) % 2
    columns.time[:] = LAST // DAY * DAY + np.arange(3600) * SECOND
    columns.seen[:] = columns.time
    columns.value[:] = np.arange(3600) % 7
    columns.quality[1000] = 0x40000000
    history = history_of(columns, np.zeros(3600, np.bool_), {2: tag, 3: tag}, sparse=False)
    watch, intervals = Watch(int(columns.time[-1]), ()), every(int(columns.time[0]), int(columns.time[0]) + HOUR)
    question = Case(history, setting, watch, intervals, Settings(), None)
    mine, theirs = question.by_rows(list(AGGREGATES))[0], question.by_samples(list(AGGREGATES))
    for name in AGGREGATES:
        assert_same(mine[name], theirs[name], name)


def test_many_questions_are_answered_by_rows() -> None:
    """The property above would say nothing of a condensing that never condenses."""
    folds = [case(seed).by_rows(["Average"])[2] for seed in range(100)]
    assert sum(number > 0 for number in folds) > 30


def let_go(*, minutes: bool) -> tuple[Rolled, Rolled, TagSetting]:
    """A day of a sloped tag, and the same when only roll-ups of it are left; they have minutes, or quarters alone."""
    setting = TagSetting(
        tag=Tag(3, "acme/lyon/line/tag", "m", DataType.FLOAT, stepped=False), system="dcs", address="x"
    )
    day = LAST // DAY
    step = (2 if minutes else 20) * SECOND
    columns = empty(3 * DAY // step)
    columns.tag[:] = 3
    columns.time[:] = (day - 1) * DAY + np.arange(len(columns)) * step + SECOND
    columns.seen[:] = columns.time
    columns.value[:] = np.cumsum(np.random.default_rng(5).normal(0, 1, len(columns)))
    nothing = np.zeros(len(columns), np.bool_)
    whole = history_of(columns, nothing, {3: setting.tag}, sparse=True)
    left = history_of(columns, nothing, {3: setting.tag}, sparse=True)
    left.tail = left.tail.pick(left.tail.time // DAY != day)
    left.retired = Borders({3: Border(raw=day + 1)})
    return whole, left, setting


def test_minutes_answer_for_a_day_whose_samples_were_let_go() -> None:
    whole, left, setting = let_go(minutes=True)
    start = LAST // DAY * DAY
    for intervals in (every(start, start + DAY, HOUR), every(start + 7 * MINUTE, start + DAY // 2, 11 * MINUTE)):
        questions = [Case(h, setting, Watch(start + 2 * DAY, ()), intervals, Settings(), None) for h in (whole, left)]
        expected, (found, samples, _) = (
            questions[0].by_samples(list(AGGREGATES)),
            questions[1].by_rows(list(AGGREGATES)),
        )
        assert samples < 20_000
        for name in AGGREGATES:
            assert_same(found[name], expected[name], name)


@pytest.mark.parametrize(("minutes", "lost"), [(True, MINUTE), (False, QUARTER)])
def test_what_no_row_tells_of_samples_let_go_is_not_observed(minutes: bool, lost: int) -> None:
    _, left, setting = let_go(minutes=minutes)
    start = LAST // DAY * DAY + 12 * HOUR + 34_567_891_234
    intervals = every(start, start + 2 * HOUR, HOUR)
    question = Case(left, setting, Watch(start + DAY, ()), intervals, Settings(), None)
    found, _, _ = question.by_rows(["DurationGood", "DurationBad", "Average", "StartBound"])
    unseen = found["DurationBad"].value * 1e6
    assert (unseen > 0).all()
    assert unseen.sum() <= 3 * (lost + 40 * SECOND)
    assert (found["DurationGood"].value * 1e6 + unseen).tolist() == [HOUR, HOUR]
    assert (found["Average"].quality & 0xC0000000 == 0x40000000).all()
    assert (found["StartBound"].quality >= 0x80000000).all()
