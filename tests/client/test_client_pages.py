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
from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import invoke

PAGES = Path(__file__).parents[2] / "docs"
COMMAND = re.compile(r"```console\n\$ (.+)\n((?:.*\n)*?)```")
PYTHON = re.compile(r"```python\n((?:.*\n)*?)```\n(?:\n```text\n((?:.*\n)*?)```\n)?")


def same(page: Path, made: str) -> None:
    if os.environ.get("ISTHMUS_WRITE_PAGES"):
        page.write_text(made, encoding="utf-8")
    assert made == page.read_text(encoding="utf-8")


def test_every_command_of_the_questions_prints_what_the_page_says(lab_data: Path) -> None:
    page = PAGES / "questions.md"

    def answered(found: re.Match[str]) -> str:
        words = shlex.split(found[1])
        assert words[0] == "isthmus"
        done = invoke(*words[1:], "--data", lab_data)
        assert (done.returncode, done.stderr) == (0, "")
        return f"```console\n$ {found[1]}\n{done.stdout}```"

    text = page.read_text(encoding="utf-8")
    assert len(COMMAND.findall(text)) >= 6
    same(page, COMMAND.sub(answered, text))


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
