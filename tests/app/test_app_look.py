# SPDX-License-Identifier: Apache-2.0
"""Watching, history and backup, on a demo that runs."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from isthmus.app.archive import written
from isthmus.app.demo.tankfarm.server import VARIABLES
from isthmus.core import time
from isthmus.core.errors import IsthmusError
from tests.app.conftest import PROGRAM, Plant, invoke, wait


def printed(*words: str | Path) -> str:
    """What a command prints that succeeds and has nothing to complain about."""
    done = invoke(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def objects(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_watch_in_a_pipe_gives_the_last_values_and_then_every_sample(running: Plant) -> None:
    done = invoke("watch", "--for", "3s", "--json", "--data", running.data)
    assert (done.returncode, done.stderr) == (0, "")
    seen = objects(done.stdout)
    first = {one["tag"] for one in seen[:20]}
    assert len(first) == len(VARIABLES)
    assert len(seen) > 40
    for path in {one["tag"] for one in seen}:
        times = [time.from_iso(one["time"]) for one in seen if one["tag"] == path]
        assert times == sorted(set(times))


def test_watch_shows_values_in_the_plants_units_and_names(running: Plant) -> None:
    seen = {one["tag"]: one for one in objects(printed("watch", "--for", "2s", "--json", "--data", running.data))}
    assert 0.1 < seen["acme/lyon/storage/tank-1/level"]["value"] < 3
    assert seen["acme/lyon/storage/tank-1/level"]["unit"] == "m"
    assert 30 < seen["acme/lyon/storage/tank-4/temperature"]["value"] < 60
    assert seen["acme/lyon/storage/heater/mode"]["label"] in ("off", "heating", "holding", "full power")
    assert isinstance(seen["acme/lyon/storage/inlet/open"]["value"], bool)
    assert isinstance(seen["acme/lyon/dispatch/bay-1/truck"]["value"], str)
    assert isinstance(seen["acme/lyon/storage/heater/energy"]["value"], int)


def test_watch_in_a_terminal_is_a_table_that_stays_in_place(running: Plant) -> None:
    shown = in_terminal("watch", "tank-*/level", "--for", "3s", "--data", str(running.data))
    assert "\x1b[?1049h" in shown
    assert re.search(r"storage/tank-2/level .*m .*Good", shown)
    assert "stale" not in shown


def in_terminal(*words: str) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "110", "LINES": "30"}
    with subprocess.Popen([*PROGRAM, *words], stdout=theirs, stderr=theirs, stdin=theirs, env=environment) as process:
        os.close(theirs)
        pieces = []
        while piece := _read(ours):
            pieces.append(piece)
        os.close(ours)
        assert process.wait(180) == 0
    return b"".join(pieces).decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


def test_watch_without_a_match_says_so(running: Plant) -> None:
    done = invoke("watch", "nothing-like-it", "--data", running.data)
    assert done.returncode == 1
    assert "no tag matches 'nothing-like-it'" in done.stderr


def test_history_gives_the_same_samples_in_every_format(running: Plant, tmp_path: Path) -> None:
    end = time.to_iso(max(sample[1] for sample in running.samples()))  # what is older than the newest is all there
    words = ["history", "heater", "transfer-pump/flow", "bay-1/truck", "--from", "-1h", "--to", end, "--data"]
    written = tmp_path / "samples.parquet"
    as_csv = list(csv.DictReader(io.StringIO(printed(*words, running.data, "--format", "csv"))))
    as_json = json.loads(printed(*words, running.data, "--format", "json"))["samples"]
    assert invoke(*words, running.data, "--format", "parquet", "--output", written).returncode == 0
    frame = pd.read_parquet(written)
    assert len(as_csv) == len(as_json) == len(frame) > 20
    assert [row["time"] for row in as_csv] == [row["time"] for row in as_json]
    assert [time.from_iso(row["time"]) for row in as_json] == frame["time"].astype("int64").tolist()
    assert list(frame["tag"]) == [row["tag"] for row in as_json]
    flows = [row["value"] for row in as_json if row["tag"].endswith("flow")]
    exact = frame[frame["tag"].astype(str).str.endswith("flow")]["value"]
    assert np.array(flows, np.float32).tolist() == exact.tolist()  # the server has single precision
    assert max(len(str(flow)) for flow in flows) < 9
    assert str(frame["time"].dtype) == "datetime64[ns, UTC]"
    assert set(frame["quality"].astype(str)) == {row["quality"] for row in as_json}
    assert set(frame["marks"].astype(str)) == {row["marks"] for row in as_json}
    table = printed(*words, running.data, "--last", "2").splitlines()
    assert table[0].split() == ["tag", "time", "(UTC)", "value", "unit", "quality", "marks"]
    assert f"of {len(as_json)} rows, the newest; --last 0 for all" in table[-1]
    assert "--last 0" not in printed(*words, running.data, "--last", "0")


def test_history_takes_times_in_the_plants_zone_and_leaves_the_end_out(running: Plant) -> None:
    rows = json.loads(printed("history", "heater/power", "--format", "json", "--data", running.data))["samples"]
    first, last = rows[0]["time"], rows[-1]["time"]
    words = ["history", "heater/power", "--from", first, "--to", last, "--format", "json", "--data", running.data]
    assert len(json.loads(printed(*words))["samples"]) == len(rows) - 1
    paris = invoke(
        "history", "heater/power", "--from", "2030-01-01T12:00", "--to", "2030-01-01T13:00", "--data", running.data
    )
    assert "from 2030-01-01T11:00:00Z to 2030-01-01T12:00:00Z" in paris.stdout


def test_history_does_not_overwrite_a_file(running: Plant, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("precious")
    done = invoke("history", "heater", "--format", "csv", "-o", tmp_path / "mine.csv", "--data", running.data)
    assert done.returncode == 1
    assert (tmp_path / "mine.csv").read_text() == "precious"


def test_a_misspelt_tag_gets_the_near_names(running: Plant) -> None:
    done = invoke("history", "storage/heater/pwoer", "--data", running.data)
    assert "did you mean 'storage/heater/power'" in done.stderr


def test_status_tells_people_what_it_tells_scripts(running: Plant) -> None:
    wait(lambda: running.status()["state"] == "ready", "all is well")
    said, shown = running.status(), printed("status", "--data", running.data)
    assert shown.startswith("acme/lyon, revision ")
    for service in said["services"].values():
        assert str(service["pid"]) in shown
    assert "tank-farm  connected" in shown


def test_a_backup_taken_while_it_runs_has_every_sample_up_to_one_moment(running: Plant, tmp_path: Path) -> None:
    before = running.samples()
    file, again = tmp_path / "plant.tar", Plant(tmp_path / "again")
    assert invoke("backup", file, "--data", running.data).returncode == 0
    after = running.samples()
    assert file.stat().st_mode & 0o777 == 0o600
    assert invoke("restore", file, "--data", again.data).returncode == 0
    restored = again.samples()
    assert not Counter(before) - Counter(restored)
    assert not Counter(restored) - Counter(after)
    assert Counter(restored).most_common(1)[0][1] == 1
    assert again.status()["revision"] == running.status()["revision"]
    refused = invoke("restore", file, "--data", again.data)
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "plant.tar"]


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
sys.argv = ["isthmus", *sys.argv[2:]]
from isthmus.app.cli import main
main()
"""


