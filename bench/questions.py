# SPDX-License-Identifier: Apache-2.0
"""Questions that people ask a historian: `python -m bench.questions HISTORY TABLE TAGS DAYS` puts them to both.

To our history first, opening a snapshot for each; then to the DuckDB table, which stays open. One JSON object: the
median of some answers of each in ms, by question, and what this process held (MiB) before DuckDB was loaded.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.memory import peak
from bench.workload import HOUR, START, Workload
from isthmus.core.time import SECOND
from isthmus.plant.revision import TagSetting
from isthmus.store.history.aggregates.catalogue import aggregates
from isthmus.store.history.aggregates.intervals import every
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.kept import DAY
from isthmus.store.history.read import History, open_history
from isthmus.store.history.rollup.condense import condensed
from isthmus.store.history.rollup.picture import pictures
from isthmus.store.history.watch import Watch

if TYPE_CHECKING:
    import duckdb

TAG: Final = 33
"""Sampled every second."""
ASKED: Final = 7
"""Times, after a first one that is not counted."""
LEAST: Final = 3
"""Times at least."""
LONG: Final = 10_000.0
"""ms after which no more is asked."""
NAMES: Final = ("Average", "Minimum", "Maximum", "Count")
_SUMMED: Final = "avg(value), min(value), max(value), count(value)"


@dataclass(frozen=True, slots=True)
class Question:
    name: str
    ours: Callable[[History], Any]
    sql: str


def questions(workload: Workload, days: int) -> list[Question]:
    tags = {tag.number: tag for tag in workload.list()}
    settings = {number: TagSetting(tag=tag, system="bench", address="x") for number, tag in tags.items()}
    end, watch = START + days * DAY, Watch(START + days * DAY, ())
    noon = START + min(3, days - 1) * DAY + 12 * HOUR + 34_567 * SECOND // 10
    fifty = [n for n in tags if n % 20 != 19 and (n % 33 == 0 or len(tags) < 1700)][:50]
    pixel = days * DAY // 1000

    def summed(history: History, start: int, stop: int, width: int) -> None:
        intervals = every(start, stop, width)
        aggregates(NAMES, condensed(history, settings[TAG], watch, intervals, Settings()).series, intervals)

    day = START + min(3, days - 1) * DAY

    def since(start: int, stop: int) -> str:
        return f"time >= make_timestamp_ns({start}) AND time < make_timestamp_ns({stop})"

    last = "SELECT tag, max(time), arg_max(value, time), arg_max(text, time), arg_max(quality, time) FROM samples"
    return [
        Question("opening a snapshot", lambda _: None, "SELECT 1"),
        Question("latest of all tags", lambda history: history.last(), f"{last} GROUP BY tag"),
        Question(
            "one tag, one hour",
            lambda history: history.columns([TAG], day + HOUR, day + 2 * HOUR),
            f"SELECT time, value, quality FROM samples WHERE tag = {TAG} AND {since(day + HOUR, day + 2 * HOUR)}",
        ),
        Question(
            "one tag, a day by minutes",
            lambda history: summed(history, day, day + DAY, 60 * SECOND),
            f"SELECT epoch_ns(time) // {60 * SECOND} AS b, {_SUMMED} FROM samples "
            f"WHERE tag = {TAG} AND {since(day, day + DAY)} GROUP BY b ORDER BY b",
        ),
        Question(
            "one tag, all by days",
            lambda history: summed(history, START, end, DAY),
            f"SELECT epoch_ns(time) // {DAY} AS b, {_SUMMED} FROM samples WHERE tag = {TAG} GROUP BY b ORDER BY b",
        ),
        Question(
            "50 tags, all on 1,000 pixels",
            lambda history: pictures(history, [settings[n] for n in fifty], {"bench": watch}, START, end, 1000),
            f"SELECT tag, (epoch_ns(time) - {START}) // {pixel} AS b, {_SUMMED} FROM samples "
            f"WHERE tag IN ({', '.join(map(str, fifty))}) GROUP BY tag, b",
        ),
        Question(
            "all tags at one time",
            lambda history: history.at(noon),
            f"{last} WHERE time <= make_timestamp_ns({noon}) GROUP BY tag",
        ),
    ]


async def asked(folder: Path, question: Question) -> float:
    """ms, the snapshot included."""
    began = time.perf_counter()
    async with open_history(folder) as history:
        question.ours(history)
    return (time.perf_counter() - began) * 1e3


def _median(ask: Callable[[], float]) -> float:
    """Of some answers after a first one, fewer where they take long; ms."""
    times = [ask()]
    while len(times) <= ASKED and (len(times) <= LEAST or sum(times) < LONG):
        times.append(ask())
    return statistics.median(times[1:])


def _of_ours(folder: Path, question: Question) -> float:
    return asyncio.run(asked(folder, question))


def _by_sql(connection: duckdb.DuckDBPyConnection, question: Question) -> float:
    began = time.perf_counter()
    connection.execute(question.sql).to_arrow_table()
    return (time.perf_counter() - began) * 1e3


def main(folder: Path, table: Path, tags: int, days: int) -> None:
    found: dict[str, Any] = {}
    wanted = questions(Workload(tags), days)
    for question in wanted:
        found[question.name] = [_median(partial(_of_ours, folder, question))]
    most = peak()

    from bench.duck import opened

    with opened(table, reading=True) as connection:
        for question in wanted:
            found[question.name].append(_median(partial(_by_sql, connection, question)))
    print(json.dumps({"ms": found, "peak": most}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
