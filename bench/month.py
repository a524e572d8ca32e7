# SPDX-License-Identifier: Apache-2.0
"""A month of 2,000 tags from another historian, imported by the command, and what an engineer then asks of it.

Everything is the command line as a person uses it, each question a process of its own: its start is in the figures.
`python -m bench month --days 5` measures fewer days.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from bench.figures import Figure, Topic
from bench.memory import peak
from isthmus.core.time import SECOND, from_iso, to_iso
from isthmus.store.history.kept import DAY, Kind
from isthmus.store.history.manifest import Manifest

REACTORS: Final = 400
TAGS: Final = ("temperature", "pressure", "level", "power", "energy")
PER_DAY: Final = 1440
"""Samples of a tag: one a minute."""
DAYS: Final = 30
START: Final = from_iso("2026-10-01T00:00:00Z")
ASKED: Final = 3
"""Times each question is asked when the disk's cache is warm."""
PLANT: Final = f"""\
version: 1
plant: acme/bench
time_zone: UTC
calendar: {{shifts: {{early: 06:00, late: 14:00, night: 22:00}}}}
systems:
  dcs: {{kind: opcua, url: "opc.tcp://127.0.0.1:4840", zone: control, owner: bench}}
types:
  reactor:
    tags:
      temperature: {{unit: Cel}}
      pressure: {{unit: bar}}
      level: {{unit: "%"}}
      power: {{unit: kW, stepped: true}}
      energy: {{unit: kW.h}}
assets:
  line/reactor-{{1..{REACTORS}}}:
    type: reactor
    system: dcs
    tags: {{{", ".join(f'{tag}: "ns=2;s=R{{n}}.{tag}"' for tag in TAGS)}}}
"""


def measure(days: int = DAYS) -> Topic:
    """Import, compaction, size, and the questions of docs/questions.md."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, files = folder / "data", folder / "export"
        (folder / "plant.yaml").write_text(PLANT)
        _isthmus("apply", str(folder / "plant.yaml"), "--data", str(data), "--yes")
        rows = _exported(files, days)
        size = sum(file.stat().st_size for file in files.iterdir())
        taken = _isthmus("import", str(files), "--quality-as", "opcua", "--no-compact", "--data", str(data))
        made = _isthmus("history", "compact", "--data", str(data))
        bytes_ = _bytes(data / "history")
        figures = [
            Figure("isthmus import, from Parquet", rows / taken.seconds, "rows/s"),
            Figure("import CPU", taken.cpu / rows * 1e6, "µs/row"),
            Figure("import memory, peak", taken.peak, "MiB"),
            Figure("isthmus history compact", rows / made.seconds, "rows/s"),
            Figure("compact memory, peak", made.peak, "MiB"),
            Figure("day files", bytes_[Kind.DAY] / rows, "bytes/sample", "the imported files", size / rows),
            Figure("roll-ups of them", (bytes_[Kind.MINUTES] + bytes_[Kind.QUARTERS]) / rows, "bytes/sample"),
            *(figure for what, words in _questions(days).items() for figure in _asked(what, words, data)),
            Figure("isthmus --help", _isthmus("--help").seconds, "s"),
        ]
    return Topic(
        "A month of 2,000 tags",
        f"{rows:,} samples of {REACTORS * len(TAGS):,} tags, one a minute over {days} days, with decimals, Bad runs "
        "and counters, lie in a Parquet file for each day as another historian may export them. `isthmus import` takes "
        f"them and `isthmus history compact` makes days of them. Then questions by the command line, as [questions]"
        f"(questions.md) has them; seconds of wall clock, the start of the command included; cold is the first time "
        f"after the files' pages were given up, else the median of {ASKED}; memory is what the command held at most.",
        figures,
        alone=days >= DAYS,
    )


def _questions(days: int) -> dict[str, Sequence[str]]:
    """What is asked, of the last week where there is one."""
    end = START + days * DAY
    first = max(START, end - 7 * DAY)
    since, until = to_iso(first), to_iso(end)
    tag = "reactor-137/temperature"
    rolled = (
        "SELECT tag, sum(integral) / sum(good_time) AS average FROM rollup_15m WHERE tag LIKE '%/temperature' "
        f"AND time >= '{since[:10]}' AND time < '{until[:10]}' GROUP BY tag ORDER BY average DESC LIMIT 10"
    )
    week = ("--from", since, "--to", until)
    return {
        "what was this tag at 03:12": ("history", tag, "--at", to_iso(end - DAY + 192 * 60 * SECOND)),
        "its hourly average last week": ("history", tag, *week, "--every", "1h", "--aggregate", "Average"),
        "its average of each day, all days": (
            "history", tag, "--from", to_iso(START), "--to", until, "--every", "day", "--aggregate", "Average",
        ),
        "daily averages of 400 tags last week": (
            "history", "reactor-*/temperature", *week, "--every", "day", "--aggregate", "TimeAverage2",
        ),
        "energy per shift last week, of one": (
            "history", "reactor-137/energy", *week, "--every", "shift", "--aggregate", "Consumed",
        ),
        "which of 400 were above 90 for 5 minutes, a day": (
            "history", "reactor-*/temperature", "--from", to_iso(end - DAY), "--to", until,
            "--above", "90", "--for", "5m",
        ),
        "the ten hottest of 400 last week (SQL, roll-ups)": ("sql", rolled),
    }  # fmt: skip


def _asked(what: str, words: Sequence[str], data: Path) -> list[Figure]:
    _forget(data)
    cold = _isthmus(*words, "--data", str(data))
    warm = [_isthmus(*words, "--data", str(data)) for _ in range(ASKED)]
    return [
        Figure(what, statistics.median(one.seconds for one in warm), "s", "cold", cold.seconds),
        Figure(f"{what}: memory", max(one.peak for one in warm), "MiB"),
    ]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a command took."""

    seconds: float
    cpu: float
    peak: float
    """MiB of its process, or of the largest of its children."""


