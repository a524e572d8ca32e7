# SPDX-License-Identifier: Apache-2.0
"""The chemical plant with its two servers and the whole of Isthmus around it, as people start it.

The tests share one plant and tell one story, in their order; it begins with a past.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import Any

import psutil
import pytest
from asyncua import Client

from isthmus.app.demo.chemical import node_server, truth
from isthmus.app.demo.chemical.faces import FACES
from isthmus.app.demo.chemical.plant import rows
from isthmus.app.recorded import recorded
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.quality import GOOD
from tests.app.conftest import Plant, invoke, plant, processes, wait
from tests.app.test_app_readme import shape, told
from tests.conftest import needed
from tests.peers import mosquitto, postgres
from tests.peers.opcua_peer import HERE, need_node

TAGS = len(list(rows()))
AWAY = ("meters", "treatment", "quality")
"""Systems that need programs of others."""
PRESSURE = "utilities/cooling-water/supply-pressure"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    needed(mosquitto.HERE, mosquitto.WHAT)
    needed(postgres.HERE and which("psql"), postgres.WHAT)
    with pytest.MonkeyPatch.context() as patch, plant(tmp_path_factory.mktemp("chemical")) as made:
        patch.setenv("NODE_PATH", str(HERE / "node_modules"))
        made.words = ["demo", "chemical"]
        died = made.start("--past", "6h", "--fault", "drift:R1.TT203@-3h")
        wait(lambda: "Filling in the past" in made.output, f"its past is filled in: {made.output}")
        died.kill()
        made.gone()  # its child looks whether its parent is there when it has imported what it needs
        made.start()  # it goes on with its past by itself
        made.ready(300)
        wait(lambda: good(made) == TAGS, f"all {TAGS} tags are good: {made.output}", 400)
        yield made


def good(made: Plant, *away: str) -> int:
    """Tags with a good value from a system that is connected; those that are known to be away do not count."""
    systems = [system for name, system in made.status()["systems"].items() if name not in away]
    if any(system["state"] != "connected" for system in systems):
        return 0
    tags, bad = (sum(system[what] for system in systems) for what in ("tags", "bad"))
    if bad:  # the next question costs more
        return int(tags - bad)
    fresh = {row.setting.tag.path for row in found(made, "**", "-3s") if row.quality == GOOD}
    return int(tags) if len(fresh) > 100 else 0


def found(made: Plant, pattern: str, start: str) -> list[Any]:
    return list(asyncio.run(recorded(Place(made.data), [pattern], start, "now")).rows())


def newest(made: Plant, tag: str) -> float:
    """The last good value."""
    return float(next(row.value for row in reversed(found(made, tag, "-10m")) if row.quality == GOOD))


def url(made: Plant, system: str) -> str:
    return next(line.split()[2] for line in made.output.splitlines() if f"/{system} (" in line)


def killed(made: Plant, *names: str) -> None:
    """Kills processes of the plant, and waits until they are others and all is good again."""
    before = {name: made.alive(name) for name in names}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)

    def back() -> bool:
        services = made.status()["services"]
        return all(services[name]["pid"] not in (None, pid) for name, pid in before.items())

    wait(back, f"{names} are back")
    wait(lambda: made.status()["state"] == "ready" and good(made) == TAGS, f"all is good again: {made.output}", 400)


def test_the_banner_says_which_servers_there_are(story: Plant) -> None:
    second = "node-opcua" if node_server.program() else "asyncua; node-opcua was not found"
    assert f"/dcs (asyncua)\nIts server: {url(story, 'packages')} ({second})\n" in story.output
    assert f"{TAGS} tags of {len(FACES)} systems" in story.output


def test_other_programs_can_call_it_as_its_page_says(story: Plant) -> None:
    page = (Path(__file__).parents[2] / "docs/chemical-plant.md").read_text().split("## Calling it", 1)[1]
    table = story.output.partition("with other programs:")[2]
    doors = dict(re.findall(r"^  (\S.*?)  +\S*?:(\d+)", table, re.MULTILINE))
    ports = {"mosquitto_sub": doors["MQTT broker"], "uaread": doors["OPC UA server"], "psql": doors["PostgreSQL"]}
    secret = f"export PGPASSWORD=$(cat '{story.data}/secrets/quality')\n"
    ran = []
    for block in re.findall(r"^```\n(.*?)^```", page.split("\n## ", 1)[0], re.MULTILINE | re.DOTALL):
        for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, sample = piece.partition("\n")
            if (program := command.split()[0]) == "export":
                continue
            here = re.sub(r"(-p |127\.0\.0\.1:)\d+", rf"\g<1>{ports[program]}", command)
            told(sample, in_shell(secret + here), lambda line: re.sub("-+", "-", shape(line)))
            ran.append(program)
    assert ran == ["mosquitto_sub", "uaread", "psql", "psql"]


def in_shell(words: str) -> str:
    """What a person sees who types this, with our programs on the path."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(["bash", "-c", words], env={**os.environ, "PATH": path}, capture_output=True, text=True,
                          timeout=180, check=False)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), words
    return done.stdout


