# SPDX-License-Identifier: Apache-2.0
"""docs/sql.md: every question on it is asked, and has the answer that stands below it."""

from __future__ import annotations

from pathlib import Path

from isthmus.store.history.sql.views import NAMES_OF_VIEWS
from tests.sql.page import PAGE, PAIR, answer, plant


def test_every_question_of_the_page_has_the_answer_that_is_printed_there(tmp_path: Path) -> None:
    prepared = plant(tmp_path / "history")
    pairs = PAIR.findall(PAGE.read_text(encoding="utf-8"))
    assert len(pairs) == PAGE.read_text(encoding="utf-8").count("```sql") >= 6
    for question, printed in pairs:
        assert answer(prepared, question) == printed, question


def test_the_page_names_every_view() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in NAMES_OF_VIEWS)
