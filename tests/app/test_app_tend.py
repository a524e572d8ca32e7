# SPDX-License-Identifier: Apache-2.0
"""Compacting as its users meet it: by itself beside the recorder, by hand, in `status`, `doctor` and backups."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

from isthmus.app.doctor import Verdict, history
from isthmus.app.run.place import Place
from isthmus.app.run.tend import tend
from isthmus.store.history.inventory import Inventory
from isthmus.store.history.kept import Kind
from tests.app.conftest import Plant, invoke, plant, run, wait
from tests.history.plant import until
from tests.history.test_history_compact import Plant as Past


async def test_what_is_due_is_compacted_by_a_process_that_yields_to_others(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.make()
    past = Past(place.history)
    for day in range(3):
        past.flush([day], 300)
    for path in past.folder.segments.iterdir():
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 3600))
    seen: list[Inventory] = []
    tending = asyncio.create_task(tend(place, seen.append, every=0.05))

    def compacted() -> bool:
        assert not tending.done()
        return bool(seen) and seen[-1].days.files == 3

    await until(compacted, 400)  # it gets what others leave
    tending.cancel()
    await asyncio.wait((tending,))
    assert (seen[0].segments.files, seen[0].compacted) == (3, 0)
    assert seen[-1].segments.files == 0
    assert seen[-1].compacted > 0
    assert seen[-1].derived.files == 9
    said = [json.loads(line) for line in (place.run / "tend.log").read_text().splitlines()]
    (done,) = (line for line in said if line["event"] == "compacted")
    assert (done["nice"], done["disk_when_idle"]) == (min(19, os.nice(0) + 10), True)
    await asyncio.to_thread(past_is_whole, past)


def past_is_whole(past: Past) -> None:
    past.check()
    assert past.listed(Kind.DAY) == [0, 1, 2]


def test_a_plant_is_compacted_by_hand_stopped_and_running_and_a_backup_has_it_all(tmp_path: Path) -> None:
    with plant(tmp_path) as made:
        made.start()
        made.ready()
        wait(lambda: made.status()["counters"]["accepted"] > 100, "samples are accepted")
        assert made.end() == 0
        before = made.samples()
        done = run("history", "compact", "--today", "--json", "--data", made.data)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["days"] >= 1
        assert Counter(made.samples()) == Counter(before)
        assert "nothing to compact" in run("history", "compact", "--today", "--data", made.data).stdout
        made.start()
        made.ready()
        wait(lambda: made.status()["history"].get("days", {}).get("files"), "the recorder looks at what there is")
        shown = invoke("status", "--data", made.data).stdout
        assert "history: " in shown
        assert "last compacted 20" in shown
        beside = run("history", "compact", "--today", "--data", made.data)
        assert beside.returncode == 0, beside.stderr
        backed_up(made, tmp_path)
    found = history(Place(made.data))
    assert found.verdict is Verdict.FINE
    assert "days last written 20" in found.what


def backed_up(made: Plant, folder: Path) -> None:
    before = made.samples()
    again = Plant(folder / "again")
    assert invoke("backup", folder / "plant.tar", "--data", made.data).returncode == 0
    assert invoke("restore", folder / "plant.tar", "--data", again.data).returncode == 0
    restored = Counter(again.samples())
    assert not Counter(before) - restored
    assert restored.most_common(1)[0][1] == 1
    assert list((again.data / "history" / "kept").glob("day-*"))


def test_without_a_history_compacting_says_so(tmp_path: Path) -> None:
    done = run("history", "compact", "--data", tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
