# SPDX-License-Identifier: Apache-2.0
"""The supervisor and its processes, and kill -9 for each: what was accepted stays, once, and all comes back.

The tests of the first part share one plant and tell one story, in their order.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from isthmus.app.run import status
from isthmus.app.run.place import Place
from isthmus.stream.server import LogServer
from tests.app.conftest import PROGRAM, Plant, ends, invoke, plant, processes, run, wait

PLANT_FILE = Path(__file__).parents[2] / "src/isthmus/app/demo/tankfarm/plant.yaml"
EVERYONE = ("simulation", "record", "collect", "serve", "log")


def accepted(plant: Plant) -> int:
    return int(plant.status()["counters"]["accepted"])


def started(plant: Plant, *arguments: str) -> None:
    plant.start(*arguments)
    plant.ready()
    flows(plant)


def flows(plant: Plant) -> None:
    """Until one and the same collector has had more accepted; the count of one that died says nothing."""
    seen: dict[int, int] = {}

    def more() -> bool:
        said = status.read(Place(plant.data).status("collect"))
        return said is not None and said.counters.get("accepted", 0) > seen.setdefault(
            said.pid, said.counters.get("accepted", 0)
        )

    wait(more, "samples flow")


def nothing_lost_nothing_doubled(before: list[tuple[Any, ...]], after: list[tuple[Any, ...]]) -> None:
    counts = Counter(after)
    assert len(after) > len(before)
    assert counts.most_common(1)[0][1] == 1
    assert not Counter(before) - counts


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # its parent's death was quicker
        os.kill(pid, signal.SIGKILL)


def kill_some(plant: Plant, victims: set[str]) -> None:
    """Kills them, and waits until all run again as other processes and samples flow."""
    wait(lambda: all(pids(plant).values()), "everyone runs")
    before, now = pids(plant), plant.status()
    for victim in victims:
        kill(before[victim])

    def back() -> bool:
        after, said = pids(plant), plant.status()
        connected = said["systems"].get("tank-farm", {}).get("state") == "connected"
        return said["state"] == "ready" and connected and all(after[name] != before[name] for name in victims)

    wait(back, f"{victims} are back: {plant.output} {now}")
    flows(plant)


def pids(plant: Plant) -> dict[str, int]:
    said = plant.status()
    return {"log": said["log"].get("pid", 0), **{name: one["pid"] for name, one in said["services"].items()}}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with plant(tmp_path_factory.mktemp("story")) as made:
        started(made)
        yield made


def test_a_second_instance_is_refused_and_told_who_runs(story: Plant) -> None:
    assert story.process is not None
    for command in ("run", "demo"):
        refused = run(command, "--data", story.data)
        assert refused.returncode == 1
        assert f"in use by `isthmus demo` (process {story.process.pid}" in refused.stderr
    wait(lambda: story.status()["state"] == "ready", "it goes on")


@pytest.mark.parametrize(
    "victims", [{"collect"}, {"record"}, {"log"}, set(EVERYONE)], ids=lambda v: "+".join(sorted(v))
)
def test_what_is_killed_comes_back_by_itself_and_nothing_accepted_is_lost_or_doubled(
    story: Plant, victims: set[str]
) -> None:
    recorded = story.samples()
    kill_some(story, victims)
    nothing_lost_nothing_doubled(recorded, story.samples())


def test_who_died_is_told_in_status_and_events(story: Plant) -> None:
    recorder = story.status()["services"]["record"]
    assert recorder["restarts"] >= 2
    assert recorder["last_end"] == "ended by SIGKILL"
    told = invoke("events", "--kind", "service", "--data", story.data)
    assert "record ended by SIGKILL; it is started again" in told.stdout
    assert told.stdout.startswith("time (Europe/Paris)")
    *_, newest, cut = invoke("events", "--last", "1", "--data", story.data).stdout.splitlines()
    assert cut.startswith("1 of ") and cut.endswith("events, the newest; --last 0 for all")
    assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?\+0[12]:00 ", newest)


def test_a_frozen_service_is_told_as_silent(story: Plant) -> None:
    frozen = psutil.Process(story.alive("record"))
    frozen.suspend()
    try:
        wait(lambda: story.status()["services"]["record"]["state"] == "silent", "status says silent")
    finally:
        frozen.resume()
    wait(lambda: story.status()["state"] == "ready", "it goes on")


def test_a_mistake_in_the_followed_plant_file_is_named_and_what_ran_goes_on(story: Plant) -> None:
    file = story.data / "plant.yaml"
    right = file.read_text()
    line = 1 + right[: right.index("unit: kW,")].count("\n")
    restarts = story.status()["services"]["collect"]["restarts"]
    file.write_text(right.replace("unit: kW,", "unit: kilowatts,"))
    wait(lambda: f"plant.yaml:{line}:21: types.heater.tags.power.unit" in story.output, "the mistake is named")
    assert story.status()["revision"] == 1
    file.write_text(right)
    wait(lambda: "plant.yaml: right again, revision 1 runs as before" in story.output, "it is told that it is mended")
    file.write_text(right.replace("unit: kW,", "unit: W,"))
    wait(lambda: "applied revision 2:" in story.output, "what was applied is told")
    wait(lambda: story.status()["services"]["collect"]["counters"].get("revision") == 2, "the collector took it over")
    assert story.status()["services"]["collect"]["restarts"] == restarts


def test_a_second_ctrl_c_ends_all_at_once_and_nothing_accepted_is_lost(story: Plant) -> None:
    recorded = story.samples()
    frozen = psutil.Process(story.pid("collect"))
    frozen.suspend()  # it would be waited for
    assert story.process is not None
    story.process.send_signal(signal.SIGINT)
    wait(lambda: "stopping (waits for collect" in story.output, "it says what it waits for")
    assert story.end(signal.SIGINT) == 130
    story.gone()
    started(story)
    nothing_lost_nothing_doubled(recorded, story.samples())


def test_killing_the_supervisor_leaves_no_process_and_a_restart_works_at_once(story: Plant) -> None:
    recorded = story.samples()
    kill(story.process.pid if story.process else 0)
    story.gone()
    assert story.status()["state"] == "stopped"
    assert not Counter(recorded) - Counter(story.samples())  # the log is started for reading, and gone again
    story.gone()
    started(story)
    nothing_lost_nothing_doubled(recorded, story.samples())


def test_a_watch_goes_on_when_the_plant_was_killed_and_started_again(story: Plant, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    with lines.open("w") as output:
        watching = subprocess.Popen([*PROGRAM, "watch", "--json", "--data", story.data], stdout=output, stderr=output)
        try:
            wait(lambda: lines.read_text().count("\n") > 30, "it watches")
            for process in set(processes(story.data)) - {psutil.Process(watching.pid)}:
                kill(process.pid)
            wait(lambda: "the log does not answer" in lines.read_text(), "it says that the log is away")
            started(story)
            count = lines.read_text().count("\n")
            wait(lambda: lines.read_text().count("\n") > count + 10, "it goes on")
        finally:
            watching.send_signal(signal.SIGINT)
            assert watching.wait(180) == 130


def test_a_watch_in_a_pipe_says_when_a_system_is_lost_and_when_it_is_back(story: Plant, tmp_path: Path) -> None:
    output = tmp_path / "watched.txt"
    with output.open("w") as file:
        words = [*PROGRAM, "watch", "heater", "--json", "--for", "10m", "--data", str(story.data)]
        watching = subprocess.Popen(words, stdout=file)

    def told() -> list[tuple[Any, ...]]:
        found = [json.loads(line) for line in output.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [(one["event"], one["system"], one["stale"], one["tags"]) for one in found if "event" in one]

    try:
        wait(output.read_text, "it has begun")
        kill(story.alive("simulation"))
        wait(lambda: told()[:1] == [("stale", "tank-farm", True, 3)], "the loss is told")
        wait(lambda: told()[1:2] == [("back", "tank-farm", False, 3)], "its return is told")
    finally:
        watching.terminate()
        watching.wait(180)


def test_status_says_which_systems_are_not_connected_and_fails(story: Plant) -> None:
    wait(lambda: story.status()["state"] == "ready", "all is well")
    assert invoke("status", "--data", story.data).returncode == 0
    file = story.data / "plant.yaml"
    head, bay = file.read_text().split("  dispatch/bay-1:\n")
    nobody = "systems:\n  elsewhere: {kind: opcua, url: opc.tcp://127.0.0.1:9}\n"
    moved = bay.replace("system: tank-farm", "system: elsewhere")
    file.write_text(head.replace("systems:\n", nobody, 1) + "  dispatch/bay-1:\n" + moved)
    wait(lambda: story.status()["not_connected"] == ["elsewhere"], f"it is tried: {story.output}")
    wait(lambda: story.status()["state"] == "not connected", "the services are ready")
    done = invoke("status", "--data", story.data)
    assert done.returncode == 1
    assert "20 tags: running, 1 of 2 systems not connected" in done.stdout.splitlines()[0]


def test_sigterm_stops_everything_in_good_order_within_its_deadline(story: Plant) -> None:
    assert story.end(signal.SIGTERM) == 0, story.output
    story.gone()
    said = story.status()
    assert (
        said["systems"]["tank-farm"] | {"state": "stopped", "last_state": "connected"} == said["systems"]["tank-farm"]
    )
    shown = invoke("status", "--data", story.data)
    assert shown.returncode == 1
    assert f"stopped, last heard of {said['heard'][:19]}Z" in shown.stdout.splitlines()[0]
    assert "tank-farm  stopped, was connected" in shown.stdout
    counters = said["counters"]
    assert counters["held"] == 0
    assert counters["recorded"] >= counters["accepted"] > 0
    assert "Traceback" not in story.output
    told = ends(story)
    assert {one for what, one in told[:2] if what == "told to end"} == {"collect", "serve"}  # side by side
    after = {one for what, one in told[4:] if what == "told to end"}
    assert after == {"record", "simulation"}, told  # what they are needed for has ended


def test_ctrl_c_ends_the_demo_quietly(demo: Plant) -> None:
    started(demo)
    url = demo.output.partition("Its server: ")[2].split()[0]
    assert f"url: {url}\n" in (demo.data / "plant.yaml").read_text()
    began = len(json.loads(invoke("events", "--json", "--data", demo.data).stdout))
    assert demo.end(signal.SIGINT) == 0, demo.output
    assert "Traceback" not in demo.output
    demo.gone()
    told = json.loads(invoke("events", "--json", "--data", demo.data).stdout)[began:]  # its server may have been slow
    assert told[-1]["message"] == "the plant is stopped"
    assert {event["severity"] for event in told} == {"information"}


def test_run_takes_the_last_applied_revision_and_says_when_the_file_differs(demo: Plant, tmp_path: Path) -> None:
    file = tmp_path / "plant.yaml"
    text = PLANT_FILE.read_text()
    file.write_text(text)
    assert run("apply", file, "--yes", "--data", demo.data).returncode == 0
    file.write_text(text.replace("unit: kW,", "unit: W,"))
    demo.words = ["run", str(file)]
    assert demo.start("--for", "1s").wait(180) == 0, demo.output
    assert "the plant file differs from the applied revision" in demo.output
    assert demo.status()["revision"] == 1
    told = [json.loads(line) for line in demo.output.splitlines()]
    assert {"log ready", "ready", "stopping"} < {line["event"] for line in told}
    words = [*PROGRAM, "run", str(file), "--data", str(demo.data), "--for", "4s", "--apply"]
    told_in_words = in_a_terminal(words)
    assert demo.status()["revision"] == 2
    assert "applied revision 2:\r\n  ~ tank-farm: is reopened" in told_in_words
    assert "acme/lyon runs: revision 2, 20 tags of 1 system, collected and recorded" in told_in_words
    assert f"history storage/tank-1/level --from -5m --data {demo.data}" in told_in_words
    assert "Z tank-farm: disconnected: " in told_in_words
    assert told_in_words.endswith(f"`isthmus run --data {demo.data}` goes on.\r\n")
    assert "{" not in told_in_words
    demo.gone()


def in_a_terminal(words: list[str]) -> str:
    """What a command shows in a terminal, until it ends well."""
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # Linux says EIO when the last one closes the terminal
            while more := screen.read(65536):
                shown += more
        assert process.wait(180) == 0, shown
    return shown.decode()


def test_nothing_to_run_is_said_and_nothing_is_made(tmp_path: Path) -> None:
    nothing = run("run", "--data", tmp_path / "none")
    assert nothing.returncode == 1
    assert "nothing was applied" in nothing.stderr
    assert not (tmp_path / "none").exists()


def test_a_plant_file_with_errors_is_refused_with_their_places(tmp_path: Path) -> None:
    file = tmp_path / "plant.yaml"
    file.write_text("version: 1\nplant: acme/lyon\ntime_zone: Mars/Olympus\n")
    refused = run("run", file)
    assert refused.returncode == 1
    assert "plant.yaml:3:12" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_a_service_alone_works_on_a_log_that_the_plant_file_names(
    log_server: LogServer, demo: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISTHMUS_SECRET_LOG", log_server.endpoint.password)
    file = tmp_path / "plant.yaml"
    text = PLANT_FILE.read_text()
    file.write_text(text)
    alone = ["run", str(file), "--service", "record", "--for", "1s", "--data", str(demo.data)]
    refused = await asyncio.to_thread(run, *alone)
    assert "a single service needs a log that runs elsewhere" in refused.stderr
    stream = f"stream: {{url: {log_server.endpoint.url!r}, user: admin, password: !secret log}}\n"
    file.write_text(text.replace("types:\n", stream + "\ntypes:\n", 1))
    done = await asyncio.to_thread(run, *alone, "--apply")
    assert done.returncode == 0, done.stderr
    assert list(demo.status()["services"]) == ["record"]
    assert (demo.data / "history" / "manifest.db").exists()
    assert not (demo.data / "log").exists()
    told = await asyncio.to_thread(run, "events", "--data", demo.data)
    assert "the plant is started" in told.stdout, told.stderr


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_two_hundred_rounds_of_random_kills(demo: Plant) -> None:
    dice = random.Random(2)
    started(demo)
    for _ in range(200):
        before = demo.samples()
        kill_some(demo, set(dice.sample(EVERYONE, dice.randint(1, len(EVERYONE)))))
        if dice.random() < 0.2:
            victims = processes(demo.data) if dice.random() < 0.5 else [demo.process]
            for process in victims:
                kill(process.pid if process else 0)
            demo.gone()
            started(demo)
        nothing_lost_nothing_doubled(before, demo.samples())
