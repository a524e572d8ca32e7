# SPDX-License-Identifier: Apache-2.0
"""SQL in and out, against psycopg doing the same with the same rows and no more."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.figures import Figure, Topic
from isthmus.core.tag import DataType
from isthmus.plant.revision import OutputSetting
from isthmus.systems.contract import Address, Surroundings
from isthmus.systems.registry import kinds
from tests.deliver.plant import TAGS, Plant, plant
from tests.peers.postgres import OWNER, PASSWORD, Postgres, done, postgres

ROWS = 100_000
"""Rows that are read."""
MESSAGES = 100
"""Of the log, that are written."""
EACH = 200
"""Samples of each tag in each of them."""
TABLE = """CREATE TABLE lab (id bigserial PRIMARY KEY, at timestamptz, tank text, temperature float8, level float8,
ph numeric)"""
FILL = f"""INSERT INTO lab (at, tank, temperature, level, ph) SELECT '2026-01-01'::timestamptz + i * interval '1 s',
'T-' || i % 4, sin(i), cos(i), round(7 + sin(i)::numeric, 3) FROM generate_series(1, {ROWS}) AS i"""


def measure() -> Topic:
    """CPU and rates of both directions."""
    how = (
        f"In: {ROWS:,} rows of six columns from PostgreSQL on the same machine become three samples each, in pages of "
        "5,000; the baseline fetches the same rows by psycopg, in the same order, and drops them. Out: "
        f"{MESSAGES * EACH * TAGS:,} samples in {MESSAGES} messages of the log go into a narrow and into a wide table, "
        "2,000 in a transaction, by the deliverer's process, reading, position on disk and all; the baselines are "
        "psycopg's executemany of INSERT ... ON CONFLICT DO NOTHING and its COPY, of rows with the same columns and "
        "key, 2,000 in a transaction. PostgreSQL syncs each transaction."
    )
    with tempfile.TemporaryDirectory() as name, postgres(fsync="on") as server:
        done(server, TABLE, FILL)
        read, plainly = asyncio.run(_read(server, Path(name))), _fetched(server)
        narrow = asyncio.run(_delivered(server, Path(name) / "narrow", "narrow"))
        wide = asyncio.run(_delivered(server, Path(name) / "wide", "wide"))
        many, copied = _inserted(server), _copied(server)
    rows = "psycopg's rows"
    return Topic(
        "SQL",
        how,
        [
            Figure("in: CPU", read["cpu"], "µs/row", rows, plainly["cpu"]),
            Figure("in", read["rate"], "samples/s", rows, plainly["rate"]),
            Figure("out, narrow: deliverer's CPU", narrow["cpu"], "µs/sample", "executemany", many["cpu"]),
            Figure("out, narrow", narrow["rate"], "samples/s", "executemany", many["rate"]),
            Figure("out, narrow, beside COPY", narrow["rate"], "samples/s", "COPY", copied["rate"]),
            Figure("out, wide: deliverer's CPU", wide["cpu"], "µs/sample", "executemany", many["cpu"]),
            Figure("out, wide", wide["rate"], "samples/s", "executemany", many["rate"]),
        ],
    )


def _figures(cpu: float, began: float, count: int, of: int) -> dict[str, float]:
    """CPU for each of `count`, and how many of `of` came in a second."""
    return {"cpu": cpu / count * 1e6, "rate": of / (time.monotonic() - began)}


async def _read(server: Postgres, folder: Path) -> dict[str, float]:
    kind = kinds()["sql"]
    table = {"table": "lab", "time": "at", "order": "id"}
    config = {"url": server.url, "user": OWNER, "password": PASSWORD, "tables": {"lab": table}}
    driver = kind.connect(kind.spec.model_validate(config), Surroundings("lab", folder))
    addresses = [Address(f"lab.{name}", DataType.FLOAT) for name in ("temperature", "level", "ph")]
    cpu, began, count = time.process_time(), time.monotonic(), 0
    async with driver.open(addresses) as stream:
        async for readings in stream:
            count += len(readings)
            readings.done()
            if count == 3 * ROWS:
                break
    return _figures(time.process_time() - cpu, began, ROWS, 3 * ROWS)


def _connected(server: Postgres) -> psycopg.Connection[Any]:
    return psycopg.connect(server.url, user=OWNER, password=PASSWORD)


def _fetched(server: Postgres) -> dict[str, float]:
    cpu, began, last = time.process_time(), time.monotonic(), 0
    with _connected(server) as line:
        while rows := line.execute("SELECT * FROM lab WHERE id > %s ORDER BY id LIMIT 5000", (last,)).fetchall():
            last = rows[-1][0]
    return _figures(time.process_time() - cpu, began, ROWS, 3 * ROWS)


async def _delivered(server: Postgres, folder: Path, shape: str) -> dict[str, float]:
    config = {"url": server.url, "user": OWNER, "password": PASSWORD, "shape": shape}
    async with plant(folder) as floor:
        floor.apply([OutputSetting(name="warehouse", kind="sql", config=config)])
        floor.start()
        await _until(floor, "state", "connected")
        process = psutil.Process(floor.pid)
        cpu, began = sum(process.cpu_times()[:2]), time.monotonic()
        for _ in range(MESSAGES):
            await floor.publish(EACH)
        count = floor.sent * TAGS
        await _until(floor, "delivered", count)
        return _figures(sum(process.cpu_times()[:2]) - cpu, began, count, count)


async def _until(floor: Plant, key: str, value: object) -> None:
    end = time.monotonic() + 60
    while floor.told("warehouse").get(key) != value:
        if time.monotonic() > end:
            raise TimeoutError(f"{key} is not {value}: {floor.told('warehouse')}")
        await asyncio.sleep(0.02)


_COLUMNS = "tag, time, value, integer, text, quality, mark, time_ns, sample"


def _samples(begin: int) -> list[tuple[Any, ...]]:
    at = "2026-11-23T06:30:00Z"
    return [
        (f"acme/lyon/hall/tank-{n % 5}/level", at, n * 0.5, None, None, 0, 0, n, n) for n in range(begin, begin + 2000)
    ]


def _inserted(server: Postgres) -> dict[str, float]:
    done(server, "CREATE TABLE plainly (LIKE samples INCLUDING ALL)")
    count = MESSAGES * EACH * TAGS
    places = ", ".join(["%s"] * 9)
    statement = f"INSERT INTO plainly ({_COLUMNS}) VALUES ({places}) ON CONFLICT DO NOTHING".encode()
    cpu, began = time.process_time(), time.monotonic()
    with _connected(server) as line, line.cursor() as cursor:
        for begin in range(0, count, 2000):
            cursor.executemany(statement, _samples(begin))
            line.commit()
    return _figures(time.process_time() - cpu, began, count, count)


def _copied(server: Postgres) -> dict[str, float]:
    done(server, "TRUNCATE plainly")
    count = MESSAGES * EACH * TAGS
    cpu, began = time.process_time(), time.monotonic()
    with _connected(server) as line:
        for begin in range(0, count, 2000):
            with line.cursor() as cursor, cursor.copy(f"COPY plainly ({_COLUMNS}) FROM STDIN".encode()) as copy:
                for row in _samples(begin):
                    copy.write_row(row)
            line.commit()
    return _figures(time.process_time() - cpu, began, count, count)