def test_the_second_server_is_node_opcua_where_that_is_there(story: Plant) -> None:
    need_node()
    assert psutil.Process(story.pid("packages")).name().startswith("node")
    assert f"{url(story, 'packages')} (node-opcua)" in story.output


def test_every_tag_of_the_model_is_on_its_server(story: Plant) -> None:
    for system, letter in (("dcs", "A"), ("packages", "B")):
        shown = invoke("browse", url(story, system)).stdout
        for row in rows():
            assert (f';s={row.tag.address}"' in shown) == (row.tag.server == letter), row.tag.address


def test_values_arrive_in_the_plants_units_whatever_the_servers_speak(story: Plant) -> None:
    asyncio.run(_same(story))


async def _same(story: Plant) -> None:
    """psi with an implied decimal point and degrees Fahrenheit on the wire, bar and degrees Celsius in history."""
    async with Client(url(story, "packages"), timeout=90) as client:
        index = await client.get_namespace_index("urn:isthmus:chemical:packages")
        column = f"ns={index};s=Plant/Distillation Unit/Column C-301"
        pressure = await client.get_node(f"{column}/Top Pressure (x100)").read_value()
        sump = await client.get_node(f"{column}/Sump/Temperature (x10)").read_value()
    now = await asyncio.to_thread(newest, story, "distillation/column/top-pressure")
    assert now == pytest.approx(pressure * 0.01 * 0.0689476, rel=0.02)
    now = await asyncio.to_thread(newest, story, "distillation/column/sump/temperature")
    assert now == pytest.approx((sump / 10 - 32) / 1.8, abs=1.0)


def test_the_past_stands_in_history_marked_as_such_and_the_present_goes_on_from_it(story: Plant) -> None:
    made = found(story, "production/product-made", "-7h")
    values = [row.value for row in made]
    past = [row for row in made if row.mark]
    assert values == sorted(values)
    assert past[-1].time - past[0].time > 5.5 * 3600 * time.SECOND
    assert len(past) < len(made)
    summed = invoke(
        "history", "reaction/reactor-1/temperature", "--from", "-5h", "--to", "-1h", "--every", "1h",
        "--aggregate", "TimeAverage2", "--format", "json", "--data", story.data,
    )  # fmt: skip
    assert summed.returncode == 0, summed.stderr
    assert "Good" in summed.stdout


def test_a_fault_of_the_past_has_its_true_beginning_on_file(story: Plant) -> None:
    (line,) = truth.read(story.data / "simulation/truth.jsonl")
    assert (line.what, line.kind, line.target) == ("begin", "drift", "R1.TT203")
    assert 2.9 * 3600 < (time.now() - time.from_iso(line.at)) / time.SECOND < 3.2 * 3600


def test_what_is_killed_comes_back_and_the_plant_goes_on_where_it_stood(story: Plant) -> None:
    before = newest(story, "production/product-made")
    killed(story, "packages", "dcs", "simulation", "field", "broker", "database")
    assert newest(story, "production/product-made") >= before - 50  # kg; half a minute may be lived again
    assert len(truth.read(story.data / "simulation/truth.jsonl")) == 1


