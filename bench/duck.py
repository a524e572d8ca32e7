# SPDX-License-Identifier: Apache-2.0
"""The baseline: one DuckDB table of the same samples, given the same messages, then sorted by tag and time."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
import pyarrow as pa

from bench.workload import MESSAGE, Workload, messages
from isthmus.store.history.columns import to_table

TABLE = (
    "CREATE TABLE samples(tag UINTEGER, time TIMESTAMP_NS, seen TIMESTAMP_NS, value DOUBLE, integer BIGINT, "
    "text VARCHAR, quality UINTEGER, mark UTINYINT)"
)


def opened(file: Path, *, reading: bool = False) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(file), read_only=reading)
    connection.execute(
        "SET threads = 2; SET memory_limit = '6GB'; SET TimeZone = 'UTC'; SET enable_progress_bar = false"
    )
    return connection


def ingested(file: Path, workload: Workload, seconds: int, most: int) -> tuple[float, float]:
    """Samples per second that the table takes as messages, each a transaction on the disk, of at most `most` samples.

    With the checkpoint that ends it; and samples per CPU second.
    """
    with opened(file) as connection:
        connection.execute(TABLE)
        tables = [to_table(message) for message in messages(workload.slice(0, seconds))][: most // MESSAGE]
        began, cpu = time.monotonic(), time.process_time()
        for table in tables:
            _insert(connection, table)
        connection.execute("CHECKPOINT")
        count = sum(len(table) for table in tables)
        return count / (time.monotonic() - began), count / (time.process_time() - cpu)


def filled(file: Path, workload: Workload, seconds: int, slices: int) -> None:
    """A table of the whole workload, sorted, in a file that has nothing else."""
    with opened(file.with_suffix(".unsorted")) as connection:
        connection.execute(TABLE)
        for number in range(slices):
            _insert(connection, to_table(workload.slice(number, seconds)))
        connection.execute(f"ATTACH '{file}' AS sorted")
        connection.execute("CREATE TABLE sorted.samples AS SELECT * FROM samples ORDER BY tag, time")
        connection.execute("CHECKPOINT sorted")


def _insert(connection: duckdb.DuckDBPyConnection, table: pa.Table) -> None:
    connection.register("message", table)
    connection.execute("INSERT INTO samples SELECT * FROM message")
    connection.unregister("message")
