# SPDX-License-Identifier: Apache-2.0
"""Files for outside readers, and the page about history in and out, run as it is written."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from isthmus.app.docs import ROOT
from isthmus.app.importing.given import take_in
from isthmus.app.run.place import Place
from tests.app.conftest import PROGRAM, invoke

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
      temperature: {address: "nsu=urn:acme:dcs;s=R1.TT101", unit: Cel}
      pressure: {address: "nsu=urn:acme:dcs;s=R1.PT101", unit: bar}
"""
DAY = 86_400_000_000_000
BEGIN = 1_600_000_000_000_000_000 // DAY * DAY  # samples of the future are refused, and a soak brings years
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "plant.yaml").write_text(PLANT)
    assert invoke("apply", tmp_path / "plant.yaml", "--yes", "--data", tmp_path / "data").returncode == 0
    return tmp_path / "data"


def bring(data: Path, name: str, first: int, days: int, count: int = 500) -> None:
    """`count` samples of the temperature on each of some days."""
    at = [BEGIN + (first + day) * DAY + n * 1_000_000_000 for day in range(days) for n in range(count)]
    times = pa.array(at).cast(pa.timestamp("ns"))
    tags = pa.array(["line-1/reactor-1/temperature"] * len(at))
    take_in(Place(data), [pa.table({"tag": tags, "time": times, "value": [float(n) for n in range(len(at))]})], name)


def shared(data: Path, share: Path, *words: str) -> dict[str, int]:
    done = invoke("share", share, *words, "--json", "--data", data)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {"written": found["written"], "days": len(found["days"]), "rows": rows(share)}


def rows(share: Path) -> int:
    """Samples in the files that the manifest lists; each file holds what is said of it."""
    manifest = json.loads((share / "manifest.json").read_text())
    for day in manifest["days"]:
        table = pq.read_table(share / day["file"], partitioning=None)
        assert len(table) == day["rows"]
        assert set(table["tag"].to_pylist()) <= {"acme/lyon/line-1/reactor-1/temperature"}
        assert {str(at)[:10] for at in table["time"].to_pylist()} == {day["day"]}
    return sum(day["rows"] for day in manifest["days"])


def test_a_share_is_written_again_only_where_the_history_changed(data: Path, tmp_path: Path) -> None:
    bring(data, "first", 0, 3)
    share = tmp_path / "share"
    assert shared(data, share) == {"written": 3, "days": 3, "rows": 1500}
    assert shared(data, share) == {"written": 0, "days": 3, "rows": 1500}
    old = set(share.glob("day=*/*"))
    bring(data, "second", 2, 2, 700)
    assert shared(data, share) == {"written": 2, "days": 4, "rows": 500 + 500 + (500 + 700) + 700}
    assert old <= set(share.glob("day=*/*"))  # for who reads by the manifest of before


def test_a_folder_that_is_no_share_is_left_alone(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    done = invoke("share", tmp_path / "mine", "--data", data)
    assert done.returncode == 1
    assert "is not empty, and no share" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def kill_rounds(data: Path, share: Path, rounds: int) -> None:
    chance, killed, known, number = random.Random(3), 0, 500, 0
    while number < rounds or not killed:  # one may be over before it is seen
        number += 1
        bring(data, f"round {number}", 10 * number, 10, 20)
        process = subprocess.Popen([*PROGRAM, "share", str(share), "--data", str(data)], stdout=subprocess.DEVNULL)
        before, wanted = len(list(share.glob("day=*/*.parquet"))), chance.randrange(0, 10)
        end = time.monotonic() + 180
        while process.poll() is None and time.monotonic() < end:
            if len(list(share.glob("day=*/*.parquet"))) > before + wanted:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
                break
        process.wait(180)
        assert rows(share) in (known, 500 + 200 * number)
        known = rows(share)
    assert shared(data, share)["rows"] == 500 + 200 * number


def test_a_share_that_is_killed_is_as_it_was_or_as_it_is_to_be(data: Path, tmp_path: Path) -> None:
    bring(data, "first", 0, 1)
    shared(data, tmp_path / "share")
    kill_rounds(data, tmp_path / "share", 2)


@pytest.mark.soak
def test_a_share_that_is_killed_two_hundred_times(data: Path, tmp_path: Path) -> None:
    bring(data, "first", 0, 1)
    shared(data, tmp_path / "share")
    kill_rounds(data, tmp_path / "share", 200)


def test_the_files_of_the_history_are_listed_with_what_they_hold(data: Path) -> None:
    bring(data, "first", 0, 2)
    found = json.loads(invoke("files", "--json", "--data", data).stdout)
    assert sum(one["rows"] for one in found["files"]) == 1000
    assert all(Path(one["path"]).is_file() for one in found["files"])
    assert [tag["path"] for tag in found["tags"].values()] == ["acme/lyon/line-1/reactor-1/temperature"]
    assert json.loads(invoke("files", "pressure", "--json", "--data", data).stdout)["files"] == []
    assert invoke("files", "--from", "2020-01-01", "--to", "2020-01-02", "--data", data).stdout.startswith("nothing")


def test_every_command_and_program_of_the_page_does_what_it_says(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISTHMUS_DATA", str(data))
    page = (ROOT / "docs" / "history.md").read_text()
    blocks = BLOCK.findall(page)
    names = {"csv": "export.csv", "yaml": "names.yaml"}
    for kind, text in blocks:
        if kind in names:
            Path(names[kind]).write_text(text)
    said: dict[str, object] = {}
    printed = io.StringIO()
    for kind, text in blocks:
        if kind == "python":
            with contextlib.redirect_stdout(printed):
                exec(compile(text, "history.md", "exec"), said)
        for line in text.splitlines() if kind == "" else ():
            id_ = json.loads(invoke("import", "--list", "--json").stdout)[0]["id"] if " ID" in line else ""
            done = invoke(*shlex.split(line.replace(" ID", f" {id_}"))[1:])
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            if "--undo" in line:
                assert "3 samples removed" in done.stdout
                assert invoke("import", "export.csv", "--map", "names.yaml").returncode == 0
    assert printed.getvalue().split() == ["21.0"] * 3
