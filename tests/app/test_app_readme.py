# SPDX-License-Identifier: Apache-2.0
"""The README's tour and the quick start: commands are run, and what the tour shows is what they print, but for numbers.

Both are told of one tank farm, in the order of these tests; what they change in its plant file is the same.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.app.conftest import Plant, invoke, plant, wait
from tests.app.test_app_look import in_terminal

README: Final = Path(__file__).parents[2] / "README.md"
QUICK_START: Final = Path(__file__).parents[2] / "docs" / "quick-start.md"
DATA: Final = "tank-farm-data"


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A tank farm that runs in the directory that both pages name, with something to look back at."""
    with plant(tmp_path_factory.mktemp("pages"), DATA) as made:
        made.start()
        made.ready()
        wait(lambda: made.status()["counters"]["accepted"] > 400, "samples are accepted")
        yield made


@pytest.fixture
def here(farm: Plant, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The folder that the farm's is in, and our program on the path."""
    monkeypatch.chdir(farm.data.parent)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return monkeypatch


def blocks() -> list[str]:
    """What stands between fences in the tour."""
    tour = README.read_text().split("## A tour", 1)[1]
    return re.findall(r"^```\n(.*?)^```", tour, re.MULTILINE | re.DOTALL)


def shape(line: str) -> str:
    """A line without what differs from one moment and one machine to the next."""
    line = line.replace("process", "process ")
    line = re.sub(r"\b(true|false|off|heating|holding|full power)\b", "STATE", line)
    line = re.sub(r"\b(kB|MB|GB)\b", "B", line)
    line = re.sub(r"(?<=\d) [smhd]\b", " AGE", line)
    line = re.sub(r"\bLYO-\d+-[A-Z]\b", "", line)  # the truck that is at the bay just now
    line = re.sub(r"-?\d[\d.,:TZ-]*", "N", line)
    return " ".join(line.split())


def told(sample: str, printed: str, alike: Callable[[str], str] = shape) -> None:
    """Fails unless every line of a sample was printed, in its order."""
    lines = iter([alike(line) for line in printed.splitlines()])
    for line in sample.splitlines():
        if line.strip() != "...":
            assert alike(line) in lines, f"{line!r} is not in, or not in its place of\n{printed}"


def printed(command: str, farm: Plant) -> str:
    """What one line of the tour prints in the folder of the plant."""
    if command == "isthmus watch":
        shown = in_terminal("watch", "--for", "3s", "--data", str(farm.data))
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.rpartition("\x1b[H")[2]).replace("\r", "")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "ISTHMUS_DATA": DATA}
    done = subprocess.run(
        ["bash", "-c", command], cwd=farm.data.parent, env=environment, capture_output=True, text=True, check=False,
        timeout=180,
    )  # fmt: skip
    if command == "isthmus status" and "1 tag bad" in done.stdout:  # the loose contact, for twelve seconds
        wait(lambda: not farm.status()["bad"], "no tag is bad")
        return printed(command, farm)
    assert (done.returncode, done.stderr) == (0, ""), command
    return done.stdout


def asked(farm: Plant) -> Iterator[tuple[str, str]]:
    """(command, what the tour shows of it), the server's address as it is here."""
    url = next(iter(re.findall(r"opc\.tcp://\S+", (farm.data / "plant.yaml").read_text())))
    for block in blocks():
        for piece in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, sample = piece.partition("\n")
            yield re.sub(r"opc\.tcp://\S+", url, command), sample