def test_a_fault_switched_on_changes_the_physics_that_history_sees(story: Plant) -> None:
    before, lived = newest(story, PRESSURE), found(story, PRESSURE, "-10m")[-1].time  # by the plant's own clock
    words = ["demo", "fault", "start", "cooling-loss", "P411", "--severity", "1", "--ramp", "2s"]
    done = invoke(*words, "--data", story.data)
    assert done.returncode == 0, done.stderr
    assert "It will show: header pressure and water flows fall" in done.stdout
    wait(lambda: newest(story, PRESSURE) < 0.7 * before, "the pressure falls")
    line = truth.read(story.data / "simulation/truth.jsonl")[-1]
    assert (line.what, line.kind, line.severity) == ("begin", "cooling-loss", 1.0)
    assert lived <= time.from_iso(line.at) < found(story, PRESSURE, "-10m")[-1].time  # the fall came after it
    assert "cooling-loss  P411" in invoke("demo", "fault", "list", "--data", story.data).stdout


def test_nothing_the_platform_says_names_the_fault(story: Plant) -> None:
    assert "cooling-loss" not in invoke("events", "--data", story.data).stdout
    read = [path for path in walked(story.data) if "simulation" not in path.relative_to(story.data).parts]
    assert any(path.name == "collect.log" for path in read)
    assert [path for path in read if b"cooling-loss" in content(path)] == []


def walked(folder: Path) -> Iterator[Path]:
    """Every file below a folder in which files come and go."""
    for where, _, names in os.walk(folder):
        yield from (Path(where, name) for name in names)


def content(file: Path) -> bytes:
    """What is in it; nothing where it is gone by now, or nothing to read from."""
    with suppress(FileNotFoundError):
        return file.read_bytes() if file.is_file() else b""
    return b""


def test_a_repaired_fault_is_over(story: Plant) -> None:
    low = newest(story, PRESSURE)
    known = json.loads(invoke("demo", "fault", "list", "--json", "--data", story.data).stdout)["faults"]
    (number,) = (one["number"] for one in known if one["kind"] == "cooling-loss")
    assert invoke("demo", "fault", "clear", str(number), "--data", story.data).returncode == 0
    wait(lambda: newest(story, PRESSURE) > 1.3 * low, "the pressure rises")
    assert truth.read(story.data / "simulation/truth.jsonl")[-1].what == "end"


def test_a_sensor_that_freezes_is_called_by_its_path_and_stands_still(story: Plant) -> None:
    done = invoke("demo", "fault", "start", "freeze", "reactor-2/level", "--for", "3s", "--data", story.data)
    assert "freeze of R2.LT211" in done.stdout, done.stderr

    def told() -> list[int]:
        lines = truth.read(story.data / "simulation/truth.jsonl")
        return [time.from_iso(line.at) for line in lines if line.kind == "freeze"]

    wait(lambda: len(told()) == 2, "it is over by itself")
    begin, end = told()
    times = [row.time for row in found(story, "reaction/reactor-2/level", "-10m")]
    assert not [at for at in times if begin + time.SECOND < at < end - time.SECOND]
    assert [at for at in times if at < begin]


def test_the_operators_take_orders(story: Plant) -> None:
    assert "grade change" in invoke("demo", "order", "premium", "--data", story.data).stdout
    wait(lambda: newest(story, "production/grade") == 2, "history sees the other grade")
    assert "stopping" in invoke("demo", "order", "stop", "--for", "1h", "--data", story.data).stdout
    wait(lambda: newest(story, "production/phase") == 5, "history sees the plant being stopped")


def test_an_included_file_is_followed_too(story: Plant) -> None:
    file = story.data / "types.yaml"
    file.write_text(file.read_text().replace('description: "Per phase"', 'description: "In each phase"'))
    wait(lambda: "applied revision 2:" in story.output, f"it is applied: {story.output}")


