# SPDX-License-Identifier: Apache-2.0
"""The answering process: what hostile questions get, and that it could do nothing even if DuckDB let them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from isthmus.app.sql.ask import Answer, answer
from isthmus.core.errors import Damaged, IsthmusError, NotFound, Refused
from isthmus.store.history.kept import DAY
from isthmus.store.history.sql.given import Given, Limits
from isthmus.store.history.sql.statement import MAKES_ROWS
from tests.conftest import Until
from tests.sql.prepared import FIRST, Prepared, of

FEW = Limits(rows=100, seconds=120, memory=256_000_000)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    made = Prepared.at(tmp_path_factory.mktemp("sql") / "history")
    made.add(of(1, [(FIRST + i * 10**9, float(i)) for i in range(1000)]))
    made.compact()
    made.hold(of(8, [(FIRST + DAY, 5.0)]))
    return made


@pytest.fixture(scope="module")
def snapshot(prepared: Prepared) -> tuple[Given, Mapping[str, pa.Table]]:
    return prepared.given()


def ask(snapshot: tuple[Given, Mapping[str, pa.Table]], sql: str, limits: Limits = FEW) -> Answer:
    return asyncio.run(answer(*snapshot, sql, limits))


def test_a_question_is_answered_under_every_lock_of_this_kernel(
    snapshot: tuple[Given, Mapping[str, pa.Table]],
) -> None:
    found = ask(snapshot, "SELECT count(*) AS n, sum(value) AS total FROM samples")
    assert found.table.to_pylist() == [{"n": 1001, "total": 499505.0}]
    assert not found.more
    assert found.done.seccomp
    assert found.done.landlock > 0


WITHOUT = """
import runpy, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pandas", "polars"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without())
module = sys.argv[3]  # we are called with -P -m MODULE --parent PID
del sys.argv[1:4]
runpy.run_module(module, run_name="__main__")
"""


def test_a_question_is_answered_where_neither_pandas_nor_polars_is_installed(
    snapshot: tuple[Given, Mapping[str, pa.Table]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!{sys.executable} -P\n{WITHOUT}")
    python.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(python))
    found = ask(snapshot, "SELECT count(*) AS n FROM samples JOIN last USING (tag) JOIN reactor ON true")
    assert found.done.landlock > 0
    assert ask(snapshot, "SELECT sum(good) AS n FROM rollup_15m").table.to_pylist() == [{"n": 1001}]


REFUSED = (
    "COPY (SELECT 1) TO '{folder}/x.csv'",
    "COPY samples FROM '/etc/passwd'",
    "ATTACH '{folder}/x.db'",
    "DETACH memory",
    "USE system",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA database_list",
    "SET memory_limit = '100GB'",
    "RESET lock_configuration",
    "EXPORT DATABASE '{folder}/x'",
    "IMPORT DATABASE '{folder}/x'",
    "CREATE TABLE x AS SELECT 1",
    "CREATE OR REPLACE VIEW samples AS SELECT 1",
    "CREATE MACRO now() AS 1",
    "DROP VIEW samples",
    "INSERT INTO tags VALUES (1)",
    "DELETE FROM tags",
    "CHECKPOINT",
    "VACUUM",
    "CALL pragma_version()",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE x AS SELECT 1",
    "CREATE SECRET (TYPE s3)",
    "SHOW ALL TABLES",
    "SHOW TABLES",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 1) TO '{folder}/x.csv'",
    "SELECT getenv('HOME')",
    "SELECT current_setting('threads')",
    "SELECT sleep_ms(100000)",
    "SELECT write_log('x')",
    "SELECT json_serialize_plan('SELECT 1')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "WITH x AS (SELECT * FROM glob('/*')) SELECT * FROM x",
    "SELECT * FROM samples WHERE value IN (SELECT 1 FROM read_blob('/etc/passwd'))",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('samples')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_views()",
    "SELECT * FROM pragma_version()",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM json_execute_serialized_sql('x')",
    "SELECT * FROM duckdb_logs_parsed('x')",
    "SELECT * FROM system.main.read_csv('/etc/passwd')",
    "FROM read_parquet('kept://x')",
    "FROM parquet_metadata('kept://x')",
)
UNKNOWN = (
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'kept://x.parquet'",
    'SELECT * FROM "/etc/passwd.csv"',
    "SELECT * FROM snapshot",
    "SELECT * FROM given",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM system.main.samples",
    "SELECT * FROM x.numbers",
    "SELECT * FROM numbers",
    "SELECT (WITH numbers AS (SELECT 1) SELECT 1) FROM raw",
)


def test_what_is_no_question_about_the_history_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    for sql in REFUSED:
        with pytest.raises(Refused):
            list(prepared.database().answer(sql.format(folder=tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_view_is_not_there(prepared: Prepared) -> None:
    for sql in UNKNOWN:
        with pytest.raises(NotFound, match="there is no view"):
            list(prepared.database().answer(sql))


def test_every_function_of_duckdb_that_makes_rows_is_refused_but_those_that_only_calculate(prepared: Prepared) -> None:
    database = prepared.database()
    names = database._db.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() "
        "WHERE function_type IN ('table', 'table_macro', 'pragma')"
    ).fetchall()
    assert len(names) > 60
    for (name,) in names:
        if name not in MAKES_ROWS:
            with pytest.raises(IsthmusError, match=r"is not there in a question|syntax error"):
                list(database.answer(f"SELECT * FROM {name}('x')"))


def test_a_name_of_a_table_in_another_question_does_not_open_it(prepared: Prepared) -> None:
    database = prepared.database()
    inner = database._inner
    for sql in (f"SELECT * FROM {inner}.numbers", f"SELECT * FROM memory.{inner}.raw"):
        with pytest.raises(NotFound):
            list(database.answer(sql))
    with pytest.raises(IsthmusError, match="does not exist"):
        list(database.answer("SELECT (WITH numbers AS (SELECT 1) SELECT 1), * FROM numbers"))


def test_duckdbs_own_locks_hold_without_ours(prepared: Prepared, tmp_path: Path) -> None:
    """Asked past `statement.check`, the database still reaches no file, setting or extension."""
    import duckdb

    database = prepared.database()._db
    for sql in (
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        f"COPY (SELECT 1) TO '{tmp_path}/x.csv'",
        f"ATTACH '{tmp_path}/x.db'",
        f"EXPORT DATABASE '{tmp_path}/x'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 8",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "SELECT * FROM tmp_path",
        "SELECT * FROM 'https://127.0.0.1/x.parquet'",
    ):
        with pytest.raises(duckdb.Error):
            database.execute(sql).fetchall()
    assert list(tmp_path.iterdir()) == []


BOMBS = (
    "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000) c",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "WITH RECURSIVE t(n) AS (SELECT 'x' UNION ALL SELECT n || n FROM t) SELECT max(length(n)) FROM t",
    "SELECT list_aggr(range(1000000000), 'sum')",
    "SELECT length(string_agg(repeat('x', 1000000), '')) FROM range(100000)",
    "SELECT repeat('x', 4000000000)",
    "SELECT count(DISTINCT range) FROM range(1000000000)",
    "SELECT * FROM range(100000000) ORDER BY hash(range)",
    "SELECT range(1000000) FROM range(1000000)",
    "SELECT * FROM samples a, samples b, samples c, samples d ORDER BY random()",
    "SELECT sum(length(regexp_replace(repeat('a', 100000), '(a|aa)+$', range::VARCHAR, 'g'))) FROM range(1000000)",
    "SELECT generate_series(1, 1000000000)",
)


@pytest.mark.parametrize("sql", BOMBS)
def test_a_bomb_ends_in_words_within_its_limits(snapshot: tuple[Given, Mapping[str, pa.Table]], sql: str) -> None:
    limits = Limits(rows=10, seconds=1.5, memory=128_000_000, size=64_000_000)
    with pytest.raises(IsthmusError, match=r"memory|no answer within|too large"):
        ask(snapshot, sql, limits)


def test_deep_long_and_strange_statements_end_in_words(prepared: Prepared) -> None:
    statements = (
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT " + "+".join(["1"] * 30_000),
        "SELECT " + "NOT " * 20_000 + "true",
        "SELECT '" + "x" * 200_000 + "'",
        "SELECT " + ", ".join(["1"] * 40_000) + " FROM nowhere",
        "SELECT \0 1",
        "\ud83d",
        "SELECT 'unfinished",
        "",
        " -- nothing",
        ";",
    )
    for sql in statements:
        with pytest.raises(IsthmusError):
            list(prepared.database().answer(sql))


def test_errors_point_at_the_place(prepared: Prepared) -> None:
    def said(sql: str) -> list[str]:
        with pytest.raises(IsthmusError) as caught:
            list(prepared.database().answer(sql))
        return caught.value.what.splitlines()

    assert said("SELECT vaule FROM samples")[-2:] == ["LINE 1: SELECT vaule FROM samples", "               ^"]
    assert said("SELECT 1,\n  x y z")[-2:] == ["LINE 2:   x y z", "              ^"]
    assert said("SELECT *\nFROM sampels")[0] == "there is no view 'sampels'; did you mean 'samples'?"
    assert said("SELECT *\nFROM sampels")[-2:] == ["LINE 2: FROM sampels", "             ^"]


def test_a_tag_that_is_not_there_is_remarked(snapshot: tuple[Given, Mapping[str, pa.Table]]) -> None:
    found = ask(snapshot, "SELECT * FROM samples WHERE tag = 'p/l/r-1/temprature'")
    assert found.table.num_rows == 0
    assert found.done.remarks == ("no tag 'p/l/r-1/temprature'; did you mean 'p/l/r-1/temperature'?",)


def test_an_answer_is_cut_where_asked(snapshot: tuple[Given, Mapping[str, pa.Table]]) -> None:
    for rows, more in ((10, True), (1000, True), (1001, False), (5000, False)):
        found = ask(snapshot, "SELECT value FROM samples", Limits(rows=rows, seconds=120))
        assert (found.table.num_rows, found.more) == (min(rows, 1001), more)
    wide = ask(snapshot, "SELECT repeat('x', 1000) FROM range(1000000)", Limits(size=50_000_000, seconds=120))
    assert wide.more
    assert wide.table.nbytes <= 50_000_000


async def test_cancelling_kills_the_process(snapshot: tuple[Given, Mapping[str, pa.Table]], until: Until) -> None:
    task = asyncio.create_task(answer(*snapshot, "SELECT count(*) FROM range(100000000000) a, range(1000)", FEW))
    children: list[psutil.Process] = []

    def busy() -> bool:
        children[:] = calculating(psutil.Process())
        return bool(children)

    await until(busy, "it calculates")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not children[0].is_running()


def calculating(parent: psutil.Process) -> list[psutil.Process]:
    """Children that answer questions and have had half a second of processor time."""
    found = []
    for child in parent.children():
        with suppress(psutil.Error):  # another child, which is ending
            if "isthmus.app.sql.child" in child.cmdline() and child.cpu_times().user > 0.5:
                found.append(child)
    return found


def test_it_dies_with_the_one_who_asked(prepared: Prepared, tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import asyncio, pathlib
        from isthmus.app.sql.ask import answer
        from isthmus.store.history.sql.given import Limits
        from tests.sql.prepared import Prepared
        given = Prepared.at(pathlib.Path({str(prepared.folder)!r})).given()
        asyncio.run(answer(*given, "SELECT count(*) FROM range(100000000000) a, range(1000)", Limits(seconds=600)))
    """)
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    try:
        child = _child_of(parent.pid)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(180)
        psutil.wait_procs([child], timeout=180)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    finally:
        parent.kill()
        parent.wait(180)


