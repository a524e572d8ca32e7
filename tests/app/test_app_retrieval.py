# SPDX-License-Identifier: Apache-2.0
"""`isthmus history` summed up, at given times and with bounds, on a demo that runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isthmus.core import time
from tests.app.conftest import Plant, invoke, run

LEVEL = "storage/tank-1/level"


def history(plant: Plant, *words: str | Path) -> str:
    done = invoke("history", *words, "--data", plant.data)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def rows(plant: Plant, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(history(plant, *words, "--format", "json"))["rows"]
    return found


def refused(plant: Plant, *words: str) -> str:
    done = invoke("history", *words, "--data", plant.data)
    assert done.returncode in (1, 2)
    return done.stderr


@pytest.fixture
def span(running: Plant) -> tuple[str, str]:
    """From the plant's first sample of the level to its newest: a range that stays as it is."""
    raw = list(csv.DictReader(io.StringIO(history(running, LEVEL, "--from", "-1h", "--format", "csv"))))
    return raw[0]["time"], raw[-1]["time"]


def test_averages_are_those_of_the_raw_samples(running: Plant, span: tuple[str, str]) -> None:
    words = [LEVEL, "--from", span[0], "--to", span[1]]
    raw = list(csv.DictReader(io.StringIO(history(running, *words, "--format", "csv"))))
    found = rows(running, *words, "--every", "2s", "--aggregate", "average", "--aggregate", "Count")
    for row in found:
        start, end = time.from_iso(row["time"]), time.from_iso(row["end"])
        values = [float(one["value"]) for one in raw if start <= time.from_iso(one["time"]) < end]
        assert row["Count"]["value"] == len(values)
        assert row["Average"]["value"] == pytest.approx(sum(values) / len(values) if values else None)
    assert sum(row["Count"]["value"] for row in found) == len(raw)
    assert found[0]["Average"]["unit"] == "m"


def test_every_format_holds_the_same(running: Plant, span: tuple[str, str], tmp_path: Path) -> None:
    words = [LEVEL, "bay-1/truck", "--from", span[0], "--to", span[1], "--every", "5s", "--aggregate", "End"]
    words += ["--aggregate", "PercentGood"]
    found = rows(running, *words)
    table = list(csv.DictReader(io.StringIO(history(running, *words, "--format", "csv"))))
    history(running, *words, "--format", "parquet", "-o", tmp_path / "x.parquet")
    parquet = pq.read_table(tmp_path / "x.parquet").to_pylist()
    assert len(found) == len(table) == len(parquet)
    for one, two, three in zip(found, table, parquet, strict=True):
        assert (one["tag"], one["time"], one["PercentGood"]["code"]) == (
            two["tag"], two["time"], int(two["PercentGood code"]),
        )  # fmt: skip
        assert three["PercentGood"] == one["PercentGood"]["value"]
    shown = history(running, *words).splitlines()
    assert len([line for line in shown if " %" in line]) == sum(r["PercentGood"]["value"] is not None for r in found)


def test_days_are_those_of_the_plant(running: Plant) -> None:
    words = [LEVEL, "--from", "2026-03-28T12:00", "--to", "2026-03-30T12:00", "--every", "day", "--aggregate", "Count"]
    found = rows(running, *words)
    assert [row["period"] for row in found] == ["2026-03-28", "2026-03-29", "2026-03-30"]
    hours = [(time.from_iso(row["end"]) - time.from_iso(row["time"])) / 3600e9 for row in found]
    assert hours == [24, 23, 24]
    assert {row["Count"]["quality"] for row in found} == {"BadNoData"}


def test_energy_of_the_demo_is_asked_by_shift_and_crew(running: Plant) -> None:
    words = ["heater/energy", "--from", "-1m", "--every", "shift", "--aggregate", "Consumed", "--unit", "kW.h"]
    found = rows(running, *words)
    _, shift, crew = found[-1]["period"].split()
    assert (shift in ("early", "late", "night"), crew in "ABC") == (True, True)
    assert {row["Consumed"]["unit"] for row in found} == {"kW.h"}


def test_values_at_given_times_come_in_the_order_they_were_asked_for(running: Plant, span: tuple[str, str]) -> None:
    found = rows(running, LEVEL, "--at", span[1], "--at", span[0], "--at", "2020-01-01")
    assert [row["time"] for row in found] == [span[1], span[0], "2019-12-31T23:00:00Z"]
    assert [row["value"]["quality"] for row in found] == ["Good", "Good", "BadNoData"]
    assert found[2]["value"]["value"] is None


def test_bounds_stand_next_to_the_range(running: Plant, span: tuple[str, str]) -> None:
    early, late = (time.to_iso(time.from_iso(text) + shift) for text, shift in zip(span, (1, -1), strict=True))
    words = [LEVEL, "--from", early, "--to", late, "--format", "csv"]
    inner, outer = (
        list(csv.DictReader(io.StringIO(history(running, *more)))) for more in (words, [*words, "--bounds"])
    )
    assert outer[1:-1] == inner
    assert (outer[0]["time"], outer[-1]["time"]) == span
    none = list(csv.DictReader(io.StringIO(history(running, LEVEL, "--to", span[0], "--bounds", "--format", "csv"))))
    assert none[0]["quality"] == "BadBoundNotFound"


