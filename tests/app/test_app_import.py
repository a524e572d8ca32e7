# SPDX-License-Identifier: Apache-2.0
"""`isthmus import`, export and `history correct`, as their users start them: on files, killed, begun again, undone.

Over 500 lines: all of them start from one applied plant, made once and copied for each.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import isthmus.client as isthmus_client
from isthmus.app.importing.given import take_in
from isthmus.app.importing.values import values
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.core.tag import DataType, TagList
from isthmus.core.time import from_iso
from isthmus.store.history.adopt import open_manifest
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.memory import Memory, Numbers
from isthmus.store.history.runs import write_run
from isthmus.store.history.tend import tended
from tests.app.conftest import PROGRAM, Result, invoke, run
from tests.history.plain import block

PLANT = """
version: 1
plant: acme/lyon
time_zone: Europe/Paris
systems:
  dcs: {kind: opcua, url: "opc.tcp://127.0.0.1:4999"}
assets:
  line-1/reactor-1:
    system: dcs
    tags:
      temperature: {address: "nsu=urn:acme:dcs;s=R1.TT101", unit: Cel, range: [0, 180]}
      pressure: {address: {address}, unit: bar}
      count: {address: "nsu=urn:acme:dcs;s=R1.CNT", type: integer}
      total: {address: "nsu=urn:acme:dcs;s=R1.TOT", type: unsigned}
      running: {address: "nsu=urn:acme:dcs;s=R1.RUN", type: boolean}
      batch: {address: "nsu=urn:acme:dcs;s=R1.BATCH", type: text}
      state: {address: "nsu=urn:acme:dcs;s=R1.ST", type: enumeration, values: {0: Idle, 1: Heating, 2: Holding}}
""".replace("{address: {address}", '{address: "nsu=urn:acme:dcs;s=R1.PT101"')
R = "acme/lyon/line-1/reactor-1"
SINCE = ("--from", "2020-01-01", "--last", "0")

Isthmus = Callable[..., Result]


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plant file that was applied, in a folder that tests copy."""
    folder = tmp_path_factory.mktemp("applied")
    (folder / "plant.yaml").write_text(PLANT)
    done = invoke("apply", folder / "plant.yaml", "--yes", "--data", folder / "data")
    assert done.returncode == 0, done.stderr
    return folder / "data"


@pytest.fixture
def data(applied: Path, tmp_path: Path) -> Path:
    return copy(applied, tmp_path / "data")


def copy(applied: Path, to: Path) -> Path:
    import shutil

    shutil.copytree(applied, to)
    return to


def isthmus(data: Path, *words: str | Path, code: int = 0) -> str:
    done = invoke(*words, "--data", data)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def samples(data: Path, *words: str) -> list[tuple[str, str, str, str, str]]:
    """Tag, time, value, quality and marks of everything kept, as CSV has them."""
    text = isthmus(data, "history", "**", *SINCE, "--format", "csv", *words)
    found = csv.DictReader(io.StringIO(text))
    return [(r["tag"].removeprefix(f"{R}/"), r["time"], r["value"], r["quality"], r["marks"]) for r in found]


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    content = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