def _child_of(pid: int) -> psutil.Process:
    import time

    end = time.monotonic() + 180
    while time.monotonic() < end:
        for child in psutil.Process(pid).children():
            if child.cpu_times().user > 0.5:
                return child
        time.sleep(0.02)
    pytest.fail("no process answers")


TRIED = """
import os, socket, sys, pathlib
from isthmus.app.sql.confine import confine, limit
folder = pathlib.Path(sys.argv[1])
open(folder / "readable" / "file").close()
limit(60, 500_000_000)
locks = confine([folder / "readable"])
def tried(name, act):
    try:
        act()
    except (OSError, MemoryError, ValueError) as error:
        print(name, type(error).__name__)
    else:
        print(name, "done")
tried("read", lambda: open(folder / "readable" / "file").close())
tried("elsewhere", lambda: open(folder / "other"))
tried("passwd", lambda: open("/etc/passwd"))
tried("proc", lambda: open(f"/proc/{sys.argv[2]}/environ"))
tried("own", lambda: open("/proc/self/environ"))
tried("listing", lambda: os.listdir("/"))
tried("write", lambda: open(folder / "readable" / "new", "w"))
tried("unlink", lambda: os.unlink(folder / "readable" / "file"))
tried("mkdir", lambda: os.mkdir(folder / "readable" / "sub"))
tried("socket", lambda: socket.socket())
tried("unix", lambda: socket.socketpair())
tried("fork", os.fork)
tried("exec", lambda: os.execv("/bin/true", ["true"]))
tried("kill", lambda: os.kill(int(sys.argv[2]), 0))
tried("memfd", lambda: os.memfd_create("x"))
tried("memory", lambda: bytearray(2_000_000_000))
tried("inherited", lambda: os.fstat(int(sys.argv[3])))
print(locks.landlock > 0, locks.seccomp)
os._exit(0)
"""