def test_a_demo_that_is_killed_leaves_no_process_and_its_backup_goes_on_also_without_node_broker_and_database(
    story: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before, ended = newest(story, "production/product-made"), truth.read(story.data / "simulation/truth.jsonl")
    assert story.process is not None
    assert len(processes(story.data)) >= 12
    story.process.kill()
    story.gone()
    assert invoke("backup", tmp_path / "demo.tar", "--data", story.data).returncode == 0
    story.data = story.data.with_name("restored")
    assert invoke("restore", tmp_path / "demo.tar", "--data", story.data).returncode == 0
    assert not (story.data / "simulation/desk.json").exists()
    monkeypatch.delenv("NODE_PATH")
    monkeypatch.setenv("PATH", "/nonexistent")
    started = story.output.count("Ctrl-C stops.")
    story.start("--tempo", "60")
    wait(lambda: story.output.count("Ctrl-C stops.") > started, f"it runs: {story.output}")
    missing = [row for row in rows() if row.tag.server in AWAY]
    wait(lambda: good(story, *AWAY) == TAGS - len(missing), f"all else is good again: {story.output}", 400)
    wait(
        lambda: {story.status()["systems"][name]["state"] for name in AWAY} == {"disconnected"},
        "those that are missing are said to be",
    )
    assert "Missing: mosquitto is not installed: " in story.output
    assert "Missing: postgres is not installed: " in story.output
    assert newest(story, "production/product-made") >= before - 50
    assert newest(story, "production/grade") == 2
    assert truth.read(story.data / "simulation/truth.jsonl") == ended
    assert "Not applied" not in story.output
    assert "/packages (asyncua; node-opcua was not found)" in story.output


def test_ctrl_c_ends_all_of_it_quietly(story: Plant) -> None:
    assert story.end(signal.SIGINT) == 0, story.output
    story.gone()
    assert "Traceback" not in story.output
    assert "never retrieved" not in story.output


def test_a_past_is_for_a_new_plant(story: Plant) -> None:
    refused = invoke("demo", "--past", "1d", "--data", story.data)
    assert refused.returncode == 1
    assert "lived already" in refused.stderr


def test_the_plant_file_of_another_demo_is_not_taken(story: Plant) -> None:
    refused = invoke("demo", "tank-farm", "--data", story.data)
    assert refused.returncode == 1
    assert "is not the plant file of the demo tank-farm: it reads dcs, packages" in refused.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["tank-farm", "--past", "1d"], "the tank farm has no --past"),
        (["--past", "1m"], "--past takes a span from 1h to 366d, or 0 for none"),
        (["--fault", "fouling"], "'fouling' names no fault; say KIND:TARGET"),
        (["--fault", "fouling:E101@soon"], "'soon' is not a duration"),
        (["--past", "0", "--fault", "fouling:E101@-1d"], "needs a past"),
        (["--fault", "fouling:E101@-31d"], "begins before the past"),
        (["--past", "1d", "--fault", "fouling:E101@-2d"], "begins before the past"),
        (["--past", "1d", "--fault", "rust:E101@-1h"], "there is no fault 'rust'"),
        (["--past", "1d", "--fault", "fouling:P101@-1h"], "'P101' cannot have fouling"),
        (["fault", "list"], "no chemical plant is simulated here; start it"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence_and_nothing_is_made(
    tmp_path: Path, words: list[str], reason: str
) -> None:
    refused = invoke("demo", *words, "--data", tmp_path / "none")
    assert refused.returncode in (1, 2)
    assert reason in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "none").exists()


def test_a_server_whose_simulation_never_comes_ends_when_it_is_told_to(tmp_path: Path) -> None:
    words = [
        sys.executable, "-m", "isthmus.app.demo.chemical.server", "--system", "dcs", "--port", "0", "--folder",
        str(tmp_path), "--status", str(tmp_path / "dcs.json"), "--parent", str(os.getpid()),
    ]  # fmt: skip
    made = subprocess.Popen(words)
    wait((tmp_path / "dcs.json").exists, "it says that it lives")
    made.terminate()
    assert made.wait(180) == 0
