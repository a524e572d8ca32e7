# SPDX-License-Identifier: Apache-2.0
"""Retention as its users meet it: by hand, and by the process that tends a history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import isthmus.client
from isthmus.app.retaining import classes
from isthmus.app.revising import apply, propose
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.time import to_iso
from isthmus.store.history.compact import compact
from isthmus.store.history.kept import DAY
from tests.api.conftest import address
from tests.app.conftest import invoke, plant
from tests.client import lab

HOT = "acme/lyon/mixing/reactor-3/temperature"
POWER = "acme/lyon/mixing/drive/power"
DAYS = (time.now() - lab.END) // DAY + 8
"""For which samples are kept so that of the two weeks about one is over."""
SHORT = lab.PLANT.replace("default: {raw: 2y, rollups: 10y}", f"brief: {{raw: {DAYS}d, rollups: forever}}").replace(
    "temperature: {unit: Cel, range", "temperature: {keep: brief, unit: Cel, range"
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two weeks of history, of which a week of the temperatures is over."""
    monkeypatch.setattr(lab, "PLANT", SHORT)
    lab.make(tmp_path / "data")
    compact(tmp_path / "data" / "history", wait=False)
    return tmp_path / "data"


def first(data: Path, tag: str) -> str:
    with isthmus.client.open(data) as opened:
        found = opened.history(tag, "2026-11-01", "2026-11-23T00:00Z").arrow()
    return to_iso(found["time"].cast("int64")[0].as_py()) if len(found) else ""


def test_a_dry_run_says_what_would_go_and_changes_nothing(data: Path) -> None:
    told = json.loads(invoke("history", "retain", "--dry-run", "--json", "--data", data).stdout)
    assert told["dry"]
    assert {(row["class"], row["what"]) for row in told["gone"]} == {("brief", "samples")}
    assert first(data, HOT) == "2026-11-09T00:00:00Z"
    shown = invoke("history", "retain", "--dry-run", "--data", data).stdout
    assert "nothing was changed" in shown
    assert "brief" in shown


def test_samples_go_and_what_they_came_to_stays(data: Path) -> None:
    with isthmus.client.open(data) as opened:
        span = ("2026-11-09T00:00Z", "2026-11-12T00:00Z")
        before = opened.history(HOT, *span, every="1h", aggregate=["Average", "Maximum"]).arrow()
        assert invoke("history", "retain", "--data", data).returncode == 0
        assert opened.history(HOT, *span).arrow().num_rows == 0
        after = opened.history(HOT, *span, every="1h", aggregate=["Average", "Maximum"]).arrow()
    for name in before.column_names[1:]:
        assert after[name].to_pylist() == pytest.approx(before[name].to_pylist())
    shown = invoke("history", HOT, "--from", "2026-11-09", "--to", "2026-11-10", "--data", data).stdout
    assert "not kept (class brief): samples before 2026-11-1" in shown
    assert (
        "not kept" not in invoke("history", POWER, "--from", "2026-11-09", "--to", "2026-11-10", "--data", data).stdout
    )
    assert first(data, POWER) == "2026-11-09T00:00:00Z"
    assert_told_in_every_format(data)
    assert invoke("history", "retain", "--data", data).stdout == "nothing is older than it is kept\n"


def test_an_import_that_is_taken_back_says_which_of_its_rollups_stay(data: Path, tmp_path: Path) -> None:
    rows = [f"acme/lyon/mixing/reactor-2/temperature,2026-11-09T{i // 60:02}:{i % 60:02}:07Z,{i}" for i in range(600)]
    (tmp_path / "past.csv").write_text("\n".join(["tag,time,value", *rows]))
    id_ = json.loads(invoke("import", tmp_path / "past.csv", "--json", "--data", data).stdout)["id"]
    assert invoke("history", "retain", "--data", data).returncode == 0
    done = invoke("import", "--undo", id_, "--data", data)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 samples removed\nroll-ups of samples before 2026-11-1" in done.stdout


def assert_told_in_every_format(data: Path) -> None:
    """What was let go, as text, data, a header, an attribute; nothing where it does not concern the question."""
    asked = ("history", HOT, "--from", "2026-11-09T00:00Z", "--to", "2026-11-10T00:00Z")
    sums = ("--every", "12h", "--aggregate", "Average")
    with isthmus.client.open(data) as opened:
        (one,) = opened.history(HOT, "2026-11-09T00:00Z", "2026-11-10T00:00Z").not_kept
        assert opened.history(HOT, "-1h").not_kept == ()
        assert opened.history([HOT, POWER], "2026-11-09", "now", aggregate="Average").not_kept == (one,)
        assert opened.at(HOT, "2026-11-09T10:00Z").not_kept == (one,)
    before = to_iso(one.samples_before)
    assert (one.keep, one.tags, one.all_before) == ("brief", (HOT,), None)
    told = {"class": "brief", "tags": [HOT], "samples_before": before, "all_before": None}
    for words in ((), sums, ("--bounds",), (*sums, "--aligned")):
        json_ = invoke(*asked, *words, "--format", "json", "--data", data)
        assert (json.loads(json_.stdout)["not_kept"], json_.stderr) == ([told], "")
        csv = invoke(*asked, *words, "--format", "csv", "--data", data)
        assert csv.stderr == f"isthmus: {one}\n"
        assert "not kept" not in csv.stdout
    for form in ("csv", "parquet", "arrow"):
        written = invoke(*asked, "--format", form, "-o", data.parent / f"asked.{form}", "--data", data)
        assert f"isthmus: {one}\n" in written.stderr
    assert invoke("history", POWER, "--format", "csv", "--from", "2026-11-09", "--data", data).stderr == ""
    expected = {"keep": "brief", "paths": [HOT], "samples_before": before, "all_before": None}
    with plant(data.parent, data.name) as running:
        running.words = ["run"]
        running.start()
        with httpx.Client(base_url=f"{address(running)}/api/history/", timeout=180, trust_env=False) as api:
            span = {"tag": HOT, "from": "2026-11-09T00:00Z", "to": "2026-11-10T00:00Z"}
            for path, params in (
                ("raw", span),
                ("aggregate", {**span, "aggregate": "Average"}),
                ("at", {"tag": HOT, "time": "2026-11-09T10:00Z"}),
            ):
                assert api.get(path, params=params).json()["not_kept"] == [expected]
                for form in ("csv", "arrow"):
                    header = api.get(path, params={**params, "format": form}).headers["Isthmus-Not-Kept"]
                    assert header == str(one)
            drawn = api.get("lines", params=span).content
            assert json.loads(drawn[4 : 4 + int.from_bytes(drawn[:4], "little")])["not_kept"] == [told]


def test_the_process_that_tends_lets_go_by_itself(data: Path) -> None:
    (data / "run").mkdir(exist_ok=True)
    words = [sys.executable, "-m", "isthmus.app.run.tend", "--data", str(data), "--parent", str(os.getpid())]
    subprocess.run(words, capture_output=True, timeout=400, check=True)  # it gets what others leave
    assert first(data, HOT) > "2026-11-12"
    assert first(data, POWER) == "2026-11-09T00:00:00Z"


def test_a_tag_that_is_gone_keeps_the_class_it_had_last(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "plant.yaml"
    file.write_text(SHORT.replace('temperature: "ns=2;s=R{n}.TT", ', ""))
    before = classes(Place(data), propose(file, data).previous)  # type: ignore[arg-type]  # there is one
    revision = apply(propose(file, data), data, remove=True)
    assert all(not setting.keep for setting in revision.tags)
    assert classes(Place(data), revision) == before
    assert sorted(before.values()).count("brief") == 3
