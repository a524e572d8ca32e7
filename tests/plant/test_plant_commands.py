# SPDX-License-Identifier: Apache-2.0
"""check, plan, apply, rollback, revisions and schema as a person or a script uses them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from isthmus.plant.number import NONE_GIVEN
from isthmus.store.ledger import Ledger

PLANT = """\
version: 1
plant: acme/lyon
time_zone: Europe/Paris
systems:
  dcs: {kind: opcua, url: "opc.tcp://localhost:4840"}
assets:
  a/tank-{1..2}:
    system: dcs
    tags:
      level: {address: "nsu=urn:x;s=T{n}.L", unit: m}
      temp: {address: "nsu=urn:x;s=T{n}.T", unit: Cel}
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


Isthmus = Callable[..., Ended]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "plant.yaml").write_text(PLANT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ISTHMUS_DATA", raising=False)
    return tmp_path


@pytest.fixture
def process(folder: Path) -> Isthmus:
    """Runs the program in the plant's folder, with nobody at the keyboard."""

    def run(*arguments: str) -> Ended:
        command = [sys.executable, "-W", "error", "-m", "isthmus", *arguments]
        ended = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False
        )
        assert "Traceback" not in ended.stderr
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def isthmus(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Isthmus:
    """The same without the second that a process takes to start."""
    from isthmus.app.cli import main

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["isthmus", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, said.out, said.err)

    return run


def change(folder: Path, old: str, new: str) -> None:
    text = (folder / "plant.yaml").read_text()
    assert old in text
    (folder / "plant.yaml").write_text(text.replace(old, new))


def test_the_day_of_a_plant_file(isthmus: Isthmus, process: Isthmus, folder: Path) -> None:
    """Checked, planned, applied, a tag renamed wrongly and rightly, rolled back: as the tour in the README goes."""
    assert isthmus("check").stdout == ".: all is well: 1 system, 2 assets, 4 tags\n"
    planned = isthmus("plan")
    assert "+ dcs: opens (opcua, 4 tags)" in planned.stdout
    assert not (folder / "data").exists()

    asked = process("apply")
    assert (asked.returncode, "say --yes" in asked.stderr) == (1, True)
    applied = process("apply", "--yes", "-m", "the first", "--author", "ada")
    assert applied.stdout.endswith("revision 1 is applied\n")
    assert isthmus("apply", "--yes").stdout == "data directory: data\nnothing to do: revision 1 says the same\n"

    change(folder, "temp:", "temperature:")
    refused = isthmus("apply", "--yes")
    assert refused.returncode == 1
    assert "stops recording acme/lyon/a/tank-1/temp, acme/lyon/a/tank-2/temp" in refused.stderr
    assert "\n  plant.yaml:11:7: in `temperature` write `was: temp`\n" in refused.stderr
    assert "apply will refuse this" in isthmus("plan").stderr

    change(folder, "temperature: {", "temperature: {was: temp, ")
    assert "> acme/lyon/a/tank-1/temperature: was acme/lyon/a/tank-1/temp; keeps its history" in isthmus("plan").stdout
    assert isthmus("apply", "--yes").returncode == 0

    back = isthmus("rollback", "--yes")
    assert "> acme/lyon/a/tank-1/temp: was acme/lyon/a/tank-1/temperature" in back.stdout
    assert back.stdout.endswith("revision 3 is applied\n")
    listed = isthmus("revisions").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["*", "2", "1"]
    assert listed[0].endswith("back to revision 1")
    assert listed[2].endswith("ada  the first")


def test_a_plant_file_that_is_not_there_is_said_once(isthmus: Isthmus, folder: Path) -> None:
    assert "other.yaml:1:1: there is no file 'other.yaml'\n" in isthmus("check", "other.yaml").stderr
    (folder / "empty").mkdir()
    assert "; name the plant file, or the folder in which it lies\n" in isthmus("check", "empty").stderr


def test_check_says_every_mistake_and_fails(isthmus: Isthmus, folder: Path) -> None:
    change(folder, "unit: m}", "unti: m}")
    change(folder, "kind: opcua", "kind: opcau")
    ended = isthmus("check", "plant.yaml")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "plant.yaml:5:15: systems.dcs.kind: there is no kind of system 'opcau'; did you mean 'opcua'?",
        "plant.yaml:10:46: assets.a/tank-1.tags.level.unti: a tag of its own has no key 'unti' (and 1 more like it); "
        "did you mean 'unit'?",
    ]
    told = json.loads(isthmus("check", "--json").stdout)
    assert told["ok"] is False
    assert [(problem["line"], problem["column"]) for problem in told["problems"]] == [(5, 15), (10, 46)]


def test_check_says_what_is_not_read(isthmus: Isthmus, folder: Path) -> None:
    change(folder, "assets:", "types:\n  tank: {tags: {level: , sump: }}\nassets:\n  b: {type: tank, system: dcs}")
    assert isthmus("check").stdout.splitlines()[:2] == [
        "tank.level: not read: 1 asset of the type gives no address for it",
        "tank.sump: not read: 1 asset of the type gives no address for it",
    ]
    assert json.loads(isthmus("check", "--json").stdout)["unread"] == {"tank.level": 1, "tank.sump": 1}


