# SPDX-License-Identifier: Apache-2.0
"""The pages with questions and answers cannot lie: every command and every example on them is run and compared.

After a change that is meant run with ISTHMUS_WRITE_PAGES=1 and read what it wrote.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isthmus.app.demo.chemical.past import Tables
from isthmus.app.demo.chemical.story import Story
from isthmus.app.importing.given import take_in
from isthmus.app.revising import apply, propose
from isthmus.app.run.place import Place
from isthmus.core.time import from_iso
from tests.app.conftest import invoke

PAGES = Path(__file__).parents[2] / "docs"
COMMAND = re.compile(r"```console\n\$ (.+)\n((?:.*\n)*?)```")
PYTHON = re.compile(r"```python\n((?:.*\n)*?)```\n(?:\n```text\n((?:.*\n)*?)```\n)?")


def same(page: Path, made: str) -> None:
    if os.environ.get("ISTHMUS_WRITE_PAGES"):
        page.write_text(made, encoding="utf-8")
    assert made == page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chemical demo as it was in a late and a night shift of 2026-11-18, half an hour before and after."""
    place = Place(tmp_path_factory.mktemp("demo") / "data")
    place.make()
    apply(propose(PAGES.parent / "examples/chemical/plant.yaml", place.root), place.root)
    start, end = from_iso("2026-11-18T12:30:00Z"), from_iso("2026-11-19T05:30:00Z")
    story = Story(seed=2, plan="steady", start=start, end=end, faults=())
    take_in(place, Tables(story.plant()).until(end), "past")
    return place.root


def test_every_command_of_the_questions_prints_what_the_page_says(lab_data: Path, demo_data: Path) -> None:
    page = PAGES / "questions.md"

    def answered(data: Path, found: re.Match[str]) -> str:
        words = shlex.split(found[1])
        assert words[0] == "isthmus"
        done = invoke(*words[1:], "--data", data)
        assert (done.returncode, done.stderr) == (0, "")
        return f"```console\n$ {found[1]}\n{done.stdout}```"

    lab, heading, demo = page.read_text(encoding="utf-8").partition("\n## The same on the demo\n")
    assert len(COMMAND.findall(lab)) >= 6
    assert len(COMMAND.findall(demo)) >= 5
    made = [COMMAND.sub(partial(answered, data), text) for data, text in ((lab_data, lab), (demo_data, demo))]
    same(page, heading.join(made))


def test_every_example_in_python_prints_what_the_page_says(lab_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples follow one another, each in the names of those before it."""
    monkeypatch.chdir(lab_data.parent)
    page = PAGES / "python.md"
    names: dict[str, Any] = {}

    def answered(found: re.Match[str]) -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(found[1], str(page), "exec"), names)
        return f"```python\n{found[1]}```\n\n```text\n{said.getvalue()}```\n"

    text = page.read_text(encoding="utf-8")
    assert len(PYTHON.findall(text)) >= 5
    try:
        same(page, PYTHON.sub(answered, text))
    finally:
        names["plant"].close()