def test_the_kernel_lets_it_do_nothing_but_read_the_history(tmp_path: Path) -> None:
    (tmp_path / "readable").mkdir()
    (tmp_path / "readable" / "file").write_text("x")
    (tmp_path / "other").write_text("x")
    with (tmp_path / "other").open() as held:
        words = [sys.executable, "-u", "-c", TRIED, str(tmp_path), str(os.getpid()), str(held.fileno())]
        done = subprocess.run(words, capture_output=True, text=True, timeout=180, check=False)
    said = dict(line.split() for line in done.stdout.splitlines())
    assert said.pop("read") == "done", done.stderr
    assert said.pop("True") == "True"
    assert set(said.values()) <= {"PermissionError", "OSError", "BlockingIOError", "MemoryError"}, said
    assert len(said) == 16
    assert (tmp_path / "readable" / "file").exists()


def test_a_damaged_row_group_is_told_and_never_answered_from(tmp_path: Path) -> None:
    made = Prepared.at(tmp_path / "history")
    made.add(of(1, [(FIRST + i * 10**9, float(i)) for i in range(50_000)]))
    made.compact()
    (day,) = (made.folder / "kept").glob("day-*.parquet")
    data = bytearray(day.read_bytes())
    data[len(data) // 3] ^= 4
    day.write_bytes(data)
    with pytest.raises(Damaged) as caught:
        ask(made.given(), "SELECT sum(value) FROM samples")
    assert caught.value.where == str(day)


def test_the_process_knows_nothing_of_the_one_who_asked(snapshot: tuple[Given, Mapping[str, pa.Table]]) -> None:
    """No environment, an empty folder, no descriptor but its three."""
    seen: dict[str, object] = {}

    async def watch() -> None:
        task = asyncio.create_task(answer(*snapshot, "SELECT count(*) FROM range(1000000000000)", Limits(seconds=120)))
        while not seen and not task.done():
            for child in calculating(psutil.Process()):
                seen.update(environ=child.environ(), folder=child.cwd(), child=child)
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    os.environ["SECRET_OF_THE_TEST"] = "1"
    try:
        asyncio.run(watch())
    finally:
        del os.environ["SECRET_OF_THE_TEST"]
    environ = seen["environ"]
    assert isinstance(environ, dict)
    assert not {"HOME", "PATH", "SECRET_OF_THE_TEST"} & set(environ)
    assert Path(str(seen["folder"])).name.startswith("isthmus-sql-")
