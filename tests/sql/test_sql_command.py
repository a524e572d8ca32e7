# SPDX-License-Identifier: Apache-2.0
"""`isthmus sql` on a data directory: what it prints, writes, remarks, and what it does about a damaged file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from isthmus.store.ledger.files import Pointer, RevisionFiles
from tests.sql.prepared import FIRST, REVISION, Prepared, of
from tests.sql.test_sql_confined import calculating


@pytest.fixture
def data(tmp_path: Path) -> Path:
    files = RevisionFiles(tmp_path / "data" / "revisions")
    packed = REVISION.pack()
    files.write(REVISION, packed)
    files.point(Pointer(REVISION.number, REVISION.digest))
    prepared = Prepared.at(tmp_path / "data" / "history")
    prepared.add(of(1, [(FIRST + i * 10**9, i / 2) for i in range(40_000)]), of(8, [(FIRST, 7.0)]))
    prepared.compact()
    return tmp_path / "data"


def words(data: Path, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "isthmus", "sql", "--data", str(data), *map(str, arguments)]


def sql(data: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words(data, *arguments), capture_output=True, text=True, timeout=180, check=False)


def test_rows_are_written_in_every_form(data: Path, tmp_path: Path) -> None:
    query = "SELECT tag, time, value FROM samples WHERE value < 1 OR tag LIKE '%power' ORDER BY ALL"
    table = sql(data, query)
    assert (table.returncode, table.stderr) == (0, "")
    assert table.stdout.splitlines()[1] == "p/l/meter/power      2026-11-18T00:00:00      7"
    rows = json.loads(sql(data, query, "--format", "json").stdout)["rows"]
    assert [row["value"] for row in rows] == [7.0, 0.0, 0.5]
    assert sql(data, query, "--format", "csv").stdout.splitlines()[2] == "p/l/r-1/temperature,2026-11-18T00:00:00,0.0"
    (tmp_path / "query.sql").write_text(query)
    done = sql(data, "--file", tmp_path / "query.sql", "--format", "parquet", "-o", tmp_path / "x.parquet")
    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "x.parquet")["value"].to_pylist() == [7.0, 0.0, 0.5]


def test_times_in_lists_and_structures_are_told_to_the_nanosecond(data: Path) -> None:
    late = FIRST + 123_456_789
    nested = f"list(time ORDER BY time)[1:2] AS l, {{'at': make_timestamp_ns({late})}} AS s, MAP {{1: max(time)}} AS m"
    query = f"SELECT {nested} FROM samples WHERE value < 1 AND tag LIKE '%temperature'"
    found = sql(data, query, "--format", "json")
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["rows"] == [
        {
            "l": ["2026-11-18T00:00:00", "2026-11-18T00:00:01"],
            "s": {"at": "2026-11-18T00:00:00.123456789"},
            "m": [[1, "2026-11-18T00:00:01"]],
        }
    ]


def test_a_cut_answer_and_an_unknown_tag_are_remarked(data: Path) -> None:
    assert sql(data, "FROM samples", "--limit", "1").stderr == "1 row, and there are more: --limit N for up to N\n"
    found = sql(data, "FROM samples WHERE tag = 'p/l/r-1/temprature'")
    assert (found.stdout, found.returncode) == ("no rows\n", 0)
    assert "did you mean 'p/l/r-1/temperature'?" in found.stderr


def test_without_a_question_the_views_are_listed_with_questions_that_work(data: Path) -> None:
    listed = sql(data).stdout
    assert "samples: every sample" in listed
    assert "reactor: a row for each time" in listed
    questions = [line.strip() for line in listed.splitlines() if line.startswith("    SELECT")]
    assert len(questions) == 3
    for question in questions:
        assert sql(data, question).returncode == 0


def test_a_damaged_row_group_is_set_aside_and_the_rest_answers(data: Path) -> None:
    (day,) = (data / "history" / "kept").glob("day-*.parquet")
    content = bytearray(day.read_bytes())
    content[len(content) // 2] ^= 1
    day.write_bytes(content)
    answered = sql(data, "SELECT count(*) AS n FROM samples", "--format", "json")
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout)["rows"][0]["n"] < 40_001
    assert (data / "history" / "damaged" / day.name).exists()
    assert json.loads(sql(data, "SELECT count(*) AS n FROM gaps", "--format", "json").stdout)["rows"] == [{"n": 1}]


def test_ctrl_c_ends_both_processes(data: Path) -> None:
    asking = subprocess.Popen(words(data, "SELECT count(*) FROM range(1000000000000), range(1000)"), text=True)
    try:
        child = _answering(asking)
        os.kill(asking.pid, signal.SIGINT)
        assert asking.wait(180) == 130
        assert not psutil.pid_exists(child.pid)
    finally:
        asking.kill()
        asking.wait(180)


def _answering(asking: subprocess.Popen[str]) -> psutil.Process:
    import time

    end = time.monotonic() + 180
    while time.monotonic() < end:
        for child in calculating(psutil.Process(asking.pid)):
            return child
        time.sleep(0.02)
    pytest.fail("nobody answers")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("SELECT 1", "--memory", "5 elephants"), "is no size"),
        (("SELECT 1", "--timeout", "1h"), "at most 9m"),
        (("SELECT 1", "--format", "parquet"), "needs --output"),
        (("SELECT 1", "--file", "x.sql"), "not both"),
        (("--file", "nowhere.sql"), "cannot be read"),
        (("SELECT 1/0 FROM nowhere",), "there is no view"),
        (("SELECT 'infinity'::DATE",), "outside the years 1 to 9999; make a text of it with ::VARCHAR"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_words(data: Path, arguments: tuple[str, ...], said: str) -> None:
    done = sql(data, *arguments)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