def test_tags_stand_side_by_side_on_one_time_base(running: Plant, span: tuple[str, str], tmp_path: Path) -> None:
    raw = csv.DictReader(io.StringIO(history(running, "*/level", "--from", "-1h", "--format", "csv")))
    newest = {row["tag"]: row["time"] for row in raw}
    end = min(newest.values(), key=time.from_iso)  # up to here what comes next changes no value of any
    words = ["*/level", "--from", span[0], "--to", end, "--every", "1s", "--aligned"]
    apart = rows(running, "*/level", *words[1:5], "--every", "1s", "--aggregate", "Interpolative")
    table = list(csv.DictReader(io.StringIO(history(running, *words, "--format", "csv"))))
    history(running, *words, "--format", "parquet", "-o", tmp_path / "x.parquet")
    parquet = pq.read_table(tmp_path / "x.parquet")
    assert parquet.schema.field("time").type == pa.timestamp("ns", "UTC")
    paths = [f"acme/lyon/storage/tank-{number}/level" for number in (1, 2, 3, 4)]
    assert list(table[0]) == ["time", "end", "period", *(f"{p}{more}" for p in paths for more in (" (m)", " quality"))]
    for row in apart:
        there = next(one for one in table if one["time"] == row["time"])
        value = row["Interpolative"]["value"]
        assert there[f"{row['tag']} (m)"] == ("" if value is None else str(value))
        assert there[f"{row['tag']} quality"] == row["Interpolative"]["quality"]
    assert len(apart) == 4 * len(table) == 4 * len(parquet)
    shown = history(running, *words, "--last", "1").splitlines()
    assert shown[0].split()[2:] == ["tank-1/level", "tank-2/level", "tank-3/level", "tank-4/level"]
    assert f"1 of {len(table)} rows, the newest; --last 0 for all" in shown
    at = json.loads(history(running, "*/level", "--at", span[0], "--aligned", "--format", "json"))["rows"]
    assert [row["time"] for row in at] == [span[0]]


def test_a_cut_table_of_sums_says_so(running: Plant, span: tuple[str, str]) -> None:
    words = [LEVEL, "--from", span[0], "--to", span[1], "--every", "1s", "--aggregate", "Count", "--last", "2"]
    assert "2 of " in history(running, *words)
    assert "--last 0 for all" in history(running, *words)


def test_the_standards_settings_change_what_they_are_for(running: Plant, span: tuple[str, str]) -> None:
    early = time.to_iso(time.from_iso(span[0]) - 10**9)
    words = [LEVEL, "--from", early, "--to", span[1], "--aggregate", "TimeAverage2"]
    strict, mild = (rows(running, *words, *more)[0]["TimeAverage2"] for more in ((), ("--percent-data-good", "1")))
    assert (strict["quality"], mild["quality"]) == ("UncertainDataSubNormal", "Good")
    assert strict["value"] == mild["value"]
    between = time.to_iso(time.from_iso(span[1]) - 1)
    held, line = (rows(running, LEVEL, "--at", between, *more)[0]["value"] for more in (["--stepped"], ["--sloped"]))
    raw = rows(running, LEVEL, "--at", between, "--stepped", "--no-treat-uncertain-as-bad")[0]["value"]
    assert held["value"] == raw["value"] != line["value"]
    assert "contradict each other" in refused(running, *words, "--percent-data-good", "20", "--percent-data-bad", "50")


def test_a_wrong_question_exits_2_and_says_which_forms_there_are(running: Plant) -> None:
    for words, said in (
        (["--from", "yesterdy"], "'yesterdy' is not a time; write 2026-11-23T06:30:00Z"),
        (["--from", "-1m", "--to", "-1h"], "the range to read ends before it begins"),
        (["--from", "2030-01-01"], "the range to read ends before it begins"),
        (["--aggregate", "Averge"], "did you mean Average?"),
        (["--aligned"], "--aligned needs"),
    ):
        done = invoke("history", LEVEL, *words, "--data", running.data)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
    assert invoke("events", "--to", "-2d", "--data", running.data).returncode == 2
    assert invoke("history", LEVEL, "--from", "yesterday", "--to", "today", "--data", running.data).returncode == 0


def test_what_cannot_be_asked_is_said_in_words(running: Plant) -> None:
    assert "did you mean Average?" in refused(running, LEVEL, "--aggregate", "Averge")
    assert "bay-1/truck: Average needs numbers" in refused(running, "bay-1/truck", "--aggregate", "Average")
    assert "day, week, month or shift" in refused(running, LEVEL, "--aggregate", "Average", "--every", "moon")
    assert "of no width" in refused(running, LEVEL, "--aggregate", "Average", "--every", "0s")
    assert "--every needs an --aggregate" in refused(running, LEVEL, "--every", "1h")
    for option in (
        ["--stepped"],
        ["--sloped"],
        ["--percent-data-bad", "50"],
        ["--percent-data-good", "50"],
        ["--no-treat-uncertain-as-bad"],
        ["--use-sloped-extrapolation"],
    ):
        for kind in ([], ["--bounds"], ["--replaced"]):
            assert "say how history is summed up" in refused(running, LEVEL, *option, *kind)
    assert "different questions" in refused(running, LEVEL, "--at", "-1h", "--bounds")
    assert "too many" in refused(running, "**", "--aggregate", "Average", "--from", "-1d", "--every", "1s")
    assert "is empty" in refused(running, LEVEL, "--aggregate", "Average", "--from", "now")


def test_a_table_has_names_and_units(running: Plant) -> None:
    words = ["heater/mode", "--from", "-1h", "--aggregate", "End", "--aggregate", "WorstQuality"]
    shown = history(running, *words, "--aggregate", "DurationGood").splitlines()[2]
    assert any(f"  {label}  " in shown for label in ("off", "heating", "holding", "full power"))
    assert "  Good  " in shown
    assert " ms  " in shown


def test_the_program_itself_sums_up(running: Plant) -> None:
    done = run("history", LEVEL, "--from", "-1h", "--every", "hour", "--aggregate", "Average", "--data", running.data)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split()[:4] == ["period", "time", "(UTC)", "Average"]
