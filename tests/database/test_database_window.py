# SPDX-License-Identifier: Apache-2.0
"""The watermark against an oracle: whatever becomes visible within `look_back` is taken once, however we look."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import StaticPool

from isthmus.core.tag import DataType
from isthmus.core.time import SECOND
from isthmus.systems.sql import window
from isthmus.systems.sql.account import Account
from isthmus.systems.sql.address import parse
from isthmus.systems.sql.reading import Reading
from isthmus.systems.sql.spec import SqlSpec

LOOK_BACK = 10
START = 1_790_000_000


def spec(file: Path, rows: int) -> SqlSpec:
    table = {"table": "t", "time": "at", "order": "number", "key": "id", "look_back": f"{LOOK_BACK}s"}
    return SqlSpec.model_validate({"url": f"sqlite:///{file}", "page": rows, "tables": {"t": table}})


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, LOOK_BACK)), min_size=1, max_size=40)
"""Seconds after the one before it at which each row gets its number, and how much later it becomes visible."""
LOOKS = st.lists(st.tuples(st.integers(0, 25), st.booleans()), min_size=1, max_size=15)
"""Seconds between two looks, and whether the process is started again before."""


@settings(max_examples=60, deadline=None)
@given(ROWS, LOOKS, st.integers(1, 6), st.integers(1, 3))
@example([(1, 0), (3, 0), (3, 4), (0, 1), (0, 1), (0, 0)], [(7, False)], 1, 1)  # more late rows than a page
def test_every_row_is_taken_once(
    rows: list[tuple[int, int]], looks: list[tuple[int, bool]], page: int, alike: int
) -> None:
    check(rows, looks, page, alike)


@pytest.mark.soak
@settings(max_examples=1000, deadline=None)
@given(ROWS, LOOKS, st.integers(1, 6), st.integers(1, 3))
def test_every_row_is_taken_once_at_length(
    rows: list[tuple[int, int]], looks: list[tuple[int, bool]], page: int, alike: int
) -> None:
    check(rows, looks, page, alike)


def check(rows: list[tuple[int, int]], looks: list[tuple[int, bool]], page: int, alike: int) -> None:
    """Numbers are given in seconds, `alike` rows share one; ids run against them."""
    visible, at = list[tuple[int, int, int]](), 0
    for place, (gap, late) in enumerate(rows):
        at += gap
        visible.append((at + late, place // alike * alike, 1000 - place))
    numbered = _numbered(rows)
    for group in range(0, len(rows), alike):  # those that share a number had it at one time
        for place in range(group, min(group + alike, len(rows))):
            shown, number, id_ = visible[place]
            visible[place] = (min(shown, numbered[group] + LOOK_BACK), number, id_)
    taken, clock, there = list[float](), 0, set[int]()
    with tempfile.TemporaryDirectory() as folder:
        file, account = Path(folder) / "far.db", Account(Path(folder) / "account.db")
        db = sqlite3.connect(":memory:", isolation_level=None)
        engine = create_engine("sqlite://", creator=lambda: db, poolclass=StaticPool)
        with closing(db), engine.connect() as connection:
            db.execute("CREATE TABLE t (id INTEGER, number INTEGER, at INTEGER)")
            reading = opened(file, page, account)
            reading.describe(connection)
            for wait, again in [*looks, (max(one[0] for one in visible), False), (1, False)]:
                clock += wait
                for when, number, id_ in visible:
                    if when <= clock and id_ not in there:
                        db.execute("INSERT INTO t VALUES (?, ?, ?)", (id_, number, START))
                        there.add(id_)
                if again:
                    account.note("t", reading.meant, reading.entries)
                    reading = opened(file, page, account)
                    reading.describe(connection)
                taken += looked(reading, connection, (START + clock) * SECOND)
    assert sorted(taken) == sorted(float(id_) for _, _, id_ in visible)


def _numbered(rows: list[tuple[int, int]]) -> list[int]:
    at, found = 0, list[int]()
    for gap, _ in rows:
        at += gap
        found.append(at)
    return found


def opened(file: Path, page: int, account: Account) -> Reading:
    wanted = {0: (parse("t.id").cell, DataType.FLOAT)}
    whole = spec(file, page)
    meant = Reading.of("far", "t", whole, wanted, None).meant
    return Reading.of("far", "t", whole, wanted, account.known("t", meant))


def looked(reading: Reading, connection: Connection, now: int) -> list[float]:
    """One look: pages until there is no more, each noted."""
    found = list[float]()
    with patch("isthmus.core.time.now", lambda: now):
        while True:
            met = reading.ask(connection)
            found += reading.page(met).value
            reading.entries.append(reading.window.entry())
            connection.rollback()
            if not met.full:
                return found


def test_more_rows_than_can_be_remembered_are_forgotten_from_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MOST", 5)
    seen = window.Window(look_back=10 * SECOND)
    for number in range(20):
        assert seen.take((number,), (), 0, late=False, waits=False)
    seen.trim()
    assert seen.cut and seen.behind <= 6 and window.unpack(seen.floor) == (14,)
    assert len(seen.entry().forgotten) == 14


def test_so_many_equal_rows_that_they_are_not_remembered_are_not_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "MOST", 5)
    seen = window.Window(look_back=10 * SECOND)
    for number in range(20):
        seen.take((1,), (number,), 0, late=False, waits=False)
        seen.trim()
    assert seen.beyond and seen.behind <= 6
