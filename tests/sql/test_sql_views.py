# SPDX-License-Identifier: Apache-2.0
"""Roll-ups and the views of asset types against the same worked out sample by sample."""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pytest

from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Value
from isthmus.core.time import SECOND
from isthmus.plant.revision import AssetSetting
from isthmus.store.history.kept import DAY, Kind
from isthmus.store.history.sql.gather import asset_views
from isthmus.store.history.sql.views import RESERVED
from isthmus.store.history.tend import tended
from tests.sql.prepared import FIRST, NAMES, REVISION, TAGS, Prepared, Row, everything, of, plain

MINUTE, QUARTER = 60 * SECOND, 900 * SECOND
HOLDS = {s.tag.path for s in TAGS if s.tag.stepped or s.tag.type in ("boolean", "enumeration", "text")}


Course = list[tuple[int, float | None]]


def course_of(rows: list[Row], breaks: list[int]) -> Course:
    """When a tag was known to be what; None: not Good, or not watched."""
    known: Course = [(row.time, row.value if row.code >> 30 == 0 else None) for row in rows]
    return sorted([*known, *((time, None) for time in breaks)], key=lambda point: point[0])


def weighed(course: Course, start: int, end: int, *, holds: bool) -> tuple[Fraction, Fraction]:
    """ns in which a Good value is known between two times, and its integral over ns; slowly and exactly."""
    lasted = area = Fraction(0)
    first = max(bisect_left(course, start, key=lambda point: point[0]) - 1, 0)
    for (time, value), (later, following) in pairwise(course[first:]):
        low, high = max(time, start), min(later, end)
        if time >= end:
            break
        if value is None or low >= high:
            continue
        lasted += high - low
        if holds or following is None:
            area += Fraction(value) * (high - low)
        else:
            slope = (Fraction(following) - Fraction(value)) / (later - time)
            area += (Fraction(value) + slope * (Fraction(low + high, 2) - time)) * (high - low)
    return lasted, area


def _in_order(rows: list[Row], path: str) -> list[Row]:
    return sorted((row for row in rows if row.tag == path), key=lambda row: row.time)


