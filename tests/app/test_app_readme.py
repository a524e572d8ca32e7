# SPDX-License-Identifier: Apache-2.0
"""The README's tour: its commands are run, and what it shows is what they print, numbers and states aside."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.app.conftest import Plant, plant, wait
from tests.app.test_app_look import in_terminal

README: Final = Path(__file__).parents[2] / "README.md"
DATA: Final = "tank-farm-data"


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Plant]:
    """A tank farm that runs in the directory that the README names."""
    with plant(tmp_path, DATA) as made:
        made.start()
        made.ready()
        wait(lambda: made.status()["counters"]["accepted"] > 200, "samples are accepted")
        yield made


def blocks() -> list[str]:
    """What stands between fences in the tour."""
    tour = README.read_text().split("## A tour", 1)[1]
    return re.findall(r"^```\n(.*?)^```", tour, re.MULTILINE | re.DOTALL)


def shape(line: str) -> str:
    """A line without what differs from one moment and one machine to the next."""
    line = line.replace("process", "process ")
    line = re.sub(r"\b(true|false|off|heating|holding|full power)\b", "STATE", line)
    line = re.sub(r"\b(kB|MB|GB)\b", "B", line)
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
        timeout=60,
    )  # fmt: skip
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


@pytest.mark.timeout(300)
def test_the_tour_of_the_readme_is_true(farm: Plant) -> None:
    commands = [command.split() for command, _ in asked(farm)]
    assert [words[1] for words in commands] == [".venv/bin/activate", "ISTHMUS_DATA=tank-farm-data", "watch",
                                                "history", "status", "browse"]  # fmt: skip
    for command, sample in list(asked(farm))[2:]:
        told(sample, printed(command, farm))

    mistake, rename = [block for block in blocks() if "$ " not in block]
    edit(farm, ("unit: kW,", "unit: kilowatt,"))
    wait(lambda: "Not applied" in farm.output, "the mistake is told")
    edit(farm, ("unit: kilowatt,", "unit: kW,"))
    wait(lambda: "right again" in farm.output, "it is told that it is mended")
    told(mistake, farm.output.replace(f"{farm.data.parent}/", ""), str)
    edit(farm, ("level: {", "height: {"))
    wait(lambda: "stops recording" in farm.output, "the removal is refused")
    edit(farm, ("height: {unit: m,", "height: {was: level, unit: m,"))
    wait(lambda: "applied revision 2" in farm.output, "the rename is applied")
    told(rename, farm.output.replace(f"{farm.data.parent}/", ""), str)


def test_a_sample_that_lies_is_noticed() -> None:
    told("a  1.5 kB\n...\nheater off", "a 22 MB\nb\nheater  holding\n")
    for lie in ("a 1 kB\nc", "heater off\na 1 kB", "a 1"):
        with pytest.raises(AssertionError):
            told(lie, "a 22 MB\nb\nheater holding\n")