LONG = """tag,time,value,quality
R1.TT101,2026-11-20 06:00:00,20.5,Good
line-1/reactor-1/state,2026-11-20T05:00:01Z,heating,Good
R1.CNT,2026-11-20 06:00:01,9007199254740993,Good
R1.TOT,2026-11-20 06:00:01,18446744073709551615,Good
R1.RUN,2026-11-20 06:00:01,on,
R1.BATCH,2026-11-20 06:00:01,"a ""b"",
c",Good
R1.TT101,2026-11-20 06:00:02,,BadSensorFailure
R1.TT101,2026-11-20 06:00:03,-inf,Uncertain
R1.TT101,2026-11-20 06:00:04,abc,Good
"""


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "bom.csv", "utf16.csv"])
def test_a_long_file_becomes_standardised_historical_samples(data: Path, tmp_path: Path, name: str) -> None:
    texts: dict[str, str | bytes] = {"bom.csv": "\ufeff" + LONG, "utf16.csv": LONG.encode("utf-16")}
    text = texts.get(name, LONG)
    assert "9 rows taken of 6 tags" in isthmus(data, "import", written(tmp_path, name, text))
    assert samples(data) == [
        ("batch", "2026-11-20T05:00:01Z", 'a "b",\nc', "Good", "historical"),
        ("count", "2026-11-20T05:00:01Z", "9007199254740993", "Good", "historical"),
        ("running", "2026-11-20T05:00:01Z", "True", "Good", "historical"),
        ("state", "2026-11-20T05:00:01Z", "1", "Good", "historical"),
        ("temperature", "2026-11-20T05:00:00Z", "20.5", "Good", "historical"),
        ("temperature", "2026-11-20T05:00:02Z", "", "BadSensorFailure", "historical"),
        ("temperature", "2026-11-20T05:00:03Z", "-inf", "Uncertain", "out of range, historical"),
        ("temperature", "2026-11-20T05:00:04Z", "abc", "Good", "historical, wrong type"),
        ("total", "2026-11-20T05:00:01Z", "18446744073709551615", "Good", "historical"),
    ]


def test_wide_files_and_json_lines_and_one_file_a_tag_say_the_same(applied: Path, tmp_path: Path) -> None:
    wide = "time;R1.TT101;R1.CNT\n2026-11-20 06:00;20,5;7\n2026-11-20 06:01;;8\n"
    lines = (
        '{"tag": "R1.TT101", "time": "2026-11-20T05:00:00Z", "value": 20.5}\n'
        '{"tag": "R1.CNT", "time": "2026-11-20T05:00:00Z", "value": 7}\n\n'
        '{"tag": "R1.CNT", "time": "2026-11-20T05:01:00Z", "value": 8}\n'
    )
    (tmp_path / "each").mkdir()
    written(tmp_path / "each", "temperature.csv", "time,value\n2026-11-20 06:00,20.5\n")
    written(tmp_path / "each", "CNT.tsv", "Timestamp\tValue\n2026-11-20 06:00\t7\n2026-11-20 06:01\t8\n")
    names = "tags: {temperature: reactor-1/temperature, CNT: reactor-1/count}"
    inputs: dict[str, list[str | Path]] = {
        "wide": [written(tmp_path, "wide.csv", wide), "--decimal", ","],
        "lines": [written(tmp_path, "lines.jsonl", lines)],
        "each": [tmp_path / "each", "--map", written(tmp_path, "map.yaml", names)],
    }
    found = {}
    for name, words in inputs.items():
        there = copy(applied, tmp_path / f"data-{name}")
        isthmus(there, "import", *words)
        found[name] = samples(there)
    assert found["wide"] == found["lines"] == found["each"]
    assert [one[2] for one in found["wide"]] == ["7", "8", "20.5"]


@pytest.mark.parametrize("written_as", ["1.234", "1.234.567", "1.234,5", "20.5"])
def test_with_a_decimal_comma_a_point_is_never_taken_for_it(data: Path, tmp_path: Path, written_as: str) -> None:
    rows = f"tag;time;value\nR1.TT101;2026-11-20 06:00;20,5\nR1.TT101;2026-11-20 06:01;{written_as}\n"
    told = isthmus(data, "import", written(tmp_path, "a.csv", rows), "--decimal", ",", code=1)
    assert f"a.csv:3: the value is written {written_as!r}; with --decimal , no number has a point" in told
    assert samples(data) == []


@pytest.mark.parametrize(("decimal", "written_as"), [(",", "1.5E+01"), (".", "1,5e-3")])
def test_an_exponent_hides_no_number_of_another_writing(
    data: Path, tmp_path: Path, decimal: str, written_as: str
) -> None:
    rows = f"tag;time;value\nR1.TT101;2026-11-20 06:01;{written_as}\n"
    told = isthmus(data, "import", written(tmp_path, "a.csv", rows), "--decimal", decimal, code=1)
    assert f"a.csv:2: the value is written {written_as!r}" in told