def test_a_backup_that_cannot_be_written_says_where_and_leaves_nothing(running: Plant, tmp_path: Path) -> None:
    file = tmp_path / "plant.tar"
    assert invoke("backup", file, "--data", running.data).returncode == 0
    whole = file.stat().st_size
    file.unlink()
    for limit in (20_000, whole - 1_000):  # of its own copy of a database, of the archive
        words = [sys.executable, "-c", LIMITED, str(limit), "backup", str(file), "--data", str(running.data)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=180)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"isthmus: {file}: cannot be written: "), done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert list(tmp_path.iterdir()) == []


def test_a_disk_without_hard_links_takes_a_backup_and_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)  # as FAT does
    with written(tmp_path / "x.tar") as archive:
        archive.add_bytes("a", b"a")
    size = (tmp_path / "x.tar").stat().st_size
    with pytest.raises(IsthmusError, match="exists already"), written(tmp_path / "y.tar") as archive:
        (tmp_path / "y.tar").write_text("precious")
    assert size > 0
    assert (tmp_path / "y.tar").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.tar", "y.tar"]


@pytest.mark.parametrize("harm", ["cut", "flip", "other"])
def test_a_damaged_backup_is_refused_and_nothing_is_made(running: Plant, tmp_path: Path, harm: str) -> None:
    file = tmp_path / "plant.tar"
    assert invoke("backup", file, "--data", running.data).returncode == 0
    content = bytearray(file.read_bytes())
    if harm == "cut":
        del content[len(content) // 2 :]
    elif harm == "flip":
        content[content.index(b"PAR1") + 100] ^= 1
    else:
        content[:] = b"not a backup at all" * 1000
    file.write_bytes(content)
    done = invoke("restore", file, "--data", tmp_path / "again")
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["plant.tar"]