def edit(farm: Plant, *changes: tuple[str, str]) -> None:
    text = (farm.data / "plant.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (farm.data / "plant.yaml").write_text(text)


def test_the_commands_of_the_tour_print_what_it_shows(farm: Plant) -> None:
    commands = [command.split() for command, _ in asked(farm)]
    assert [words[1] for words in commands] == [".venv/bin/activate", "ISTHMUS_DATA=tank-farm-data", "watch",
                                                "history", "status", "browse"]  # fmt: skip
    for command, sample in list(asked(farm))[2:]:
        told(sample, printed(command, farm))


def test_the_quick_start_looks_at_values_and_history(farm: Plant, here: pytest.MonkeyPatch) -> None:
    scripts, _ = quick_start()
    wait(lambda: farm.status()["state"] == "ready", f"all is well: {farm.output}")
    one_by_one(scripts[:3], here)


def test_the_tour_shows_what_is_said_of_a_mistake_and_of_an_undeclared_rename(farm: Plant) -> None:
    mistake, rename = [block for block in blocks() if "$ " not in block]
    edit(farm, ("unit: kW,", "unit: kilowatt,"))
    wait(lambda: "Not applied" in farm.output, "the mistake is told")
    edit(farm, ("unit: kilowatt,", "unit: kW,"))
    wait(lambda: "right again" in farm.output, "it is told that it is mended")
    told(mistake, farm.output.replace(f"{farm.data.parent}/", ""), str)
    edit(farm, ("level: {", "height: {"))
    wait(lambda: "stops recording" in farm.output, "the removal is refused")
    renamed(farm)
    told(rename, farm.output.replace(f"{farm.data.parent}/", ""), str)


def test_the_rest_of_the_quick_start_finds_the_history_under_the_new_name(
    farm: Plant, here: pytest.MonkeyPatch
) -> None:
    shown = invoke("history", "storage/tank-1/height", "--from", "-5m", "--data", farm.data, "--format", "csv").stdout
    assert len(shown.splitlines()) > 20
    scripts, _ = quick_start()
    wait(lambda: farm.status()["state"] == "ready", f"all is well: {farm.output}")
    one_by_one([scripts[0], *scripts[3:]], here)


@pytest.mark.soak
def test_the_quick_start_does_what_it_says_in_a_shell_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with plant(tmp_path, DATA) as own:
        own.start()
        own.ready()
        wait(lambda: own.status()["counters"]["accepted"] > 400, "samples are accepted")
        scripts, _ = quick_start()
        in_a_shell("".join(scripts[:3]))
        edit(own, ("level: {", "height: {"))
        renamed(own)
        in_a_shell("".join([scripts[0], *scripts[3:]]))


def quick_start() -> tuple[list[str], str]:
    """The page's scripts, and the line of the plant file that it has people write."""
    page = QUICK_START.read_text()
    scripts = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(scripts) == 6
    (line,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return scripts, line


def renamed(farm: Plant) -> None:
    """The type's tag is `height` with the line of the quick start, which says what it was called."""
    text, revision = (farm.data / "plant.yaml").read_text(), farm.status()["revision"]
    new = re.sub(r"^      height: \{unit: m,.*\n", quick_start()[1], text, flags=re.MULTILINE)
    assert new != text
    (farm.data / "plant.yaml").write_text(new)
    wait(lambda: farm.status()["revision"] == revision + 1, f"the rename is applied: {farm.output}")
    wait(lambda: f"applied revision {revision + 1}:" in farm.output, f"that is said: {farm.output}")


def test_a_sample_that_lies_is_noticed() -> None:
    told("a  1.5 kB\n...\nheater off", "a 22 MB\nb\nheater  holding\n")
    for lie in ("a 1 kB\nc", "heater off\na 1 kB", "a 1"):
        with pytest.raises(AssertionError):
            told(lie, "a 22 MB\nb\nheater holding\n")


ACTIVATE = ". .venv/bin/activate\n"


def in_a_shell(words: str) -> None:
    """Runs the page's commands as a person would, in one shell."""
    words = "set -e\n" + words.replace(ACTIVATE, "")
    done = subprocess.run(["bash", "-c", words], check=False, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr


def one_by_one(scripts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the same commands in this process, which is quicker, but those that a shell or a process is needed for."""
    for line in "".join(scripts).replace(ACTIVATE, "").splitlines():
        program, *words = shlex.split(line, comments=True)
        if program == "export":
            monkeypatch.setenv(*words[0].split("=", 1))
        elif program != "isthmus" or words[0] in ("run", "watch") or set(line) & set("$>|"):
            in_a_shell(line)
        else:
            done = invoke(*words)
            assert done.returncode == 0, (line, done.stdout, done.stderr)