def test_a_decimal_comma_changes_no_name_of_a_value() -> None:
    labels = {"gear 1.5": 1, "on, slow": 2}
    found = values(pa.array(["Gear 1.5", " on, slow ", "3,0"]), DataType.ENUMERATION, labels, ",")
    assert found.value.tolist() == [1.0, 2.0, 3.0]


def test_a_mapping_names_tags_by_patterns_and_converts_units(data: Path, tmp_path: Path) -> None:
    mapping = written(
        tmp_path,
        "map.yaml",
        'tags:\n  P-*.PSI: {tag: "line-1/reactor-*/pressure", unit: "[psi]"}\n'
        "  T: {tag: line-1/reactor-1/temperature, scale: 0.1, offset: -10}\n  'X*': skip\n"
        "qualities: {Doubtful: UncertainSensorNotAccurate}\n",
    )
    rows = "point,timestamp,pv,status\nP-1.PSI,2026-11-20 06:00,14.5037738,Good\n"
    rows += "T,2026-11-20 06:00,500,Doubtful\nX1,2026-11-20 06:00,1,Good\nR1.TT10,2026-11-20 06:00,1,Good\n"
    told = isthmus(data, "import", written(tmp_path, "a.csv", rows), "--map", mapping)
    assert "1 row left out, as the mapping says" in told
    assert "1 row of 'R1.TT10', which is no tag; did you mean 'line-1/reactor-1/temperature'" in told
    found = samples(data)
    assert math.isclose(float(found[0][2]), 1.0, rel_tol=1e-6)
    assert found[1][2:4] == ("40.0", "UncertainSensorNotAccurate")
    wrong = written(tmp_path, "wrong.yaml", "tags:\n  T: {tag: line-1/reactor-1/temprature}\n")
    told = isthmus(data, "import", tmp_path / "a.csv", "--map", wrong, code=1)
    assert "wrong.yaml:2: T: there is no tag 'line-1/reactor-1/temprature'; did you mean" in told
    unit = written(tmp_path, "unit.yaml", "tags:\n  T: {tag: line-1/reactor-1/temperature, unit: bar}\n")
    assert "'bar' does not convert to 'Cel'" in isthmus(data, "import", tmp_path / "a.csv", "--map", unit, code=1)


TIMES = [
    ("2026-11-20T06:00:00+01:00", ""), ("2026-11-20 06:00", ""), ("2026-11-20T05:00:00.000Z", ""),
    ("20.11.2026 06:00:00", "%d.%m.%Y %H:%M:%S"), ("11/20/2026 6:00:00 AM", "%m/%d/%Y %I:%M:%S %p"),
    ("20-Nov-26 06:00:00.000", "%d-%b-%y %H:%M:%S.%f"), ("1795150800", "s"), ("1795150800000", "ms"),
    ("46346.2083333333", "excel"), ("134396244000000000", "filetime"), ("2026/11/20 06:00", "%Y/%m/%d %H:%M"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "form"), TIMES)
def test_times_are_read_in_many_formats(text: str, form: str) -> None:
    from datetime import UTC
    from zoneinfo import ZoneInfo

    from isthmus.app.importing.times import Clock
    from isthmus.core.time import from_iso

    zone = UTC if form == "excel" else ZoneInfo("Europe/Paris")
    found = Clock(form, zone).read(pa.array([text]))
    assert found.right.all()
    assert abs(int(found.ns[0]) - from_iso("2026-11-20T05:00:00Z")) < 10_000_000


