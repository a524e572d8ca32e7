# SPDX-License-Identifier: Apache-2.0
"""`samples` and the views beside it say what was recorded, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from isthmus.core import quality
from isthmus.core.errors import IsthmusError
from isthmus.core.quality import Mark
from isthmus.core.time import SECOND
from isthmus.store.history.kept import DAY, Kind, open_kept
from tests.sql.prepared import DAYS, FIRST, NOW, TAGS, Prepared, Row, everything, of, plain, random_columns

ALL = "SELECT tag, time, seen, value, integer, text, code, mark, quality FROM samples"


def _as_rows(found: list[tuple[object, ...]]) -> list[Row]:
    rows = []
    for tag, time, seen, value, integer, text, code, mark, name in found:
        assert name == quality.name(int(code))  # type: ignore[call-overload]
        bits = sum(
            int(bit) for bit in Mark if bit and (bit.name or "").lower().replace("_", " ") in str(mark).split(", ")
        )
        whole = None if integer is None else int(integer)  # type: ignore[call-overload]
        rows.append(Row(tag, time, seen, value, whole, text, code, bits))  # type: ignore[arg-type]
    return sorted(rows, key=repr)


@pytest.mark.parametrize("seed", range(4))
def test_every_sample_is_there_once_wherever_it_lies(tmp_path: Path, seed: int) -> None:
    prepared = everything(tmp_path / "history", seed)
    assert _as_rows(prepared.rows(ALL)) == plain(prepared.parts)


def _wheres(path: str) -> dict[str, Callable[[Row], bool]]:
    """Conditions in SQL, and the same in Python."""
    return {
        f"tag = '{path}'": lambda row: row.tag == path,
        "tag LIKE 'p/l/r-1/%'": lambda row: row.tag.startswith("p/l/r-1/"),
        "tag LIKE '%/count'": lambda row: row.tag.endswith("/count"),
        f"tag IN ('{path}', 'p/l/r-1/note', 'no such tag')": lambda row: row.tag in (path, "p/l/r-1/note"),
        "tag IN (SELECT tag FROM tags WHERE asset = 'p/l/r-2')": lambda row: row.tag.startswith("p/l/r-2/"),
        f"(tag = '{path}' OR value > 50)": lambda row: row.tag == path or (row.value or 0) > 50,
    }


@pytest.mark.parametrize("seed", range(3))
def test_what_a_question_leaves_out_is_left_out_of_the_same_rows(tmp_path: Path, seed: int) -> None:
    prepared, rng = everything(tmp_path / "history", 100 + seed), np.random.default_rng(seed)
    rows = plain(prepared.parts)
    for _ in range(8):
        low, high = sorted(rng.integers(FIRST - DAY, FIRST + (DAYS + 1) * DAY, 2).tolist())
        path = TAGS[int(rng.integers(0, len(TAGS)))].tag.path
        wheres = _wheres(path)
        joins = {
            "JOIN tags t USING (tag)": "t.asset = 'p/l/r-2'",
            "s, tags t": "s.tag = t.tag AND t.asset LIKE '%/r-2' AND unit <> 'x'",
            "s JOIN tags t ON t.tag = s.tag AND t.name <> 'power'": "asset IN ('p/l/r-2', 'nowhere')",
        }
        source, condition = list(joins.items())[int(rng.integers(0, len(joins)))]
        count = sum(row.tag.startswith("p/l/r-2/") and low <= row.time < high for row in rows)
        span = f"samples.time >= make_timestamp_ns({low}) AND samples.time < make_timestamp_ns({high})"
        span = span.replace("samples.", "s.") if source[0] == "s" else span
        assert prepared.rows(f"SELECT count(*) FROM samples {source} WHERE {condition} AND {span}") == [(count,)], (
            source
        )
        where, holds = list(wheres.items())[int(rng.integers(0, len(wheres)))]
        span = f"time >= make_timestamp_ns({low}) AND time < make_timestamp_ns({high})"
        expected = [row for row in rows if holds(row) and low <= row.time < high]
        assert _as_rows(prepared.rows(f"{ALL} WHERE {where} AND {span}")) == expected, where


def test_a_text_that_looks_like_a_filter_narrows_nothing(tmp_path: Path) -> None:
    prepared = Prepared.at(tmp_path / "history")
    prepared.add(of(1, [(FIRST, 1.0), (FIRST + DAY, 2.0)]))
    strange = "x'' AND time>''2030-01-01 00:00:00''::TIMESTAMP_NS AND ''1"
    for where in (f"tag <> '{strange}'", f"(text IS NULL OR text <> '{strange}')", f"tag || '{strange}' <> ''"):
        assert prepared.rows(f"SELECT count(*) FROM samples WHERE {where}") == [(2,)]


def test_a_join_by_another_text_than_the_tag_narrows_nothing(tmp_path: Path) -> None:
    prepared = Prepared.at(tmp_path / "history")
    prepared.add(of(1, [(FIRST, 1.0)]), of(8, [(FIRST, 2.0)]))
    for source in (
        "(SELECT 'p/l/r-1/temperature' AS tag, value FROM samples) JOIN tags USING (tag)",
        "samples s LEFT JOIN tags t ON s.tag = t.tag AND t.unit = 'kW'",
        "samples s, tags t WHERE t.tag = 'p/l/r-1/temperature'",
        "(SELECT tag FROM samples UNION ALL SELECT tag FROM samples WHERE tag IN (SELECT tag FROM tags WHERE FALSE))",
    ):
        assert prepared.rows(f"SELECT count(*) FROM {source}") == [(2,)], source


def test_two_readings_in_one_question_each_have_their_own_time(tmp_path: Path) -> None:
    prepared = Prepared.at(tmp_path / "history")
    prepared.add(
        of(1, [(FIRST + i * DAY, float(i)) for i in range(4)]), of(8, [(FIRST + i * DAY, 10.0 * i) for i in range(4)])
    )
    found = prepared.rows(
        "SELECT a.value, b.value FROM samples a, samples b "
        "WHERE a.tag = 'p/l/r-1/temperature' AND b.tag = 'p/l/meter/power' "
        "AND a.time < '2026-11-19' AND b.time >= '2026-11-20' ORDER BY ALL"
    )
    assert found == [(0.0, 20.0), (0.0, 30.0)]


@pytest.mark.parametrize(
    "where",
    [
        "WHERE tag LIKE '%/power'",
        "JOIN tags USING (tag) WHERE name = 'power'",
        "WHERE tag IN (SELECT tag FROM tags WHERE unit = 'kW')",
    ],
)
def test_days_at_rest_are_read_as_they_lie_and_only_the_row_groups_of_the_tag(tmp_path: Path, where: str) -> None:
    prepared = Prepared.at(tmp_path / "history")
    prepared.add(*(of(n, [(FIRST + i * 250_000_000, 1.0) for i in range(200_000)]) for n in (1, 6, 8)))
    prepared.compact()
    database = prepared.database()
    read: list[tuple[int, int]] = []
    from isthmus.store.history.sql import serving

    before = serving._slice

    def noting(path: Path, start: int, stop: int) -> bytes:
        read.append((start, stop))
        return before(path, start, stop)

    serving._slice = noting
    try:
        assert list(database.answer(f"SELECT count(*) AS n FROM samples {where}"))[1].to_pydict() == {"n": [200_000]}
    finally:
        serving._slice = before
    (day,) = (part for part in prepared.given()[0].kept if part.kind is Kind.DAY)
    groups = open_kept(prepared.folder / "kept" / day.file).footer.groups
    of_the_tag = {(group.start, group.stop) for group in groups if group.last_tag == 8}
    assert len(of_the_tag) < len(groups)
    assert {(group.start, group.stop) for group in groups} & set(read) == of_the_tag


def test_last_is_the_latest_live_sample_under_todays_name(tmp_path: Path) -> None:
    prepared = Prepared.at(tmp_path / "history")
    prepared.add(of(60, [(FIRST, 100.0)]), of(1, [(FIRST, 7.0), (FIRST + SECOND, 8.0)]))
    prepared.hold(of(8, [(FIRST + 5 * SECOND, 3.0)]))
    found = prepared.rows("SELECT tag, time, value FROM last ORDER BY tag")
    assert found == [
        ("p/l/meter/power", FIRST + 5 * SECOND, 3.0),
        ("p/l/r-1/temperature", FIRST + SECOND, 8.0),
        ("p/l/r-2/temperature", FIRST, 40.0),
    ]


@pytest.mark.parametrize("time", ["'2026-11-23 07:30+01:00'", "'23.11.2026 07:30'", "current_timestamp"])
def test_what_is_no_time_to_the_history_is_answered_with_how_to_write_one(tmp_path: Path, time: str) -> None:
    prepared = Prepared.at(tmp_path / "history")
    prepared.add(of(1, [(FIRST, 1.0)]))
    with pytest.raises(IsthmusError) as found:
        prepared.rows(f"SELECT value FROM samples WHERE time > {time}")
    first, *rest = str(found.value).splitlines()
    assert "; write a time as '2026-11-23 06:30:00' (UTC) or '2026-11-23 07:30:00+01:00'" in first
    assert any("LINE 1" in line for line in rest)


def test_tags_say_what_the_plant_file_says(tmp_path: Path) -> None:
    prepared = Prepared.at(tmp_path / "history")
    found = prepared.rows(
        "SELECT number, unit, type, stepped, low, high, asset, name, asset_type "
        "FROM tags WHERE tag = 'p/l/r-1/temperature'"
    )
    assert found == [(1, "Cel", "float", False, 0.0, 200.0, "p/l/r-1", "temperature", "reactor@2")]
    assert prepared.rows("SELECT names[1] FROM tags WHERE name = 'state'") == [("heating",)]


def test_now_and_the_plants_clock(tmp_path: Path) -> None:
    prepared = Prepared.at(tmp_path / "history")
    assert prepared.rows("SELECT now()") == [(NOW,)]
    assert prepared.rows("SELECT plant_time('2026-07-01 12:00:00'::TIMESTAMP)::VARCHAR") == [("2026-07-01 14:00:00",)]
    prepared.add(of(1, [(NOW - 1800 * SECOND, 1.0), (NOW - 7200 * SECOND, 2.0)]))
    assert prepared.rows("SELECT value FROM samples WHERE time > now() - INTERVAL 1 HOUR") == [(1.0,)]


def test_a_tag_that_may_not_be_seen_is_nowhere(tmp_path: Path) -> None:
    import msgspec

    from tests.sql.prepared import REVISION

    prepared = Prepared.at(tmp_path / "history")
    rng = np.random.default_rng(1)
    prepared.add(random_columns(rng, 500, FIRST, FIRST + 2 * DAY))
    prepared.compact()
    prepared.hold(random_columns(rng, 50, FIRST + 2 * DAY, FIRST + 3 * DAY))
    few = msgspec.structs.replace(REVISION, tags=TAGS[:1])
    for view in ("samples", "last", "tags", "rollup_1m", "rollup_15m"):
        batches = list(prepared.database(few).answer(f"SELECT DISTINCT tag FROM {view}"))
        assert {tag for batch in batches for tag in batch["tag"].to_pylist()} == {"p/l/r-1/temperature"}, view