def test_a_mistake_in_an_included_file_names_that_file(isthmus: Isthmus, folder: Path) -> None:
    change(folder, "systems:", "include: [more/tanks.yaml]\nsystems:")
    (folder / "more").mkdir()
    (folder / "more" / "tanks.yaml").write_text("types:\n  tank: {tags: {level: {unit: metres}}}\n")
    for command in (["check"], ["plan"], ["apply", "--yes"], ["check", "plant.yaml"]):
        ended = isthmus(*command)
        assert ended.stderr.startswith("more/tanks.yaml:2:31: types.tank.tags.level.unit: 'metres' is not a unit")


def test_a_file_with_mistakes_is_not_applied(isthmus: Isthmus, folder: Path) -> None:
    change(folder, "unit: m}", "unti: m}")
    for command in ("plan", "apply"):
        ended = isthmus(command, *(["--yes"] if command == "apply" else []))
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "did you mean 'unit'?" in ended.stderr
    assert not (folder / "data").exists()


def test_scripts_get_json(isthmus: Isthmus, folder: Path) -> None:
    def told(*arguments: str) -> Any:
        return json.loads(isthmus(*arguments, "--json").stdout)

    assert told("check") == {
        "ok": True,
        "problems": [],
        "systems": 1,
        "assets": 2,
        "tags": 4,
        "unread": {},
        "in_plant_time": [],
    }
    assert told("plan")["number"] == 1
    applied = told("apply", "--yes")
    assert (applied["applied"], applied["number"], applied["previous"]) == (True, 1, None)
    assert told("apply", "--yes")["applied"] is False
    change(folder, "temp:", "temperature:")
    planned = told("plan")
    assert [gone["path"] for gone in planned["removed"]] == ["acme/lyon/a/tank-1/temp", "acme/lyon/a/tank-2/temp"]
    assert "stops recording" in planned["refused"]
    assert told("apply", "--yes", "--remove")["number"] == 2
    assert told("rollback", "1", "--data", "data", "--yes")["number"] == 3
    assert [(line["number"], line["runs"]) for line in told("revisions")] == [(3, True), (2, False), (1, False)]


def test_the_data_directory_is_where_it_is_said_to_be(
    isthmus: Isthmus, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isthmus("apply", "--yes", "--data", "here")
    with monkeypatch.context() as here:
        here.setenv("ISTHMUS_DATA", str(folder / "there"))
        isthmus("apply", "--yes")
        for words in (["plan"], ["apply"], ["rollback", "1", "--yes"]):
            assert isthmus(*words).stdout.startswith(f"data directory: {folder}/there (ISTHMUS_DATA)\n")
        assert isthmus("plan", "--data", "here").stdout.startswith("data directory: here\n")
    isthmus("apply", "plant.yaml", "--yes")
    for name in ("here", "there", "data"):
        with Ledger.open(folder / name) as ledger:
            assert ledger.current_number() == 1
    assert isthmus("revisions", "here").returncode == 0
    assert isthmus("revisions", "nowhere").stderr.startswith("isthmus: there is no 'nowhere'")


def test_a_roll_back_goes_where_it_is_told(isthmus: Isthmus, folder: Path) -> None:
    assert "there is no plant" in isthmus("rollback").stderr
    isthmus("apply", "--yes")
    assert "there is no revision before 1" in isthmus("rollback", "--yes").stderr
    change(folder, "unit: m}", "unit: cm}")
    isthmus("apply", "--yes")
    assert "there is no revision 7; there are 1 to 2" in isthmus("rollback", "plant.yaml", "7", "--yes").stderr
    assert isthmus("rollback", "data", "1", "--yes").returncode == 0
    with Ledger.open(folder / "data") as ledger:
        current = ledger.current()
        assert current is not None
        assert [setting.tag.number for setting in current.tags] == [1, 2, 3, 4]
        assert ledger.numbers() != NONE_GIVEN
    assert isthmus("rollback", "--yes").returncode == 0  # and back again


def test_an_apply_asks_the_person_at_the_keyboard(folder: Path) -> None:
    for answer, applied in (("n", False), ("y", True)):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "isthmus", "apply"], cwd=folder, stdin=theirs, stdout=subprocess.PIPE, text=True
        )
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        out, _ = process.communicate(timeout=180)
        os.close(ours)
        assert "Make this revision 1?" in out
        assert ("revision 1 is applied" in out) == applied
        assert (process.returncode == 0) == applied


def test_the_schema_is_printed(isthmus: Isthmus) -> None:
    told = json.loads(isthmus("schema").stdout)
    assert told["title"] == "Isthmus plant file"
    assert "system opcua" in told["$defs"]


@pytest.mark.parametrize("command", ["check", "plan", "apply", "rollback", "revisions", "schema"])
def test_every_command_has_help_with_an_example(isthmus: Isthmus, command: str) -> None:
    said = isthmus(command, "--help").stdout
    assert "Example" in said
    assert f"isthmus {command}" in said


def test_words_that_are_not_utf_8_are_kept_as_well_as_they_can(isthmus: Isthmus, process: Isthmus) -> None:
    assert process("apply", "--yes", "-m", "caf\udce9").returncode == 0
    assert "caf" in isthmus("revisions").stdout
