# SPDX-License-Identifier: Apache-2.0
"""The documentation cannot lie: pages are what they are made of, links lead somewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

from isthmus.app.docs import ROOT, broken_links, problems, undocumented_dependencies


def test_every_page_link_and_dependency_is_right() -> None:
    assert list(problems()) == []


def test_a_page_that_was_changed_by_hand_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    page = tmp_path / "docs" / "command-line.md"
    page.write_text(page.read_text().replace("isthmus", "ishtmus", 1))
    assert [line for line in problems(tmp_path) if line.startswith("docs/command-line.md")] == [
        "docs/command-line.md: is not up to date; run `make docs`"
    ]


def test_links_to_missing_files_and_headings_are_found_but_not_those_in_code(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A `good` heading, yes\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#a-good-heading-yes) [c](https://example.org) [d](gone.md) [e](there.md#no)\n"
        "```\n[f](not-a-link.md)\n```\n"
    )
    assert list(broken_links(page)) == ["gone.md", "there.md#no"]


def test_a_dependency_without_its_sentence_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "dependencies.md").write_text("- `numpy`: columns.\n- `rich`: tables.\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["numpy>=2", "PyYAML>=6"]\n[dependency-groups]\ndev = []\n'
    )
    assert list(undocumented_dependencies(tmp_path)) == [
        "docs/dependencies.md: no sentence for pyyaml",
        "docs/dependencies.md: rich is not in pyproject.toml",
    ]