def _isthmus(*words: str) -> Spent:
    """Runs a command; raises CalledProcessError when it fails."""
    began, most = time.monotonic(), 0.0
    with tempfile.TemporaryFile("w+") as told:
        child = subprocess.Popen(  # not a time-out: a command of hours is what is measured
            [sys.executable, "-m", "isthmus", *words], stdout=subprocess.DEVNULL, stderr=told
        )
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            most = max(most, *map(peak, _family(child.pid)))
            time.sleep(0.05)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            told.seek(0)
            raise subprocess.CalledProcessError(child.returncode, words, stderr=told.read())
    return Spent(time.monotonic() - began, usage.ru_utime + usage.ru_stime, most)


def _family(process: int) -> list[int]:
    """A process and all that it started."""
    try:
        return [process, *(child.pid for child in psutil.Process(process).children(recursive=True))]
    except psutil.NoSuchProcess:
        return [process]


def _forget(data: Path) -> None:
    """Has the system give up what it holds of the files in memory."""
    for file in (data / "history").rglob("*"):
        if file.is_file():
            with file.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _exported(folder: Path, days: int) -> int:
    """A Parquet file for each day, by time and tag as exports mostly are; how many rows."""
    folder.mkdir()
    rng = np.random.default_rng(3)
    names = [f"acme/bench/line/reactor-{n + 1}/{tag}" for n in range(REACTORS) for tag in TAGS]
    levels = rng.uniform(20, 80, len(names))
    energy = np.zeros(REACTORS)
    for day in range(days):
        walk = np.cumsum(rng.normal(0, 0.3, (PER_DAY, len(names))), axis=0)
        values = np.round(levels + walk * np.where(np.arange(len(names)) % 5 == 0, 1.5, 0.2), 2)
        values[:, 3::5] = np.round(np.abs(values[:, 3::5]) // 10 * 10, 1)
        values[:, 4::5] = energy + np.cumsum(values[:, 3::5] / 60, axis=0).round(3)
        energy = values[-1, 4::5]
        levels = np.clip(values[-1], 15, 85)
        quality = np.zeros(values.shape, np.int64)
        for column, place in zip(rng.integers(0, len(names), 200), rng.integers(0, PER_DAY - 20, 200), strict=True):
            quality[place : place + 10, column] = 0x808A0000
        times = np.repeat(START + day * DAY + np.arange(PER_DAY) * 60 * SECOND, len(names))
        codes = np.tile(np.arange(len(names), dtype=np.int32), PER_DAY)
        table = pa.table(
            {
                "tag": pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names)),
                "time": pa.array(times).cast(pa.timestamp("ns", "UTC")),
                "value": values.ravel(),
                "quality": quality.ravel(),
            }
        )
        pq.write_table(table, folder / f"day-{day:02}.parquet", compression="zstd", row_group_size=1_000_000)
    return days * PER_DAY * len(names)


def _bytes(history: Path) -> dict[Kind, int]:
    manifest = Manifest.open(history / "manifest.db", reading=True)
    try:
        return {kind: sum(kept.size for kept in manifest.kept(kind)) for kind in Kind}
    finally:
        manifest.close()
