# SPDX-License-Identifier: Apache-2.0
"""Samples in tables of real databases: each once, exact, and one that is refused harms no other."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from isthmus.core.errors import Disconnected, Refused
from isthmus.core.tag import DataType
from isthmus.outputs.contract import Delivery, Refusal
from isthmus.outputs.registry import output_kinds
from isthmus.outputs.sql.same import numbers
from isthmus.store.history.columns import empty
from tests.database.out import AT, NAN, PLANT, Sample, columns, output, settings
from tests.database.tables import Database, File, Server
from tests.peers.postgres import OWNER, PASSWORD

TANK = f"{PLANT}/hall/tank-0"
SAMPLES: list[Sample] = [
    (1, AT, 1.5, None, None, 0, 0),
    (1, AT, 2.5, None, None, 0, 0),  # both are real
    (2, AT, 1.0, None, None, 0, 0),
    (3, AT, -5.0, -5, None, 0, 0),
    (4, AT, 2.0**63, 2**63 - 1, None, 0, 0),
    (5, AT, NAN, None, "it's\t\"\\x\n\\N %s ü", 0, 0),
    (6, AT, 2.0, 2, None, 0x808C_0000, 4),
    (7, AT, math.inf, None, None, 0, 1),
    (1, AT + 100, NAN, None, None, 0x8000_0000, 0),  # 100 ns later, as OPC UA can
    (1, AT + 200, NAN, None, "n/a", 0, 8),
]
NARROW = "SELECT tag, time_ns, value, {integer}, text, quality, mark FROM samples ORDER BY tag, time_ns, value"


def narrow(samples: list[Sample]) -> list[tuple[Any, ...]]:
    """The rows that these samples should be."""
    tags = settings()
    rows = [
        (tags[number].tag.path, at, None if value != value else value, integer, text, quality, mark)
        for number, at, value, integer, text, quality, mark in samples
    ]
    return sorted(rows, key=lambda row: (row[0], row[1], row[2] or 0))


async def deliver(database: Database, folder: Path, samples: list[Sample], **config: Any) -> list[Refusal]:
    async with output({**database.config, **config}, folder).open() as sink:
        return list(await sink.write(Delivery(columns(samples))))


async def test_narrow_has_every_sample_once_however_often_it_comes(database: Database, tmp_path: Path) -> None:
    for _ in range(2):
        async with output(database.config, tmp_path / "out").open() as sink:
            for begin in (0, 3, 0):
                assert not await sink.write(Delivery(columns(SAMPLES[begin:])))
            assert not await sink.write(Delivery(empty()))
    shown = "integer::bigint" if database.name == "postgres" else "integer"
    assert database.ask(NARROW.format(integer=shown)) == narrow(SAMPLES)


async def test_time_is_cut_to_microseconds_and_kept_in_full_beside(plant_server: Server, tmp_path: Path) -> None:
    await deliver(plant_server, tmp_path, [(1, AT + 99, 1.0, None, None, 0, 0), (1, -1, 2.0, None, None, 0, 0)])
    found = plant_server.ask("SELECT extract(epoch FROM time) * 1000000, time_ns FROM samples ORDER BY time")
    assert [(int(micro), ns) for micro, ns in found] == [(-1, -1), (AT // 1000, AT + 99)]


async def test_wide_has_a_row_for_each_asset_and_time(database: Database, tmp_path: Path) -> None:
    for _ in range(2):
        async with output({**database.config, "shape": "wide"}, tmp_path / "out").open() as sink:
            for begin in (4, 0, 2):  # in pieces, in any order, and again
                assert not await sink.write(Delivery(columns(SAMPLES[begin:])))
    found = database.ask(
        "SELECT asset, time_ns, level, level_quality, count, total, lot, state, state_quality "
        "FROM storage_tank WHERE sample = 0 ORDER BY asset, time_ns"
    )
    text = SAMPLES[5][4]
    assert [(row[0][-6:], row[1] - AT, *row[2:]) for row in found] == [
        ("tank-0", 0, 1.5, 0, -5, 2**63 - 1, text, 2, 0x808C_0000),
        ("tank-0", 100, None, 0x8000_0000, None, None, None, None, None),
        ("tank-0", 200, None, 0, None, None, None, None, None),
        ("tank-1", 0, math.inf, 0, None, None, None, None, None),
    ]
    more = database.ask("SELECT asset, time_ns, level, level_quality, lot FROM storage_tank WHERE sample <> 0")
    assert more == [(TANK, AT, 2.5, 0, None)]


async def test_wide_keeps_second_values_of_two_tags_at_one_time(database: Database, tmp_path: Path) -> None:
    tags = settings(1, depth=DataType.FLOAT)
    samples = [(tag, AT, value, None, None, 0, 0) for value in (1.0, 2.0, 3.0) for tag in (1, 7)]
    for _ in range(2):
        async with output({**database.config, "shape": "wide"}, tmp_path, tags).open() as sink:
            for one in samples:
                assert not await sink.write(Delivery(columns([one])))
    for name in ("level", "depth"):
        found = database.ask(f"SELECT {name} FROM storage_tank WHERE {name} IS NOT NULL ORDER BY sample = 0 DESC, 1")
        assert found == [(1.0,), (2.0,), (3.0,)]


async def test_large_unsigned_numbers_are_exact_or_refused(database: Database, tmp_path: Path) -> None:
    largest: list[Sample] = [(4, AT, 2.0**64, 2**64 - 1, None, 0, 0), (1, AT, 5.0, None, None, 0, 0)]
    assert not await deliver(database, tmp_path, largest)
    if database.name == "postgres":
        assert database.ask("SELECT integer::text FROM samples WHERE integer IS NOT NULL") == [(str(2**64 - 1),)]
    else:
        assert database.ask("SELECT text FROM samples WHERE tag LIKE '%total'") == [(str(2**64 - 1),)]
    refused = await deliver(database, tmp_path, largest, shape="wide")
    assert [one.row for one in refused] == ([] if database.name == "postgres" else [0])
    assert database.ask("SELECT level FROM storage_tank") == [(5.0,)]


async def test_what_the_database_refuses_is_parked_and_the_rest_is_stored(database: Database, tmp_path: Path) -> None:
    async with output(database.config, tmp_path).open():
        pass
    if database.name == "postgres":
        database.do("ALTER TABLE samples ADD CONSTRAINT sane CHECK (value < 100)")
    else:
        database.do(
            "CREATE TRIGGER sane BEFORE INSERT ON samples WHEN new.value >= 100 "
            "BEGIN SELECT RAISE(ABORT, 'sane'); END"
        )  # fmt: skip
    samples: list[Sample] = [(1, AT + n, float(n), None, None, 0, 0) for n in range(120)]
    samples[7] = (5, AT, NAN, None, "a\0b", 0, 0)
    samples[9] = (5, AT, NAN, None, "half \ud800", 0, 0)
    refused = await deliver(database, tmp_path, samples)
    assert [one.row for one in refused] == [7, 9, *range(100, 120)]
    assert "NUL" in refused[0].reason and "sane" in refused[-1].reason
    assert database.ask("SELECT count(*) FROM samples") == [(98,)]


@pytest.mark.parametrize(
    ("shape", "index"), [("narrow", "samples (tag, time_ns)"), ("wide", "storage_tank (asset, time_ns)")]
)
async def test_what_another_key_of_the_table_does_not_let_in_is_parked_and_not_taken_for_there(
    database: Database, tmp_path: Path, shape: str, index: str
) -> None:
    first: list[Sample] = [(1, AT, 1.0, None, None, 0, 0)]
    assert not await deliver(database, tmp_path, first, shape=shape)
    database.do(f"CREATE UNIQUE INDEX one_at_a_time ON {index}")
    refused = await deliver(database, tmp_path, [*first, (1, AT, 2.0, None, None, 0, 0)], shape=shape)
    assert [one.row for one in refused] == [1]


async def test_a_type_that_gets_a_tag_gets_a_column(database: Database, tmp_path: Path) -> None:
    assert not await deliver(database, tmp_path, SAMPLES[:1], shape="wide")
    tags = settings(2, **{"outlet-valve": DataType.BOOLEAN, "Größe": DataType.FLOAT})
    samples: list[Sample] = [(13, AT, 1.0, None, None, 0, 0), (14, AT, 2.0, None, None, 0, 0)]
    async with output({**database.config, "shape": "wide"}, tmp_path, tags).open() as sink:
        assert not await sink.write(Delivery(columns(samples)))
    assert database.ask('SELECT level, outlet_valve, "größe" FROM storage_tank') == [(1.5, True, 2.0)]


async def test_tags_that_find_no_column_are_refused_alone(database: Database, tmp_path: Path) -> None:
    tags = settings(1, **{"a-b": DataType.FLOAT, "a_b": DataType.FLOAT, "time": DataType.FLOAT, "x" * 60: DataType.TEXT,
                          "level_quality": DataType.FLOAT, "%": DataType.FLOAT})  # fmt: skip
    samples: list[Sample] = [(number, AT, 1.0, None, None, 0, 0) for number in (1, 7, 8, 9, 10, 11, 12)]
    async with output({**database.config, "shape": "wide"}, tmp_path, tags).open() as sink:
        refused = await sink.write(Delivery(columns(samples)))
    assert [one.row for one in refused] == [2, 3, 4, 5]
    assert database.ask('SELECT level, a_b, "_" FROM storage_tank') == [(1.0, 1.0, 1.0)]


WRONG = [
    ("CREATE TABLE samples (tag text, time text)", "column 'time' of table samples is"),
    ("CREATE TABLE samples (x text)", "table samples has no column 'tag'"),
    (
        "CREATE TABLE samples (tag text, time timestamptz, value float8, integer numeric, text text, quality bigint, "
        "mark bigint, time_ns bigint, sample bigint)",
        "has no primary key (tag, time_ns, sample)",
    ),
]


@pytest.mark.parametrize(("made", "says"), WRONG)
async def test_a_table_that_is_another_one_is_named_and_left_alone(
    plant_server: Server, tmp_path: Path, made: str, says: str
) -> None:
    plant_server.do(made)
    with pytest.raises(Refused, match="samples") as found:
        await deliver(plant_server, tmp_path, SAMPLES)
    assert says in str(found.value)
    assert plant_server.ask("SELECT count(*) FROM samples") == [(0,)]


async def test_columns_and_keys_of_ones_own_are_no_trouble(plant_server: Server, tmp_path: Path) -> None:
    async with output(plant_server.config, tmp_path).open():
        pass
    plant_server.do("ALTER TABLE samples ADD COLUMN added timestamptz DEFAULT now()", "CREATE INDEX ON samples (time)")
    assert not await deliver(plant_server, tmp_path, SAMPLES)
    assert plant_server.ask("SELECT count(*), count(added) FROM samples") == [(len(SAMPLES), len(SAMPLES))]


async def test_a_user_who_may_not_make_tables_is_given_the_statements(plant_server: Server, tmp_path: Path) -> None:
    plant_server.do("DROP ROLE IF EXISTS writer", "CREATE ROLE writer LOGIN PASSWORD 'w'")
    config = {**plant_server.config, "user": "writer", "password": "w", "table": "plant.samples"}
    for shape in ("narrow", "wide"):
        with pytest.raises(Refused, match="permission denied") as found:
            await deliver(plant_server, tmp_path, SAMPLES, **{**config, "shape": shape, "prefix": "plant."})
        assert "tables.sql" in str(found.value)
        plant_server.do("CREATE SCHEMA IF NOT EXISTS plant", *(tmp_path / "tables.sql").read_text().split(";\n")[:-1])
        plant_server.do("GRANT USAGE ON SCHEMA plant TO writer")
        plant_server.do("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA plant TO writer")
        more = {**config, "shape": shape, "prefix": "plant.", "create": False}
        assert not await deliver(plant_server, tmp_path, SAMPLES, **more)
    assert plant_server.ask("SELECT count(*) FROM plant.samples") == [(len(SAMPLES),)]


async def test_what_may_pass_stops_the_output_and_parks_nothing(plant_server: Server, tmp_path: Path) -> None:
    refusals = {
        "53100": "could not extend file: no space left on device",
        "57014": "longer than 1m",
        "40001": "could not serialize",
        "42501": "permission denied",
    }
    async with output(plant_server.config, tmp_path).open():
        pass
    for code, says in refusals.items():
        plant_server.do(
            f"CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"RAISE EXCEPTION '{says}' USING ERRCODE = '{code}'; END $$",
            "CREATE OR REPLACE TRIGGER failing BEFORE INSERT ON samples FOR EACH ROW EXECUTE FUNCTION fail()",
        )
        with pytest.raises(Disconnected, match=says):
            await deliver(plant_server, tmp_path, SAMPLES)
    plant_server.do("DROP TRIGGER failing ON samples")
    assert not await deliver(plant_server, tmp_path, SAMPLES)


async def test_a_table_that_is_dropped_while_it_is_written_is_made_again(plant_server: Server, tmp_path: Path) -> None:
    for shape, table in (("narrow", "samples"), ("wide", "storage_tank")):
        made = output({**plant_server.config, "shape": shape}, tmp_path)
        async with made.open() as sink:
            assert not await sink.write(Delivery(columns(SAMPLES)))
            plant_server.do(f"DROP TABLE {table}")
            with pytest.raises(Disconnected, match="does not exist"):
                await sink.write(Delivery(columns(SAMPLES)))
        async with made.open() as sink:
            assert not await sink.write(Delivery(columns(SAMPLES)))


async def test_locks_and_slow_servers_are_given_up_in_time(plant_server: Server, tmp_path: Path) -> None:
    made, hasty = (output({**plant_server.config, "timeout": long}, tmp_path) for long in ("1m", "1s"))
    async with made.open() as sink:
        assert not await sink.write(Delivery(columns(SAMPLES[:1])))
    async with hasty.open() as sink:
        with psycopg.connect(plant_server.server.url, user=OWNER, password=PASSWORD) as other:
            other.execute("LOCK TABLE samples")
            with pytest.raises(Disconnected, match="longer than 1s"):
                await sink.write(Delivery(columns(SAMPLES)))
        plant_server.server.freeze()
        try:
            with pytest.raises(Disconnected, match="no answer within 1s"):
                await sink.write(Delivery(empty()))
        finally:
            plant_server.server.thaw()
    async with made.open() as sink:
        assert not await sink.write(Delivery(columns(SAMPLES)))


async def test_a_locked_file_is_tried_again(tmp_path: Path) -> None:
    database = File(tmp_path)
    made = output({**database.config, "timeout": "200ms"}, tmp_path / "out")
    async with made.open() as sink:
        other = sqlite3.connect(database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Disconnected, match="locked"):
            await sink.write(Delivery(columns(SAMPLES)))
        other.close()
        assert not await sink.write(Delivery(columns(SAMPLES)))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"url": "postgresql://x"}, "no database"),
        ({"url": "postgresql://me:word@x/db"}, "keys of their own"),
        ({"url": "postgresql://x/db?password=word"}, "keys of their own"),
        ({"url": "sqlite:///db"}, "whole path"),
        ({"url": "sqlite:////db", "table": "a.b.c"}, "names no table"),
        ({"url": "postgresql://x/db", "password": "word"}, "needs a user"),
        ({"url": "postgresql://x/db", "shape": "round"}, "narrow"),
    ],
)
def test_what_cannot_be_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as found:
        output_kinds()["sql"].spec.model_validate(said)
    assert ":word" not in str(found.value) and "'word'" not in str(found.value)


SAMPLE = st.tuples(
    st.just(1), st.just(AT), st.floats(), st.none() | st.integers(0, 2**64 - 1), st.none() | st.text(max_size=3),
    st.sampled_from([0, 1, 0x8000_0000]), st.sampled_from([0, 1, 4]),
)  # fmt: skip


@given(st.lists(SAMPLE, max_size=30))
def test_samples_have_the_same_number_when_they_are_the_same(samples: list[Sample]) -> None:
    found: dict[object, int] = {}
    for sample, number in zip(samples, numbers(columns(samples)).tolist(), strict=True):
        value = "none" if sample[2] != sample[2] else sample[2] + 0.0
        assert found.setdefault((value, *sample[3:]), number) == number
    assert len(set(found.values())) == len(found)


def test_the_numbers_that_lie_in_databases_do_not_change() -> None:
    assert numbers(columns(SAMPLES[:3])).tolist() == [-8968142688682023114, 6672693033824151730, 2932329796556693252]