def test_the_hour_that_comes_twice_is_refused_until_it_is_said_which(applied: Path, tmp_path: Path) -> None:
    rows = "tag,time,value\nR1.TT101,2026-10-25 02:30,1\nR1.TT101,2026-03-29 02:30,2\nR1.TT101,2026-10-25 03:30,3\n"
    file = written(tmp_path, "a.csv", rows)
    times = {}
    for fold in ("", "first", "second"):
        there = copy(applied, tmp_path / f"data-{fold}")
        told = isthmus(there, "import", file, *(["--fold", fold] if fold else []))
        assert "the clock never shows this time (daylight saving begins) (a.csv:3)" in told
        assert ("shows this time twice" in told) is (not fold)
        times[fold] = [one[1] for one in samples(there)]
    assert times[""] == ["2026-10-25T02:30:00Z"]
    assert times["first"] == ["2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"]
    assert times["second"] == ["2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]


HEAD = "tag,time,value\n"
GOOD = "R1.TT101,2026-11-20 06:00,1\n"
HOSTILE: list[tuple[str, str | bytes, tuple[str, ...], str]] = [
    ("empty.csv", "", (), "empty.csv: is empty"),
    ("nothing.csv", "\n\n", (), "is empty"),
    ("twice.csv", "tag,time,value,value\n", (), "twice.csv:1: two columns are called 'value'"),
    ("no-time.csv", "tag,value\nx,1\n", (), "no column has the times; --time-column names it; there are 'tag', "),
    ("said.csv", HEAD, ("--time-column", "tme"), "no column is called 'tme' (--time-column); did you mean 'time'?"),
    ("quote.csv", HEAD + GOOD + 'R1.TT101,2026,"open\n', (), "quote.csv:3: a row begins here that does not end"),
    ("german.csv", HEAD + "R1.TT101,20.11.2026 06:00,1\n", (), "--time-format '%d.%m.%Y %H:%M' would fit"),
    ("either.csv", HEAD + "R1.TT101,03/11/2026 06:00,1\n", (), "'%d/%m/%Y %H:%M' or '%m/%d/%Y %H:%M' would fit"),
    ("comma.csv", HEAD.replace(",", ";") + "R1.TT101;2026-11-20 06:00;1,5\n", (), "comma.csv:2: the value is"),
    ("number.csv", HEAD + GOOD, ("--time-format", "nonsense"), "'nonsense' is no format of times"),
    ("zone.csv", HEAD + GOOD, ("--time-zone", "Mars/Crater"), "no time zone is called 'Mars/Crater'"),
    ("code.csv", "tag,time,value,quality\nR1.TT101,2026-11-20 06:00,1,192\n", (), "--quality-as opcua"),
    ("latin.csv", "tag,time,value,Qualität\n".encode("latin-1"), (), "latin.csv:1: the heading is not UTF-8"),
    ("cut.parquet", b"PAR1 nonsense", (), "no Parquet file, or not all of it"),
    ("none.csv.gz", b"\x1f\x8b\x08nonsense", (), "cannot be read"),
    ("wrong.jsonl", "not json\n", (), "wrong.jsonl:1: "),
    ("list.json", '{"a": 1,\n "b": 2}', (), "is not a list of JSON objects"),
    ("a.xlsx", b"PK", (), "is of a kind that cannot be told"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "words", "told"), HOSTILE, ids=[case[0] for case in HOSTILE])
def test_a_file_that_cannot_be_meant_so_is_refused_in_words(
    data: Path, tmp_path: Path, name: str, text: str | bytes, words: tuple[str, ...], told: str
) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    assert told in isthmus(data, "import", path, *words, code=1)


def test_rows_that_cannot_be_taken_are_counted_named_and_kept_and_harm_no_other(data: Path, tmp_path: Path) -> None:
    rows = [
        HEAD.encode(), GOOD.encode(), b"R1.TT101,2026\n", b"\0\0\0\0\0\0\n", b"R1.TT101,2026-11-20 06:01,\xff\n",
        b"R1.TT101,2099-01-01 00:00,1\n", b"R1.TT101,gestern,1\n", b",2026-11-20 06:02,1\n", b"\n",
        b"R1.BATCH,2026-11-20 06:03," + b"x" * 10_000_000 + b"\n", b"R1.TT101,2026-11-20 06:04,2\n",
    ]  # fmt: skip
    told = isthmus(data, "import", written(tmp_path, "a.csv", b"".join(rows)))
    assert "2 rows taken" in told
    for reason in (
        "2 rows refused: not 3 fields (a.csv:3, a.csv:4)", "1 row refused: not UTF-8", "(a.csv:5)",
        "the time lies in the future (a.csv:6)", "the time cannot be read (a.csv:7)", "no tag is named (a.csv:8)",
        "a text of more than 65,536 characters (a.csv:10)",
    ):  # fmt: skip
        assert reason in told
    file = next((data / "imports").iterdir())
    refused = list(csv.DictReader(io.StringIO(file.read_text())))
    assert sorted(int(row["line"]) for row in refused) == [3, 4, 5, 6, 7, 8, 10]
    assert [one[2] for one in samples(data)] == ["1.0", "2.0"]


def test_a_row_of_a_table_that_cannot_be_taken_is_shown_with_its_times_to_the_nanosecond(
    data: Path, tmp_path: Path
) -> None:
    at = pa.array([1_795_000_000_123_456_789] * 2, pa.timestamp("ns", "UTC"))
    far = pa.array([2**31 - 1] * 2, pa.date32())
    table = pa.table({"tag": ["R1.TT101", ""], "time": at, "value": [1.0, 2.0], "due": far, "also": at})
    pq.write_table(table, tmp_path / "table.parquet")
    command = [*PROGRAM, "import", str(tmp_path / "table.parquet"), "--data", str(data)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=180, check=False
    )  # which does without pandas
    assert "1 row taken" in done.stdout, done.stderr
    (refused,) = csv.DictReader(io.StringIO(next((data / "imports").iterdir()).read_text()))
    assert ", 2026-11-18T11:06:40.123456789Z, 2.0, a time outside the years 1 to 9999, 2026-11-18" in str(refused)


def test_a_file_that_breaks_off_keeps_what_was_taken_and_says_so(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.app.importing.blocks.SIZE", 100_000)
    monkeypatch.setattr("isthmus.app.importing.take.RUN", 1000)
    rows = "".join(f"R1.TT101,2026-11-20 06:00:00.{n:06d},{n}\n" for n in range(100_000))
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress((HEAD + rows).encode())[:-1000])
    assert "cut.csv.gz: cannot be read" in isthmus(data, "import", path, code=1)
    assert "not ended: the same command goes on" in isthmus(data, "import", "--list")
    kept = [float(one[2]) for one in samples(data)]
    assert len(kept) > 1000
    assert kept == [float(n) for n in range(len(kept))]


def test_a_dry_run_shows_samples_and_writes_nothing(data: Path, tmp_path: Path) -> None:
    told = isthmus(data, "import", written(tmp_path, "a.csv", LONG), "--dry-run")
    assert "line-1/reactor-1/state" in told
    assert "9 rows would be taken" in told
    assert not (data / "history").exists()


def many(path: Path, count: int) -> None:
    """Rows of two tags, each at a time of its own, over about a day."""
    at = 1_795_000_000_000_000_000 - np.arange(count)[::-1] * (86_400_000_000_000 // count)
    names = pa.DictionaryArray.from_arrays(pa.array(np.arange(count) % 2, pa.int32()), ["R1.TT101", "R1.PT101"])
    times = pa.array(at).cast(pa.timestamp("ns", "UTC"))
    table = pa.table({"tag": names, "time": times, "value": np.arange(count) * 1.0})
    pq.write_table(table, path, row_group_size=20_000)


def kill_rounds(applied: Path, tmp_path: Path, rounds: int) -> None:
    chance = random.Random(7)
    many(tmp_path / "many.parquet", 60_000)
    words = [*PROGRAM, "import", str(tmp_path / "many.parquet"), "--data"]
    script = "import sys, isthmus.app.importing.take as t, isthmus.app.importing.tables as p; t.RUN = p.ROWS = 5000; "
    script += "sys.argv = sys.argv[1:]; from isthmus.app.cli import main; main()"
    killed = number = 0
    while number < rounds or killed < rounds:  # one may be over before it is seen
        number += 1
        there = copy(applied, tmp_path / f"killed-{number}")
        begun = [words[0], "-c", script, "isthmus", *words[3:], str(there)]
        while True:
            process = subprocess.Popen(begun, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            kept, target = there / "history" / "kept", chance.randrange(1, 12)
            end = time.monotonic() + 60
            already = len(list(kept.glob("*"))) if kept.is_dir() else 0
            while process.poll() is None and time.monotonic() < end:
                if kept.is_dir() and len(list(kept.glob("*"))) >= already + target:
                    break
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
            output, _ = process.communicate(timeout=180)
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL, output
        assert "60,000 rows" in output
        values = [float(one[2]) for one in samples(there)]
        assert sorted(values) == [float(n) for n in range(60_000)]
    assert killed >= rounds


def test_killed_at_any_moment_and_begun_again_each_row_is_there_once(applied: Path, tmp_path: Path) -> None:
    kill_rounds(applied, tmp_path, 1)


@pytest.mark.soak
def test_killed_two_hundred_times_each_row_is_there_once(applied: Path, tmp_path: Path) -> None:
    kill_rounds(applied, tmp_path, 50)


def test_the_same_command_again_does_nothing_and_undo_takes_all_of_it_back(data: Path, tmp_path: Path) -> None:
    right = "tag,time,value\nR1.TT101,2026-11-20 06:00,5\nR1.TT101,2026-11-21 06:00,6\n"
    wrong = "tag,time,value\nR1.TT101,2026-11-20 06:00,500\nR1.PT101,2026-11-20 07:00,1\n"
    isthmus(data, "import", written(tmp_path, "right.csv", right))
    isthmus(data, "import", written(tmp_path, "wrong.csv", wrong))
    assert "imported already" in isthmus(data, "import", tmp_path / "wrong.csv")
    listed = json.loads(isthmus(data, "import", "--list", "--json"))
    assert [one["taken"] for one in listed] == [2, 2]
    before = json.loads(isthmus(data, "history", "pressure", "--at", "2026-11-22", "--format", "json"))
    assert before["rows"][0]["value"]["value"] == 1.0
    assert "2 samples removed" in isthmus(data, "import", "--undo", listed[1]["id"])
    assert [one[2] for one in samples(data)] == ["5.0", "6.0"]
    after = json.loads(isthmus(data, "history", "pressure", "--at", "2026-11-22", "--format", "json"))
    assert after["rows"][0]["value"]["value"] is None
    assert "there is no import 'nonsense'" in isthmus(data, "import", "--undo", "nonsense", code=1)
    isthmus(data, "import", tmp_path / "wrong.csv")
    assert len(samples(data)) == 4


def test_an_undo_that_is_killed_goes_on_when_it_is_begun_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.app.importing.take.RUN", 250)
    monkeypatch.setattr("isthmus.app.importing.tables.ROWS", 250)
    many(tmp_path / "many.parquet", 30_000)
    isthmus(data, "import", written(tmp_path, "a.csv", LONG))
    isthmus(data, "import", tmp_path / "many.parquet", "--no-compact")
    id_ = json.loads(isthmus(data, "import", "--list", "--json"))[1]["id"]
    kept = data / "history" / "kept"
    before = len(list(kept.glob("*.parquet")))
    process = subprocess.Popen([*PROGRAM, "import", "--undo", id_, "--no-compact", "--data", str(data)])
    while process.poll() is None and len(list(kept.glob("*.parquet"))) < before + 2:
        time.sleep(0.001)
    process.kill()
    assert process.wait(180) == -signal.SIGKILL
    told = isthmus(data, "import", tmp_path / "many.parquet", code=1)
    assert f"is being taken back, and that did not come to its end; isthmus import --undo {id_}" in told
    isthmus(data, "import", "--undo", id_)
    assert len(samples(data)) == 9


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow", "json"])
def test_an_export_imported_elsewhere_is_the_same_history(data: Path, applied: Path, tmp_path: Path, form: str) -> None:
    isthmus(data, "import", written(tmp_path, "a.csv", LONG if form != "json" else LONG.replace("-inf", "7")))
    isthmus(data, "history", "**", *SINCE[:2], "--format", form, "-o", tmp_path / f"out.{form}")
    there = copy(applied, tmp_path / "there")
    isthmus(there, "import", tmp_path / f"out.{form}")
    assert samples(there) == samples(data)


def test_tables_of_a_program_are_taken_in_once(data: Path) -> None:
    at = pa.array([1_790_000_000_000_000_000 + i for i in range(10)]).cast(pa.timestamp("ns"))
    tables = [
        pa.table({"tag": [f"{R}/temperature"] * 10, "time": at, "value": [float(i) for i in range(10)]}),
        pa.table({"tag": ["line-1/reactor-1/batch"] * 10, "time": at, "value": [str(i) for i in range(10)]}),
    ]
    for _ in range(2):
        account = take_in(Place(data), iter(tables), "past")
        assert (account.taken, account.ended > 0) == (20, True)
    assert [one[2] for one in samples(data)] == [*map(str, range(10)), *(str(float(i)) for i in range(10))]


def test_a_correction_counts_everywhere_and_what_it_replaced_stays(data: Path, tmp_path: Path) -> None:
    isthmus(data, "import", written(tmp_path, "a.csv", LONG))
    words = ("history", "correct", "temperature", "--at", "2026-11-20T06:00:00")
    told = isthmus(data, *words, "--value", "33.5", "--reason", "probe was out", "--by", "shift")
    assert told == f"{R}/temperature at 2026-11-20T05:00:00Z: 20.5 became 33.5 Cel\n"
    isthmus(data, *words, "--value", "34")
    for _ in range(2):
        first = [one for one in samples(data) if one[:2] == ("temperature", "2026-11-20T05:00:00Z")]
        both = [one for one in samples(data, "--replaced") if one[:2] == first[0][:2]]
        assert [one[2] for one in first] == ["34.0"]
        assert [one[2] for one in both] == ["20.5", "33.5", "34.0"]
        isthmus(data, "history", "compact")
    largest = json.loads(
        isthmus(data, "history", "temperature", *SINCE[:2], "--to", "2026-11-20T06:00:01", "--aggregate", "Maximum",
                "--format", "json")
    )  # fmt: skip
    assert largest["rows"][0]["Maximum"]["value"] == 34.0
    happened = isthmus(data, "events", "--from", "-1h")
    said = f"{R}/temperature: 20.5 became 33.5 Cel at 2026-11-20T06:00:00+01:00: probe was out"
    assert f"shift corrected {said}" in happened
    isthmus(data, *words, "--revert")
    assert [one[2] for one in samples(data) if one[:2] == first[0][:2]] == ["20.5"]


def last(data: Path) -> dict[str, tuple[Any, str]]:
    """The last value of each tag, and its marks."""
    with isthmus_client.open(data) as plant:
        return {sample.tag.removeprefix(f"{R}/"): (sample.value, sample.marks) for sample in plant.last()}


def test_a_correction_is_a_last_value_where_what_it_replaced_was_also_after_the_manifest_is_lost(
    data: Path, tmp_path: Path
) -> None:
    past = "tag,time,value\nR1.TT101,2026-11-20 06:00,5\nR1.TT101,2026-11-21 06:00,6\nR1.PT101,2026-11-20 06:00,1\n"
    at = pa.array([from_iso("2026-11-20T05:00:00Z")] * 2).cast(pa.timestamp("ns"))
    now = pa.table({"tag": [f"{R}/temperature", f"{R}/pressure"], "time": at, "value": [5.5, 1.5]})
    recorded_live(data, now)
    isthmus(data, "import", written(tmp_path, "past.csv", past))
    assert last(data) == {"temperature": (5.5, ""), "pressure": (1.5, "")}
    for day, value in (("20", "7"), ("21", "8")):
        isthmus(data, "history", "correct", "temperature", "--at", f"2026-11-{day}T06:00", "--value", value)
    expected = {"temperature": (7.0, "substituted, corrected"), "pressure": (1.5, "")}
    for compacted in (False, True):
        if compacted:
            isthmus(data, "history", "compact")
        assert last(data) == expected
        for path in (data / "history").glob("manifest.db*"):
            path.unlink()
        assert last(data) == expected
        open_manifest(Folder(data / "history")).close()
        assert last(data) == expected


def test_what_is_added_where_nothing_was_recorded_is_never_a_last_value(data: Path, tmp_path: Path) -> None:
    at = pa.array([from_iso("2026-11-20T05:00:00Z")]).cast(pa.timestamp("ns"))
    recorded_live(data, pa.table({"tag": [f"{R}/pressure"], "time": at, "value": [1.5]}))
    isthmus(data, "import", written(tmp_path, "past.csv", "tag,time,value\nR1.TT101,2026-11-20 06:00,5\n"))
    for tag in ("temperature", "pressure"):
        isthmus(data, "history", "correct", tag, "--at", "2026-11-21T06:00", "--value", "2", "--add")
        isthmus(data, "history", "correct", tag, "--at", "2026-11-21T06:00", "--value", "3")
        isthmus(data, "history", "correct", tag, "--at", "2026-11-20T06:00", "--value", "4")
    expected = {"pressure": (4.0, "substituted, corrected")}
    assert last(data) == expected
    assert [one[2] for one in samples(data) if one[1] == "2026-11-21T05:00:00Z"] == ["3.0", "3.0"]
    isthmus(data, "history", "compact")
    for path in (data / "history").glob("manifest.db*"):
        path.unlink()
    assert last(data) == expected


def recorded_live(data: Path, table: pa.Table) -> None:
    """Samples as if they had come through the log."""
    settings = {setting.tag.path: setting.tag for setting in revision_of(Place(data)).tags}
    tags = [settings[path] for path in table["tag"].to_pylist()]
    folder = Folder(data / "history")
    folder.make()
    open_manifest(folder).close()
    lists = TagList(tuple(tags))
    keep(folder.lists / lists.digest, lists.packed)
    times, values = table["time"].cast(pa.int64()).to_pylist(), table["value"].to_pylist()
    memory = Memory()
    memory.add(block(lists, range(len(tags)), times, values), Numbers.of(lists))
    with tended(folder.root) as manifest:
        write_run(folder.root, manifest, memory.columns())


def test_what_cannot_be_corrected_is_said_and_a_file_is_corrected_all_or_not(data: Path, tmp_path: Path) -> None:
    isthmus(data, "import", written(tmp_path, "a.csv", LONG))
    words = ("history", "correct", "state", "--at")
    assert "the nearest are at 2026-11-20T05:00:01Z" in isthmus(
        data, *words, "2026-11-20T06:00", "--value", "1", code=1
    )
    assert "Idle, Heating, Holding" in isthmus(data, *words, "2026-11-20T06:00:01", "--value", "none", code=1)
    assert "nothing was corrected" in isthmus(data, *words, "2026-11-20T06:00:01", "--revert", code=1)
    assert invoke("history", "correct", "state", "--data", data).returncode == 2
    good = "tag,time,value,quality\nR1.TT101,2026-11-20 06:00:00,1,Good\nR1.ST,2026-11-20 06:00:01,Idle,Good\n"
    bad = written(tmp_path, "bad.csv", good + "R1.TT101,2026-11-20 09:00:00,2,Good\n")
    before = samples(data)
    assert "nothing was recorded at 2026-11-20T08:00:00Z" in isthmus(data, "history", "correct", "--file", bad, code=1)
    assert samples(data) == before
    isthmus(data, "history", "correct", "--file", written(tmp_path, "good.csv", good), "--reason", "laboratory")
    found: dict[Any, Any] = {one[:2]: one[2] for one in samples(data)}
    assert found["temperature", "2026-11-20T05:00:00Z"] == "1.0"
    assert found["state", "2026-11-20T05:00:01Z"] == "0"


def test_help_of_import_says_how_to_begin() -> None:
    assert "--dry-run" in run("import", "--help").stdout