def walk(rng: np.random.Generator, number: int, start: int, count: int, every: int) -> Any:
    times = start + np.cumsum(rng.integers(every // 2, every * 3 // 2, count))
    return of(number, list(zip(times.tolist(), np.round(rng.normal(50, 20, count), 2).tolist(), strict=True)))


def rolled(folder: Path, seed: int) -> Prepared:
    """Some days with roll-up rows, one with late samples, one that is not compacted; gaps; a former number."""
    rng = np.random.default_rng(seed)
    prepared = Prepared.at(folder)
    several = [walk(rng, n, FIRST + i * DAY, 3000, 25 * SECOND) for i in range(3) for n in (1, 8)]
    several += [walk(rng, 60, FIRST, 3000, 25 * SECOND), walk(rng, 6, FIRST + DAY, 400, 3600 * SECOND // 2)]
    several.append(of(1, [(FIRST + 5 * 3600 * SECOND, 5.0)], quality=0x80050000))
    prepared.add(*several)
    prepared.compact()
    prepared.add(walk(rng, 8, FIRST + DAY, 20, 3600 * SECOND), walk(rng, 1, FIRST + 3 * DAY, 500, 60 * SECOND))
    return prepared


def gap(prepared: Prepared, first: int, last: int, tags: tuple[int, int] | None = None) -> None:
    details: dict[str, Value] = {"first": first, "last": last}
    event = Event(
        id=f"gap-{first}",
        kind=EventKind.GAP,
        severity=Severity.ERROR,
        source="plc",
        at=last,
        message="away",
        details=details | ({"first_tag": tags[0], "last_tag": tags[1]} if tags else {}),
    )
    with tended(prepared.folder) as manifest:
        manifest.add_events((event,))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("view", "width"), [("rollup_1m", MINUTE), ("rollup_15m", QUARTER)])
def test_a_rollup_is_what_the_samples_come_to(tmp_path: Path, view: str, width: int, seed: int) -> None:
    prepared, rng = rolled(tmp_path / "history", seed), np.random.default_rng(seed)
    gaps = [FIRST + 7 * 3600 * SECOND + 12345, FIRST + 2 * DAY + 3600 * SECOND + 30 * SECOND]
    for first in gaps:
        gap(prepared, first, first + 600 * SECOND)
    kept = {(part.kind, part.day) for part in prepared.given()[0].kept}
    assert (Kind.MINUTES, FIRST // DAY) in kept, "there are roll-up rows to be used"
    rows = plain(prepared.parts)
    newest = max(row.time for row in rows if not row.mark & 4)
    breaks, by_path = [*gaps, newest], {setting.tag.path: _in_order(rows, setting.tag.path) for setting in TAGS}
    for low in (FIRST, FIRST + 6 * 3600 * SECOND, FIRST + DAY - 1800 * SECOND, FIRST + 3 * DAY):
        high = low + int(rng.integers(2, 10)) * QUARTER
        found = prepared.rows(
            f"SELECT tag, time, count, good, average, integral, good_time, min, max, first, last FROM {view} "
            f"WHERE time >= make_timestamp_ns({low}) AND time < make_timestamp_ns({high})"
        )
        there = {(tag, time): rest for tag, time, *rest in found}
        assert len(there) == len(found)
        for path, own in by_path.items():
            course = course_of(own, breaks)
            for begin in range(low, high, width):
                inside = [row for row in own if begin <= row.time < begin + width]
                weight = weighed(course, begin, begin + width, holds=path in HOLDS)
                _compare(there.get((path, begin)), inside, *weight)


def _compare(found: Any, inside: list[Row], lasted: Fraction, area: Fraction) -> None:
    if not inside and not lasted:
        assert found is None
        return
    assert found is not None
    count, good, average, integral, good_time, low, high, first, last = found
    usable = [row.value for row in inside if row.code >> 30 == 0 and row.value is not None]
    assert (count, good) == (len(inside), sum(row.code >> 30 == 0 for row in inside))
    assert good_time == pytest.approx(float(lasted) / SECOND, abs=1e-9)
    if lasted:
        assert integral == pytest.approx(float(area) / SECOND, rel=1e-9, abs=1e-6)
        assert average == pytest.approx(float(area / lasted), rel=1e-9, abs=1e-6)
    else:
        assert average is None
    assert (low, high) == ((min(usable), max(usable)) if usable else (None, None))
    assert (first, last) == ((usable[0], usable[-1]) if usable else (None, None))


def test_a_steady_tag_is_in_every_interval_up_to_the_newest_sample_of_its_system(tmp_path: Path) -> None:
    prepared = Prepared.at(tmp_path / "history")
    prepared.add(of(8, [(FIRST, 10.0)]), of(1, [(FIRST + 2 * DAY, 1.0)]))
    prepared.compact()
    found = prepared.rows(
        "SELECT count(*), sum(good_time), sum(integral), min(average), max(average) FROM rollup_15m "
        "WHERE tag = 'p/l/meter/power'"
    )
    assert found == [(2 * 96, 2 * 86_400.0, *map(pytest.approx, (2 * 864_000.0, 10.0, 10.0)))]


def test_energy_of_an_hour_is_the_integral_of_power(tmp_path: Path) -> None:
    prepared = Prepared.at(tmp_path / "history")
    prepared.add(of(8, [(FIRST, 100.0), (FIRST + 1800 * SECOND, 200.0), (FIRST + 7200 * SECOND, 0.0)]))
    found = prepared.rows(
        "SELECT time_bucket(INTERVAL 1 HOUR, time) AS hour, sum(integral) / 3600 AS energy FROM rollup_15m "
        "WHERE tag = 'p/l/meter/power' GROUP BY hour ORDER BY hour"
    )
    assert found == [(FIRST, 150.0), (FIRST + 3600 * SECOND, 200.0), (FIRST + 7200 * SECOND, None)]


def _was(rows: list[Row], path: str, time: int) -> Row | None:
    earlier = [row for row in _in_order(rows, path) if row.time <= time]
    return earlier[-1] if earlier else None


@pytest.mark.parametrize("seed", range(3))
def test_equipment_in_rows_is_each_tag_as_of_each_time(tmp_path: Path, seed: int) -> None:
    prepared = everything(tmp_path / "history", seed)
    rows = plain(prepared.parts)
    several = {(row.tag, row.time) for row in rows if sum(r.tag == row.tag and r.time == row.time for r in rows) > 1}
    for low, high in ((FIRST, FIRST + DAY), (FIRST + 2 * DAY + 1234 * SECOND, FIRST + 5 * DAY)):
        found = prepared.rows(
            "SELECT asset, time, temperature, state, count, open, note, serial FROM reactor "
            f"WHERE time >= make_timestamp_ns({low}) AND time < make_timestamp_ns({high})"
        )
        for asset in ("p/l/r-1", "p/l/r-2"):
            times = {row.time for row in rows if row.tag.startswith(asset) and low <= row.time < high}
            assert {time for a, time, *_ in found if a == asset} == times
        for asset, time, temperature, state, count, open_, note, serial in found:
            shown = {
                "temperature": temperature,
                "state": state,
                "count": count,
                "open": open_,
                "note": note,
                "serial": serial,
            }
            for name, value in shown.items():
                row = _was(rows, f"{asset}/{name}", time)
                if row is None or (row.tag, row.time) not in several:
                    assert value == _shown(name, row), (asset, name, time)


def test_equipment_in_rows_knows_nothing_over_a_gap_until_a_tag_is_sampled_again(tmp_path: Path) -> None:
    prepared = Prepared.at(tmp_path / "history")
    minutes = [FIRST + i * MINUTE for i in range(7)]
    prepared.add(
        of(1, [(minutes[i], float(i)) for i in (0, 1, 2, 4, 5, 6)]),
        of(4, [(minutes[0], 1.0), (minutes[5], 1.0)]),
        of(3, [(minutes[0], 7), (minutes[2] + 1, 8)]),
    )
    gap(prepared, minutes[2], minutes[4] - 1, (1, 4))
    gap(prepared, minutes[5] + 1, minutes[5] + 2, (1, 1))
    found = prepared.rows("SELECT time, temperature, open, count FROM reactor WHERE asset LIKE '%r-1' ORDER BY time")
    assert [(time, t, open_) for time, t, open_, _ in found] == [
        (minutes[0], 0.0, True),
        (minutes[1], 1.0, True),
        (minutes[2], 2.0, None),
        (minutes[2] + 1, None, None),
        (minutes[4], 4.0, None),
        (minutes[5], 5.0, True),
        (minutes[5] + 1, None, True),
        (minutes[6], 6.0, True),
    ]
    assert [count for *_, count in found] == [7, 7, None, 8, 8, 8, 8, 8]
    later = f"SELECT open FROM reactor WHERE time = make_timestamp_ns({minutes[4]})"
    assert prepared.rows(later) == [(None,)]


def _shown(name: str, row: Row | None) -> Any:
    if row is None or row.code >> 31:
        return None
    if name == "state":
        return None if row.integer is None else NAMES.get(row.integer, str(row.integer))
    if name == "open":
        return None if row.value is None else row.value != 0
    if name == "note":
        return row.text
    return row.integer if name == "serial" else row.value  # `count` is unsigned here and signed there


def test_an_asset_is_asked_alone(tmp_path: Path) -> None:
    prepared = everything(tmp_path / "history", 9)
    found = prepared.rows("SELECT DISTINCT asset FROM reactor WHERE asset LIKE '%/r-2' AND time < '2026-11-19'")
    assert found == [("p/l/r-2",)]
    assert prepared.rows("SELECT count(*) > 0 FROM power_meter WHERE power IS NOT NULL") == [(True,)]


def test_gaps_and_events_are_there(tmp_path: Path) -> None:
    prepared = Prepared.at(tmp_path / "history")
    prepared.add(of(1, [(FIRST, 1.0)]))
    gap(prepared, FIRST, FIRST + SECOND)
    assert prepared.rows("SELECT source, first, last, message FROM gaps") == [("plc", FIRST, FIRST + SECOND, "away")]
    assert prepared.rows("SELECT kind, details->>'first' FROM events") == [("gap", str(FIRST))]


def test_types_and_tags_named_like_words_of_sql_need_no_quotes() -> None:
    words = duckdb.sql("SELECT keyword_name, keyword_category FROM duckdb_keywords()").fetchall()
    assert {word for word, category in words if category in ("reserved", "type_function")} == RESERVED
    assets = (AssetSetting(path="p/l/r-1", type="column@2"),)
    revision = msgspec.structs.replace(REVISION, assets=assets)
    (view,) = asset_views(revision, revision.tags)
    assert view.name == "column_"
    duckdb.sql(f"CREATE VIEW {view.name} AS SELECT 1")
