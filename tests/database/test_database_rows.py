# SPDX-License-Identifier: Apache-2.0
"""Rows of real databases become samples and events, each once: late ones, equal ones, strange ones."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isthmus.core import time
from isthmus.core.errors import PlantFileError
from isthmus.core.event import EventKind
from isthmus.core.quality import BAD_CONFIGURATION, BAD_NODE_ID_UNKNOWN
from isthmus.core.tag import DataType
from isthmus.plant.check import check_plant
from isthmus.systems.contract import Form
from isthmus.systems.registry import kinds
from isthmus.systems.sql.account import Account, Entry
from tests.conftest import Until
from tests.contract.collected import Collected
from tests.database.tables import Database, File, collecting

FLOAT, TEXT = DataType.FLOAT, DataType.TEXT
NARROW = "CREATE TABLE results (id INTEGER PRIMARY KEY, at TEXT, tank TEXT, test TEXT, value TEXT)"
BY_ID = {"table": "results", "time": "at", "order": "id"}


def narrow(database: Database, rows: Sequence[tuple[int, str, str, str, str]]) -> None:
    database.do(*(f"INSERT INTO results VALUES {row!r}" for row in rows))


def times(collected: Collected, position: int) -> list[str]:
    return [time.to_iso(at) for at, *_ in collected.rows(position)]


def reported(collected: Collected, count: int) -> bool:
    return len(collected.told(EventKind.REPORT)) == count


async def test_several_tags_come_from_one_narrow_table(database: Database, tmp_path: Path, until: Until) -> None:
    database.do(NARROW)
    narrow(
        database,
        [
            (1, "2026-11-23T06:00:00Z", "T-1", "pH", "7.1"),
            (2, "2026-11-23T06:00:00Z", "T-1", "lot", "A-17"),
            (3, "2026-11-23T06:05:00Z", "T-2", "pH", " 7.3 "),
        ],
    )
    addresses = [("r.value[tank=T-1,test=pH]", FLOAT), ("r.value[test=lot]", TEXT), ("r.value[test=pH]", FLOAT)]
    async with collecting(database, tmp_path, {"r": BY_ID}, addresses).running() as collected:
        await until(lambda: len(collected.values(2)) == 2, "both pH")
    assert collected.values(0) == [7.1] and collected.values(2) == [7.1, 7.3]
    texts = [text for readings in collected.readings for text in readings.text or () if text]
    assert texts == ["A-17"] and times(collected, 2) == ["2026-11-23T06:00:00Z", "2026-11-23T06:05:00Z"]


async def test_rows_that_agree_in_order_are_all_taken_however_small_the_pages(
    database: Database, tmp_path: Path, until: Until
) -> None:
    database.do("CREATE TABLE results (at TEXT, k TEXT, value INTEGER)")
    database.do(*(f"INSERT INTO results VALUES ('2026-11-23T06:00:0{i // 20}Z', 'k{i:02}', {i})" for i in range(50)))
    tables = {"r": {"table": "results", "time": "at", "key": "k"}}
    async with collecting(database, tmp_path, tables, [("r.value", DataType.INTEGER)], page=3).running() as collected:
        await until(lambda: len(collected.values(0)) >= 50, "fifty rows")
    assert collected.values(0) == [float(i) for i in range(50)]


async def test_a_row_that_becomes_visible_behind_the_watermark_is_taken_once(
    database: Database, tmp_path: Path, until: Until
) -> None:
    database.do(NARROW)
    narrow(database, [(10, "2026-11-23T06:00:10Z", "T", "t", "10"), (12, "2026-11-23T06:00:12Z", "T", "t", "12")])
    async with collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)]).running() as collected:
        await until(lambda: collected.values(0) == [10, 12], "the first rows")
        narrow(database, [(9, "2026-11-23T06:00:09Z", "T", "t", "9"), (11, "2026-11-23T06:00:11Z", "T", "t", "11")])
        await until(lambda: len(collected.values(0)) == 4, "the late rows")
        narrow(database, [(13, "2026-11-23T06:00:13Z", "T", "t", "13")])
        await until(collected.saw(0, 13), "the next")
    assert collected.values(0) == [10, 12, 9, 11, 13]


async def test_what_came_late_while_we_were_away_is_taken_too(database: Database, tmp_path: Path, until: Until) -> None:
    database.do(NARROW)
    narrow(database, [(n, f"2026-11-23T06:00:{n}Z", "T", "t", str(n)) for n in (10, 12, 14)])
    async with collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)]).running() as collected:
        await until(collected.saw(0, 14), "the first rows")
    narrow(database, [(n, f"2026-11-23T06:00:{n}Z", "T", "t", str(n)) for n in (11, 13, 15)])
    async with collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)]).running() as collected:
        await until(lambda: len(collected.values(0)) == 3, "what is new")
    assert sorted(collected.values(0)) == [11, 13, 15]


async def test_without_look_back_what_is_late_is_left_out(database: Database, tmp_path: Path, until: Until) -> None:
    database.do(NARROW)
    narrow(database, [(10, "2026-11-23T06:00:10Z", "T", "t", "10")])
    tables = {"r": {**BY_ID, "look_back": "0s"}}
    async with collecting(database, tmp_path, tables, [("r.value", FLOAT)]).running() as collected:
        await until(collected.saw(0, 10), "the first row")
        narrow(database, [(9, "2026-11-23T06:00:09Z", "T", "t", "9"), (11, "2026-11-23T06:00:11Z", "T", "t", "11")])
        await until(collected.saw(0, 11), "the next")
    assert collected.values(0) == [10, 11]


async def test_a_changed_row_is_taken_again_when_order_says_so(
    database: Database, tmp_path: Path, until: Until
) -> None:
    database.do("CREATE TABLE results (id INTEGER, at TEXT, changed TEXT, value REAL)")
    database.do("INSERT INTO results VALUES (1, '2026-11-23T06:00:00Z', '2026-11-23T06:00:01Z', 7.1)")
    tables = {"r": {"table": "results", "time": "at", "order": "changed", "key": "id"}}
    async with collecting(database, tmp_path, tables, [("r.value", FLOAT)]).running() as collected:
        await until(lambda: len(collected.values(0)) == 1, "the row")
        database.do("UPDATE results SET value = 7.5, changed = '2026-11-23T08:00:00Z'")
        await until(lambda: len(collected.values(0)) == 2, "the corrected row")
    assert len(set(times(collected, 0))) == 1


async def test_a_year_typed_wrongly_does_not_hide_what_comes_then(
    database: Database, tmp_path: Path, until: Until
) -> None:
    database.do("CREATE TABLE results (at TEXT, id INTEGER, value REAL)")
    tables = {"r": {"table": "results", "time": "at", "key": "id"}}
    rows = ["2026-11-23T06:00:00Z", "2062-11-23T06:00:01Z", "2026-11-23T06:00:02Z", "2026-11-23T06:00:03Z"]
    async with collecting(database, tmp_path, tables, [("r.value", FLOAT)], page=1).running() as collected:
        for number, at in enumerate(rows):
            database.do(f"INSERT INTO results VALUES ('{at}', {number}, {number})")
            await until(collected.saw(0, number), f"row {number}")
    again = collecting(database, tmp_path, tables, [("r.value", FLOAT)], page=1)
    database.do("INSERT INTO results VALUES ('2026-11-23T06:00:04Z', 4, 4)")
    async with again.running():
        await until(again.saw(0, 4), "the last row")
    assert collected.values(0) == [0, 1, 2, 3] and again.values(0) == [4]


async def test_null_is_no_value_and_a_row_without_order_is_not_there_yet(
    database: Database, tmp_path: Path, until: Until
) -> None:
    database.do("CREATE TABLE results (id INTEGER, at TEXT, released TEXT, one REAL, two REAL)")
    database.do(
        "INSERT INTO results VALUES (1, '2026-11-23T06:00:00Z', '2026-11-23T07:00:00Z', 1, NULL)",
        "INSERT INTO results VALUES (2, '2026-11-23T06:00:00Z', NULL, 2, 2)",
        "INSERT INTO results VALUES (NULL, '2026-11-23T06:00:00Z', '2026-11-23T07:00:00Z', 3, NULL)",
    )
    tables = {"r": {"table": "results", "time": "at", "order": "released", "key": "id"}}
    async with collecting(database, tmp_path, tables, [("r.one", FLOAT), ("r.two", FLOAT)]).running() as collected:
        await until(lambda: len(collected.values(0)) == 2, "what is released")
        database.do("UPDATE results SET released = '2026-11-23T07:30:00Z' WHERE id = 2")
        await until(collected.saw(0, 2), "what was released since")
    assert sorted(collected.values(0)) == [1, 2, 3] and collected.values(1) == [2]


async def test_a_row_that_cannot_be_understood_goes_to_quarantine_and_the_others_are_taken(
    database: Database, tmp_path: Path, until: Until
) -> None:
    database.do(NARROW)
    good = "2026-11-23T06:00:00Z"
    narrow(
        database,
        [
            (1, "yesterday", "T", "t", "1"),
            (2, good, "T", "t", "seven"),
            (3, good, "T", "t", "1e999"),
            (4, "1066-10-14T09:00:00Z", "T", "t", "4"),
            (5, good, "T", "t", "5"),
        ],
    )
    async with collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)]).running() as collected:
        await until(collected.saw(0, 5), "the good row")
    assert collected.values(0) == [5]
    oddities = [oddity for readings in collected.readings for oddity in readings.oddities]
    assert [json.loads(oddity.payload)["id"] for oddity in oddities] == ["1", "2", "3", "4"]
    assert [oddity.reason for oddity in oddities][:2] == [
        "r: column 'at' holds 'yesterday', no time",
        "r: column 'value' holds 'seven', no number",
    ]


async def test_a_table_of_nonsense_is_a_few_entries_in_quarantine(tmp_path: Path, until: Until) -> None:
    database = File(tmp_path)
    database.do(NARROW)
    database.do("INSERT INTO results VALUES " + ", ".join(f"({n}, 'never', 'T', 't', 'x')" for n in range(500)))
    async with collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)]).running() as collected:
        await until(lambda: any(readings.oddities for readings in collected.readings), "in quarantine")
    oddities = [oddity for readings in collected.readings for oddity in readings.oddities]
    assert len(oddities) == 20 and "481 more rows" in oddities[-1].reason
    assert b'"id":"20"' in oddities[-1].payload


async def test_what_nothing_comes_after_does_not_hide_what_comes(
    plant_server: Database, tmp_path: Path, until: Until
) -> None:
    plant_server.do("CREATE TABLE results (number float8, at timestamptz DEFAULT now(), value float8)")
    plant_server.do("CREATE TABLE others (number numeric, at timestamptz DEFAULT now(), value float8)")
    tables = {name: {"table": name, "time": "at", "order": "number"} for name in ("results", "others")}
    addresses = [(f"{name}.value", FLOAT) for name in tables]
    async with collecting(plant_server, tmp_path, tables, addresses).running() as collected:
        for value, number in enumerate(("1", "'NaN'", "2")):
            for position, name in enumerate(tables):
                plant_server.do(f"INSERT INTO {name} VALUES ({number}, DEFAULT, {value})")
                await until(collected.saw(position, value), f"row {value} of {name}")


async def test_events_tell_of_rows(database: Database, tmp_path: Path, until: Until) -> None:
    database.do("CREATE TABLE lots (id INTEGER, at TEXT, lot TEXT, decision TEXT)")
    database.do("INSERT INTO lots VALUES (1, '2026-11-23T06:00:00Z', 'A-1', 'released'), "
                "(2, '2026-11-23T07:00:00Z', 'A-2', NULL)")  # fmt: skip
    said = {"event": "lot {lot}: {decision} {{}}", "severity": "warning"}
    tables = {"lots": {"table": "lots", "time": "at", "order": "id", **said}}
    ids = set[str]()
    for account in ("one", "two"):  # read anew, as after a crash that lost the account: the same events
        collected = collecting(database, tmp_path / account, tables, [])
        async with collected.running():
            await until(partial(reported, collected, 2), "both events")
        first, second = collected.told(EventKind.REPORT)
        assert (first.message, second.message) == ("lot A-1: released {}", "lot A-2: – {}")
        assert time.to_iso(first.at) == "2026-11-23T06:00:00Z" and first.severity == "warning"
        assert first.details["lot"] == "A-1"
        ids |= {first.id, second.id}
    assert len(ids) == 2


async def test_a_query_and_a_condition_say_which_rows_count(database: Database, tmp_path: Path, until: Until) -> None:
    database.do(NARROW)
    at = "2026-11-23T06:00:00Z"
    narrow(database, [(n, at, f"T-{n % 2}", "100% :t", str(n)) for n in range(6)])
    query = "SELECT id AS n, at AS time, value AS v FROM results WHERE test LIKE '100% :t' -- all ;"
    tables = {
        "q": {"query": query, "order": "n"},
        "w": {**BY_ID, "where": "tank = 'T-1' AND test LIKE '100%:t' -- these"},
    }
    async with collecting(database, tmp_path, tables, [("q.v", FLOAT), ("w.value", FLOAT)]).running() as collected:
        await until(lambda: len(collected.values(0)) == 6 and len(collected.values(1)) == 3, "both")
    assert collected.values(0) == [0, 1, 2, 3, 4, 5] and collected.values(1) == [1, 3, 5]


async def test_times_without_a_zone_are_in_the_declared_one(database: Database, tmp_path: Path, until: Until) -> None:
    database.do(NARROW)
    said = ["2026-07-01 12:00:00.25", "2026-12-01 12:00", "2026-12-01T12:00:00+05:30", "1790000000", "1790000000500"]
    narrow(database, [(n, at, "T", "t", str(n)) for n, at in enumerate(said)])
    more = {"time_zone": "Europe/Paris"}
    async with collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)], **more).running() as collected:
        await until(lambda: len(collected.values(0)) == 5, "all")
    assert times(collected, 0) == [
        "2026-07-01T10:00:00.250Z",
        "2026-12-01T11:00:00Z",
        "2026-12-01T06:30:00Z",
        "2026-09-21T14:13:20Z",
        "2026-09-21T14:13:20.500Z",
    ]


async def test_names_and_texts_may_be_hostile(database: Database, tmp_path: Path, until: Until) -> None:
    table, column = 'a"b; DROP TABLE x --', '50% "o\'clock":x'
    quoted = ['"' + name.replace('"', '""') + '"' for name in (table, column)]
    database.do(f"CREATE TABLE {quoted[0]} (id INTEGER, time TEXT, {quoted[1]} TEXT)")
    database.do(f"INSERT INTO {quoted[0]} VALUES (1, '2026-11-23T06:00:00Z', 'it''s %s :x \\ \"')")
    tables = {"t": {"table": table, "order": "id"}}
    async with collecting(database, tmp_path, tables, [(f"t.{column}", TEXT)]).running() as collected:
        await until(lambda: len(collected.values(0)) == 1, "the row")
    assert [text for readings in collected.readings for text in readings.text or ()] == ["it's %s :x \\ \""]


async def test_a_missing_table_harms_only_its_addresses(
    database: Database, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.systems.sql.source.AGAIN", 0.3)
    database.do(NARROW)
    tables = {"r": BY_ID, "gone": {"table": "nowhere", "order": "id"}, "odd": {**BY_ID, "quality": "q"}}
    addresses = [("r.value", FLOAT), ("gone.x", FLOAT), ("odd.value", FLOAT), ("r.nobody", FLOAT), ("who.x", FLOAT)]
    async with collecting(database, tmp_path, tables, addresses).running() as collected:
        await until(lambda: all(collected.values(n) for n in (1, 2, 3, 4)), "bad readings")
        narrow(database, [(1, "2026-11-23T06:00:00Z", "T", "t", "1")])
        await until(collected.saw(0, 1), "the good table")
        database.do("CREATE TABLE nowhere (id INTEGER, time TEXT, x REAL)")
        database.do("INSERT INTO nowhere VALUES (1, '2026-11-23T06:00:00Z', 5)")
        await until(collected.saw(1, 5), "the table that is there now")
        await until(lambda: any("gone.x can be read again" in e.message for e in collected.events), "told")
    bad = {next(quality for _, quality, _ in collected.rows(n)) for n in (1, 2, 3)}
    assert bad == {BAD_NODE_ID_UNKNOWN} and [q for _, q, _ in collected.rows(4)] == [BAD_CONFIGURATION]
    said = "\n".join(event.message for event in collected.told(EventKind.TAG))
    assert "there is no column 'q'; it has id, at, tank, test, value" in said and "nowhere" in said
    assert not collected.errors


async def test_begins_now_takes_only_what_comes(database: Database, tmp_path: Path, until: Until) -> None:
    database.do(NARROW)
    narrow(database, [(n, "2026-11-23T06:00:00Z", "T", "t", str(n)) for n in range(5)])
    tables = {"r": {**BY_ID, "begins": "now"}}
    async with collecting(database, tmp_path, tables, [("r.value", FLOAT)]).running() as collected:
        await until(lambda: len(collected.readings) > 2, "a first look")
        narrow(database, [(7, "2026-11-23T06:00:00Z", "T", "t", "7")])
        await until(collected.saw(0, 7), "what came")
    assert collected.values(0) == [7]


async def test_what_was_not_acknowledged_comes_again_and_another_condition_reads_anew(
    database: Database, tmp_path: Path, until: Until
) -> None:
    database.do(NARROW)
    narrow(database, [(n, "2026-11-23T06:00:00Z", "T", "t", str(n)) for n in range(10)])
    collected = collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)], page=2)
    collected.keep = False
    async with collected.running():
        await until(lambda: len(collected.values(0)) == 10, "all")
    for readings in [one for one in collected.readings if len(one)][:3]:
        readings.done()  # also after the driver has closed
    again = collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)])
    async with again.running():
        await until(lambda: again.values(0) == [6, 7, 8, 9], "what the log does not have")
    other = collecting(database, tmp_path, {"r": {**BY_ID, "where": "id >= 8"}}, [("r.value", FLOAT)])
    async with other.running():
        await until(lambda: other.values(0) == [8, 9], "read anew")


async def test_what_the_log_gets_while_the_account_is_written_is_written_next(
    tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, note = File(tmp_path), Account.note
    database.do(NARROW)
    narrow(database, [(n, "2026-11-23T06:00:00Z", "T", "t", str(n)) for n in range(10)])
    collected = collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)], page=2)
    collected.keep = False

    def slow(account: Account, name: str, meant: str, entries: Iterable[Entry]) -> None:
        if pages:
            pages.pop(0).done()
        note(account, name, meant, entries)

    async with collected.running():
        await until(lambda: len(collected.values(0)) == 10, "all")
        pages = [one for one in collected.readings if len(one)]
        monkeypatch.setattr(Account, "note", slow)
        pages.pop(0).done()
        await until(lambda: not pages, "one page after the other is noted")
    narrow(database, [(10, "2026-11-23T06:00:00Z", "T", "t", "10")])
    again = collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)])
    async with again.running():
        await until(again.saw(0, 10), "the new one")
    assert again.values(0) == [10]


async def test_an_account_that_is_none_begins_anew(tmp_path: Path, until: Until) -> None:
    database = File(tmp_path)
    database.do(NARROW)
    narrow(database, [(1, "2026-11-23T06:00:00Z", "T", "t", "1")])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "sql-far.db").write_bytes(b"hello" * 1000)
    async with collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)]).running() as collected:
        await until(collected.saw(0, 1), "the row")


async def test_a_file_that_another_program_replaces_is_read_on(tmp_path: Path, until: Until) -> None:
    database, new = File(tmp_path), File(tmp_path / ".." / tmp_path.name)
    new.path = tmp_path / "new.db"
    for one, count in ((database, 2), (new, 4)):
        one.do(NARROW)
        narrow(one, [(n, "2026-11-23T06:00:00Z", "T", "t", str(n)) for n in range(count)])
    async with collecting(database, tmp_path, {"r": BY_ID}, [("r.value", FLOAT)]).running() as collected:
        await until(collected.saw(0, 1), "the first file")
        new.path.rename(database.path)
        await until(collected.saw(0, 3), "the second file")
    assert collected.values(0) == [0, 1, 2, 3] and "another one" in str(collected.errors[0])


TYPED = [
    ("i2", "smallint", "-3", DataType.INTEGER, -3.0, -3),
    ("i8", "bigint", "9223372036854775807", DataType.INTEGER, 2.0**63, 2**63 - 1),
    ("u8", "numeric(20)", "18446744073709551615", DataType.UNSIGNED, 2.0**64, -1),
    ("n", "numeric", "1.25", FLOAT, 1.25, None),
    ("f", "double precision", "'-Infinity'", FLOAT, -math.inf, None),
    ("b", "boolean", "true", DataType.BOOLEAN, 1.0, None),
    ("c", "char(9)", "'7.5'", FLOAT, 7.5, None),
]


async def test_types_of_postgres_arrive_exactly(
    server: Any, plant_server: Database, tmp_path: Path, until: Until
) -> None:
    columns = ", ".join(f"{name} {type_}" for name, type_, *_ in TYPED)
    texts: dict[str, tuple[str, str]]
    texts = {"d": ("date", "'2026-11-23'"), "j": ("jsonb", "'{\"a\": [1]}'"), "a": ("int[]", "'{1,2}'"),
             "u": ("uuid", "'00000000-0000-0000-0000-000000000001'"), "t": ("timestamptz", "'infinity'"),
             "y": ("bytea", "'\\x00ff'"), "i": ("interval", "'1 day'"),
             "e": ("tstzrange", "'[,infinity)'")}  # fmt: skip
    more = ", ".join(f"{name} {type_}" for name, (type_, _) in texts.items())
    plant_server.do(f"CREATE TABLE t (id int, time timestamptz, {columns}, {more})")
    values = ", ".join([value for _, _, value, *_ in TYPED] + [value for _, value in texts.values()])
    plant_server.do(f"INSERT INTO t VALUES (1, '2026-11-23 06:00:00.123456+00', {values})")
    addresses = [(f"t.{name}", type_) for name, _, _, type_, *_ in TYPED] + [(f"t.{name}", TEXT) for name in texts]
    tables = {"t": {"table": "t", "order": "id"}}
    async with collecting(plant_server, tmp_path, tables, addresses).running() as collected:
        await until(lambda: len(collected.values(len(addresses) - 1)) == 1, "the row")
    readings = next(one for one in collected.readings if len(one))
    assert readings.integer is not None and readings.text is not None
    for position, (name, *_, value, whole) in enumerate(TYPED):
        assert readings.value[position] == value, name
        assert whole is None or readings.integer[position] == whole, name
    assert readings.form[2] == Form.UNSIGNED and set(times(collected, 0)) == {"2026-11-23T06:00:00.123456Z"}
    said = list(readings.text[len(TYPED) :])
    assert said[:4] == ["2026-11-23", '{"a": [1]}', "{1,2}", "00000000-0000-0000-0000-000000000001"]
    assert said[4:] == ["infinity", "\\x00ff", "1 day", "(,infinity)"]
    assert not collected.errors


def test_the_command_browses_a_database_that_no_plant_file_knows(database: Database, tmp_path: Path) -> None:
    database.do(NARROW if database.name == "postgres" else NARROW.replace("value TEXT", "value"))
    database.do('CREATE TABLE "2 others" (x INTEGER)')
    config = database.config
    known = ["--user", config["user"], "--password-env", "WORD"] if "user" in config else []
    command = [sys.executable, "-m", "isthmus", "browse", "--kind", "sql", *known, config["url"]]
    environment = {**os.environ, "WORD": config.get("password", "")}
    found = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)
    said = found.stdout
    assert "results: {table: results, " in said and "results.tank" in said, found.stderr
    assert "2 others: under tables, _2_others has to say time:, the column with the time of a row; and key:" in said
    assert "left out" not in said and "nothing" not in said and not found.stderr
    assert found_wrong(tmp_path, said) == ["systems.server.tables._2_others: rows may agree in 'time': say key, what "
        "tells them apart, or order, a column that grows"]  # fmt: skip


def found_wrong(folder: Path, pasted: str) -> list[str]:
    """What is wrong with a plant file made of what browsing printed."""
    (folder / "plant.yaml").write_text(f"version: 1\nplant: acme/lyon\ntime_zone: UTC\n{pasted}")
    try:
        check_plant(folder, kinds())
    except PlantFileError as error:
        return [f"{problem.path}: {problem.what}" for problem in error.problems]
    return []


async def test_browse_lists_tables_and_columns(database: Database, tmp_path: Path) -> None:
    database.do('CREATE TABLE results (id INTEGER, value REAL, "odd[name]" TEXT)', "CREATE TABLE others (x BIGINT)")
    tables = {"r": {"table": "results", "order": "id"}}
    driver = collecting(database, tmp_path, tables, []).driver
    found = {one.path.split("/", 1)[1]: one for one in [one async for one in driver.browse()]}
    assert found["results/value"].address == "r.value" and found["results/value"].type is FLOAT
    assert found["others/x"].type is DataType.INTEGER and found["others/x"].address == "others.x"
    assert found["others"].needs == {"tables": {"others": {"table": "others"}}} and not found["results"].needs
    assert found["results/odd[name]"].type is None and "give it another name" in found["results/odd[name]"].left_out
    for one in found.values():
        if one.address:
            kinds()["sql"].check_address(one.address)
