# SPDX-License-Identifier: Apache-2.0
"""The command line: light to start, every command documented, errors in words, exit codes as promised."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from isthmus.app.cli.commands import HEADINGS, MODULES, app
from isthmus.app.cli.history_group import ASKING
from tests.app.conftest import PROGRAM, invoke, run

HEAVY = ("asyncua", "pyarrow", "numpy", "sqlalchemy", "nats", "pydantic", "alembic", "pint")
TOP: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def _commands() -> dict[str, Any]:
    """Every command by the words that call it: `watch`, `history`, `history compact`."""
    beside = {f"{name} {one}": command for name in TOP for one, command in getattr(TOP[name], "named", dict)().items()}
    return {name: getattr(command, "commands", {ASKING: command})[ASKING] for name, command in TOP.items()} | beside


COMMANDS = _commands()


def test_help_imports_nothing_heavy() -> None:
    script = f"""
import sys
sys.argv = ["isthmus", "--help"]
from isthmus.app.cli import main
try:
    main()
except SystemExit:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=180)
    assert done.stderr == "[]\n"


def test_help_lists_every_command_under_a_heading() -> None:
    assert sorted(TOP) == sorted(name for names in HEADINGS.values() for name in names)
    shown = run("--help").stdout
    assert "..." not in shown.partition("Run:")[2]
    assert all(f"\n  {name} " in shown for name in TOP)
    assert len(MODULES) == len(set(MODULES))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_what_it_does_with_examples_and_describes_its_options(name: str) -> None:
    command = COMMANDS[name]
    assert len(command.help.splitlines()[0]) > 15
    assert "isthmus " in command.help.split("Example", 1)[1]
    assert [parameter.name for parameter in command.params if not parameter.help and parameter.name != "help"] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_shows_its_help(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"], prog_name="isthmus")
    assert shown.exit_code == 0
    assert shown.output.startswith(f"Usage: isthmus {name}")


def test_a_wrong_word_exits_2_and_offers_the_right_one() -> None:
    done = run("wach")
    assert done.returncode == 2
    assert "Did you mean 'watch'?" in done.stderr
    assert run("watch", "--nonsense").returncode == 2
    xml = run("history", "x", "--format", "xml")
    assert xml.returncode == 2
    assert "Invalid value for '--format': 'xml' is not one of 'table', 'csv'" in xml.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["watch"], ["history", "x"], ["events"], ["status"], ["status", "--json"], ["backup", "b.tar"],
        ["restore", "none.tar", "--data", "new"], ["run"], ["history", "x", "--from", "yesterday"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence_and_exits_1(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke(*words)
    assert done.returncode == 1
    assert done.stderr.startswith("isthmus: ")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_an_error_is_shown_without_a_traceback(tmp_path: Path) -> None:
    done = run("watch", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("isthmus: data: there is no plant here; ")


def test_a_tag_called_like_a_command_beside_history_is_asked_for_after_two_dashes(tmp_path: Path) -> None:
    history = TOP["history"]
    beside = {name: history.named()[name] for name in history.named()}
    assert ASKING not in beside
    asked = invoke("history", "--data", tmp_path / "none", "--", "correct")
    assert "there is no plant here" in asked.stderr
    assert "Commands:" in invoke("history", "--help").stdout or not beside
    assert "isthmus history -- compact" in invoke("history", "--help").stdout.replace("\n  ", " ")


def test_ctrl_c_is_quiet_and_exits_130(tmp_path: Path) -> None:
    words = [*PROGRAM, "history", "x", "--data", str(tmp_path)]
    script = f"""
import os, signal, sys
from isthmus.app.cli import main
import isthmus.app.cli.history_command as command
sys.argv = {words[2:]!r}
command.data_folder = lambda *_: os.kill(os.getpid(), signal.SIGINT)
main()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=180)
    assert (done.returncode, done.stderr) == (130, "")


def test_a_reader_that_has_enough_is_no_error() -> None:
    done = subprocess.run(
        f"{' '.join(PROGRAM)} schema | head -c 10", shell=True, capture_output=True, check=False, timeout=180
    )
    assert b"Traceback" not in done.stderr


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == "isthmus 0.1.0\n"


def test_the_systemd_unit_runs_this_program_on_that_directory(tmp_path: Path) -> None:
    unit = run("service", "--data", tmp_path / "my plant", "--user", "opc").stdout
    assert f'run --data "{tmp_path / "my plant"}"' in unit
    assert "User=opc" in unit
    assert "Type=notify" in unit


def test_doctor_measures_this_machine_and_leaves_nothing(tmp_path: Path) -> None:
    done = run("doctor", "--json", "--data", tmp_path / "new")
    assert done.returncode == 0, done.stdout
    found = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert "fsync p50" in found["safe writes"]["what"]
    assert "will be made" in found["data directory"]["what"]
    assert found["log server"]["what"].startswith("nats-server: v2.")
    assert list(tmp_path.iterdir()) == []


def test_doctor_exits_1_when_something_would_stop_a_plant(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("doctor", "--data", tmp_path, "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "stops" in done.stdout


@pytest.mark.parametrize("words", [["history", "**", "-o"], ["history", "**", "--format", "parquet", "-o"], ["backup"]])
def test_a_file_in_no_folder_is_refused_before_anything_is_read(tmp_path: Path, words: list[str]) -> None:
    done = invoke(*words, tmp_path / "none" / "x", "--data", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path / 'none'}: is no folder; make it" in done.stderr, done.stderr
