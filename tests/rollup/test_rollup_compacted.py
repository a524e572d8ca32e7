# SPDX-License-Identifier: Apache-2.0
"""A history that was really compacted answers from roll-ups what it answers from samples, and goes on when they rot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from isthmus.core.tag import DataType, Tag, TagList
from isthmus.core.time import SECOND
from isthmus.plant.revision import TagSetting
from isthmus.store.history.aggregates.catalogue import AGGREGATES, aggregates
from isthmus.store.history.aggregates.intervals import Intervals, every
from isthmus.store.history.aggregates.pixels import columns as pixel_columns
from isthmus.store.history.aggregates.pixels import draw
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.columns import Columns, empty
from isthmus.store.history.compact import compact
from isthmus.store.history.excerpt import Excerpt, excerpt
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.kept import DAY, Kind
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.read import History, open_history
from isthmus.store.history.rollup.condense import condensed
from isthmus.store.history.rollup.picture import pictures
from isthmus.store.history.rollup.rows import MINUTE, QUARTER
from isthmus.store.history.runs import write_run
from isthmus.store.history.tend import tended
from isthmus.store.history.watch import Watch

START = 20_000 * DAY
TAGS = TagList(
    tuple(Tag(n, f"acme/lyon/line/tag-{n}", "m", DataType.FLOAT, stepped=n % 2 == 1) for n in range(3))
)  # fmt: skip
SETTINGS = [TagSetting(tag=tag, system="dcs", address="x") for tag in TAGS.tags]
WATCH = Watch(START + 2 * DAY, ())


def samples(tag: int, every_: int) -> Columns:
    """Two days of a tag."""
    n = 2 * DAY // (every_ * SECOND)
    found = empty(n)
    found.tag[:] = tag
    found.time[:] = START + np.arange(n) * every_ * SECOND + tag * 1000
    found.seen[:] = found.time + SECOND
    found.value[:] = 50 + np.cumsum(np.random.default_rng(tag).normal(0, 0.1, n))
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A history of three tags, two of them dense, compacted but for a few samples that came late."""
    folder = Folder(tmp_path / "history")
    folder.make()
    Manifest.open(folder.manifest).close()
    keep(folder.lists / TAGS.digest, TAGS.packed)
    late = np.zeros(2 * DAY // (5 * SECOND), np.bool_)
    late[[700, 20_000]] = True
    first = samples(0, 5)
    for part in (first.pick(~late), samples(1, 5), samples(2, 600)):
        write(folder, part)
    compact(folder.root, today=True)
    write(folder, first.pick(late))
    return folder.root


def write(folder: Folder, part: Columns) -> None:
    with tended(folder.root) as manifest:
        write_run(folder.root, manifest, part)


INTERVALS = (
    every(START, START + 2 * DAY, DAY),
    every(START + QUARTER, START + DAY, 60 * MINUTE),
    every(START + 7 * MINUTE, START + DAY, 11 * MINUTE),
    every(START + 123_456_789, START + DAY, 7200 * SECOND),
)


def assert_same(mine: Excerpt, theirs: Excerpt, intervals: Intervals) -> None:
    found, expected = (aggregates(AGGREGATES, each.series, intervals) for each in (mine, theirs))
    for name in AGGREGATES:
        np.testing.assert_array_equal(found[name].quality, expected[name].quality, err_msg=name)
        np.testing.assert_array_equal(found[name].time, expected[name].time, err_msg=name)
        np.testing.assert_allclose(found[name].value, expected[name].value, rtol=1e-9, atol=1e-9, err_msg=name)


def both(history: History, setting: TagSetting, intervals: Intervals) -> tuple[Excerpt, Excerpt]:
    edges = intervals.edges
    return (
        condensed(history, setting, WATCH, intervals, Settings()),
        excerpt(history, setting, WATCH, int(edges[0]), int(edges[-1])),
    )


async def test_a_compacted_history_answers_from_rows_what_it_answers_from_samples(root: Path) -> None:
    async with open_history(root) as history:
        for setting in SETTINGS:
            for intervals in INTERVALS:
                assert_same(*both(history, setting, intervals), intervals)
        rows, _ = both(history, SETTINGS[1], INTERVALS[0])
        sparse, _ = both(history, SETTINGS[2], INTERVALS[0])
    assert rows.series.folds is not None
    assert len(rows.series) < 2000
    assert sparse.series.folds is None


async def test_late_samples_count_before_they_are_compacted(root: Path) -> None:
    async with open_history(root) as history:
        rows, _ = both(history, SETTINGS[0], INTERVALS[0])
        count = aggregates(["Count"], rows.series, INTERVALS[0])["Count"].value
    assert rows.series.folds is not None
    assert count.tolist() == [17_280, 17_280]


@pytest.mark.parametrize(
    ("end", "width", "grain"), [(DAY, 100, MINUTE), (2 * DAY, 20, QUARTER), (QUARTER, 100, 1), (2 * DAY, 1500, 1)]
)
async def test_pictures_are_those_from_samples(root: Path, end: int, width: int, grain: int) -> None:
    edges = pixel_columns(START, START + end, width, grain)
    async with open_history(root) as history:
        drawn = pictures(history, SETTINGS, {"dcs": WATCH}, START, START + end, width)
        for setting, found in zip(SETTINGS, drawn, strict=True):
            expected = draw(excerpt(history, setting, WATCH, START, START + end).series, edges)
            for name in ("time", "value", "quality", "bad"):
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def flipped(data: bytes) -> bytes:
    place = len(data) // 3
    return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def halved(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("kind", [Kind.MINUTES, Kind.QUARTERS])
@pytest.mark.parametrize("harm", [halved, flipped, None])
async def test_damaged_rows_are_passed_over_for_the_samples(
    root: Path, kind: Kind, harm: Callable[[bytes], bytes] | None
) -> None:
    damaged: Sequence[Path] = sorted((root / "kept").glob(f"{kind}-*.parquet"))
    for path in damaged:
        if harm is None:
            path.unlink()
        else:
            path.write_bytes(harm(path.read_bytes()))
    assert damaged
    async with open_history(root) as history:
        for intervals in INTERVALS:
            assert_same(*both(history, SETTINGS[1], intervals), intervals)


@pytest.mark.parametrize("harm", [halved, flipped])
async def test_pictures_show_what_is_left_of_damaged_days(root: Path, harm: Callable[[bytes], bytes]) -> None:
    for path in sorted((root / "kept").glob(f"{Kind.DAY}-*.parquet")):
        path.write_bytes(harm(path.read_bytes()))
    end = START + 4 * QUARTER
    async with open_history(root) as history:
        drawn = pictures(history, SETTINGS, {"dcs": WATCH}, START, end, 300)
        assert any(not history.is_sound(part) for part in history.parts)
        for setting, found in zip(SETTINGS, drawn, strict=True):
            expected = draw(excerpt(history, setting, WATCH, START, end).series, pixel_columns(START, end, 300))
            mine, theirs = found.time < end, expected.time < end  # rows still tell of the sample behind the end
            np.testing.assert_array_equal(found.time[mine], expected.time[theirs])
            np.testing.assert_array_equal(found.value[mine], expected.value[theirs])
