# SPDX-License-Identifier: Apache-2.0
"""Retention as its users meet it: by hand, and by the process that tends a history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import isthmus.client
from isthmus.app.retaining import classes
from isthmus.app.revising import apply, propose
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.time import to_iso
from isthmus.store.history.compact import compact
from isthmus.store.history.kept import DAY
from tests.app.conftest import invoke
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
    with isthmus.client.open(data) as plant:
        found = plant.history(tag, "2026-11-01", "2026-11-23T00:00Z").arrow()
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
    with isthmus.client.open(data) as plant:
        span = ("2026-11-09T00:00Z", "2026-11-12T00:00Z")
        before = plant.history(HOT, *span, every="1h", aggregate=["Average", "Maximum"]).arrow()
        assert invoke("history", "retain", "--data", data).returncode == 0
        assert plant.history(HOT, *span).arrow().num_rows == 0
        after = plant.history(HOT, *span, every="1h", aggregate=["Average", "Maximum"]).arrow()
    for name in before.column_names[1:]:
        assert after[name].to_pylist() == pytest.approx(before[name].to_pylist())
    shown = invoke("history", HOT, "--from", "2026-11-09", "--to", "2026-11-10", "--data", data).stdout
    assert "not kept (class brief): samples before 2026-11-1" in shown
    assert (
        "not kept" not in invoke("history", POWER, "--from", "2026-11-09", "--to", "2026-11-10", "--data", data).stdout
    )
    assert first(data, POWER) == "2026-11-09T00:00:00Z"
    assert invoke("history", "retain", "--data", data).stdout == "nothing is older than it is kept\n"


def test_the_process_that_tends_lets_go_by_itself(data: Path) -> None:
    (data / "run").mkdir(exist_ok=True)
    words = [sys.executable, "-m", "isthmus.app.run.tend", "--data", str(data), "--parent", str(os.getpid())]
    subprocess.run(words, capture_output=True, timeout=60, check=True)
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
