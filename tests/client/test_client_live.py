# SPDX-License-Identifier: Apache-2.0
"""A client on a plant that runs: live samples for plain and asynchronous code, also where a loop runs already."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

import isthmus.client
import isthmus.core.time
from isthmus.client.live import Live
from isthmus.core.errors import IsthmusError, NotFound
from isthmus.core.event import EventKind
from tests.api.conftest import address
from tests.app.conftest import PROGRAM, Plant, plant, run, wait
from tests.client import lab

LEVELS = "storage/*/level"


@pytest.fixture(scope="module")
def tank_farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with plant(tmp_path_factory.mktemp("live")) as made:
        made.start()
        made.ready()
        wait(lambda: made.status()["counters"]["accepted"] > 60, "samples are accepted")
        yield made


@pytest.fixture
def opened(tank_farm: Plant) -> Iterator[isthmus.client.Plant]:
    with isthmus.client.open(tank_farm.data) as found:
        yield found


def test_live_samples_begin_with_the_last_values_and_go_on(opened: isthmus.client.Plant) -> None:
    assert opened.running
    last: dict[str, int] = {}
    counts: dict[str, int] = {}
    for sample in opened.live(LEVELS):
        assert sample.time_ns >= last.get(sample.tag, 0)
        last[sample.tag] = sample.time_ns
        counts[sample.tag] = counts.get(sample.tag, 0) + 1
        if len(counts) == 4 and min(counts.values()) >= 3:
            break
    assert {path.rpartition("/")[2] for path in counts} == {"level"}
    assert {sample.tag for sample in opened.last(LEVELS)} == set(counts)


async def test_the_asynchronous_form_runs_in_the_callers_own_loop(opened: isthmus.client.Plant) -> None:
    live: Live = opened.live("tank-1/level")
    times: list[int] = []
    async with asyncio.timeout(60):
        async for sample in live:
            times.append(sample.time_ns)
            if len(times) == 3:
                break
    assert times == sorted(times)


async def test_plain_calls_work_where_a_loop_runs_already_as_in_a_notebook(opened: isthmus.client.Plant) -> None:
    assert asyncio.get_running_loop().is_running()
    assert len(opened.history("tank-1/level", "-1m")) > 0
    assert next(iter(opened.live("tank-1/level"))).unit == "m"


def test_two_loops_over_live_samples_and_a_question_at_once(opened: isthmus.client.Plant) -> None:
    both = [iter(opened.live("tank-1/level")), iter(opened.live("tank-2/level"))]
    tags = [next(one).tag for one in both for _ in range(2)]
    assert [tag.split("/")[-2] for tag in tags] == ["tank-1", "tank-1", "tank-2", "tank-2"]
    assert len(opened.history("tank-1/level", "-1m", aggregate="Count").arrow()) == 1


def test_events_and_gaps_are_those_of_the_plant(opened: isthmus.client.Plant) -> None:
    events = opened.events(kind=EventKind.CONNECTION)
    assert events
    assert {event.kind for event in events} == {EventKind.CONNECTION}
    times = [event.at for event in opened.events()]
    assert times == sorted(times)
    assert opened.gaps("tank-1/level") == []


@contextmanager
def watching(tank_farm: Plant, tag: str) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """`isthmus watch` of a tag as it runs; what it has printed so far."""
    printed = tank_farm.data.parent / "watched.jsonl"
    with printed.open("w") as output:
        words = [*PROGRAM, "watch", tag, "--json", "--data", str(tank_farm.data)]
        process = subprocess.Popen(words, stdout=output, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        yield lambda: [json.loads(line) for line in printed.read_text().splitlines() if line.endswith("}")]
    finally:
        process.terminate()
        process.wait(180)


def test_a_corrected_last_value_reaches_who_follows_it_though_the_recorder_dies_meanwhile(
    tank_farm: Plant, opened: isthmus.client.Plant
) -> None:
    tag = "transfer-pump/starts"
    (before,) = opened.last(tag)
    live = iter(opened.live(tag))
    values = [next(live).value]

    def shown() -> Any:
        url = f"{address(tank_farm)}/api/last"
        return httpx.get(url, params={"match": f"**/{tag}"}, trust_env=False, timeout=90).json()[0]

    with watching(tank_farm, f"**/{tag}") as seen:
        wait(seen, "the last value is watched")
        for value in (777, 778):
            if value == 778:
                os.kill(tank_farm.alive("record"), signal.SIGKILL)
            words = ("history", "correct", tag, "--at", isthmus.core.time.to_iso(before.time_ns), "--value", str(value))
            assert run(*words, "--data", tank_farm.data).returncode == 0
            told = partial(lambda value: seen()[-1]["value"] == shown()["value"] == value, value)
            wait(told, f"{value} is watched, and in the API: {seen()} {shown()}")
        assert seen()[-1]["time"] == isthmus.core.time.to_iso(before.time_ns)
        assert seen()[-1]["marks"] == "substituted, corrected"
    while values[-1] != 778:
        values.append(next(live).value)
    assert [value for value, _ in groupby(values)] == [before.value, 777, 778]  # at times told twice
    assert opened.last(tag)[0].value == 778
    assert len(opened.events(kind=EventKind.CORRECTION)) == 2


def test_live_samples_of_a_plant_that_does_not_run_are_refused(lab_data: Path) -> None:
    with isthmus.client.open(lab_data) as found, pytest.raises(NotFound, match="does not run"):
        next(iter(found.live("drive/power")))


def test_a_closed_plant_says_so_and_leaves_no_thread(lab_data: Path) -> None:
    before = set(threading.enumerate())
    found = isthmus.client.open(lab_data)
    assert found.last("drive/power")
    found.close()
    found.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(IsthmusError, match="was closed"):
        found.last("drive/power")


def test_gaps_are_told_with_the_history_they_concern(tmp_path: Path) -> None:
    lab.make(tmp_path / "data")
    lab.record(tmp_path / "data", [], [lab.lost("dcs", "2026-11-20T02:00:30Z", "2026-11-20T02:04:30Z")])
    with isthmus.client.open(tmp_path / "data") as found:
        asked = found.history("reactor-1/temperature", "2026-11-20T02:00Z", "2026-11-20T03:00Z")
        assert [gap.message for gap in asked.gaps] == ["the connection was lost"]
        assert len(found.gaps("drive/*", "2026-11-20", "2026-11-21")) == 1
        assert found.gaps("drive/*", "2026-11-21", "2026-11-22") == []


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("pandas", "polars"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
import isthmus.client
with isthmus.client.open(sys.argv[1]) as plant:
    answer = plant.history("drive/on", "2026-11-20", "2026-11-21")
    print(answer.arrow().num_rows)
    for way in (answer.pandas, answer.polars):
        try:
            way()
        except isthmus.client.IsthmusError as error:
            print(error)
"""


def test_pandas_and_polars_need_not_be_installed(lab_data: Path) -> None:
    words = [sys.executable, "-c", WITHOUT, str(lab_data)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=True)
    assert done.stdout.splitlines() == [
        "4",
        "pandas is not installed here; pip install 'isthmus[pandas]'; .arrow() needs nothing more",
        "polars is not installed here; pip install 'isthmus[polars]'; .arrow() needs nothing more",
    ]
    assert done.stderr == ""


def test_nothing_is_printed_or_left_running_by_reading_a_plant_that_stands_still(tank_farm: Plant) -> None:
    """The log is started for the moment of reading: it says nothing and ends."""
    tank_farm.end()
    tank_farm.gone()
    code = (
        "import sys, isthmus.client\nwith isthmus.client.open(sys.argv[1]) as plant:\n"
        "    print(len(plant.history('tank-1/level', '-1h')) > 0)"
    )
    words = [sys.executable, "-c", code, str(tank_farm.data)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(tank_farm.data) in str(one.info["cmdline"])]
