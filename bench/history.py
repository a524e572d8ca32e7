# SPDX-License-Identifier: Apache-2.0
"""The historian beside one DuckDB table: what it takes in, what it keeps, what it answers while it records."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.duck import filled, ingested
from bench.figures import Figure, Topic
from bench.plant import printed, process
from bench.questions import TAG
from bench.workload import HOUR, START, Workload
from isthmus.core.tag import TagList
from isthmus.store.history.compact import compact
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.kept import DAY, Kind
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.read import open_history
from isthmus.store.history.runs import write_run
from isthmus.store.history.segment import Segment
from isthmus.store.history.tend import tended

DAYS = 7
SECONDS = 86_400
ROWS = 10_000_000
PER_TAG = 53_410
"""Samples of a tag in `DAYS`, on an average of 200 tags."""
BASELINE = 1_000_000
"""Samples that DuckDB is given in messages: it takes about 5 s for them."""
STEADY = 20
"""Seconds of recording at 30 % load."""


def measure(rows: int = ROWS) -> Topic:
    """Ingest, size, questions and memory, of about so many samples."""
    workload = Workload(max(rows // PER_TAG // 20 * 20, 40))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data"
        with _log(data):
            sent = printed(_publishing(data, workload, 0, DAYS if rows <= ROWS else 1), 600)
            ceiling = printed([sys.executable, "-m", "bench.following", str(data), str(int(sent["last"]))], 300)
            recorded = _recorded(data, int(sent["last"]))
        segments = _size(data / "history", Kind.RUN)
        duck, duck_cpu = ingested(folder / "messages.db", workload, SECONDS, BASELINE)
        if rows > ROWS:
            _extended(data / "history", workload)
        began = time.monotonic()
        done = compact(data / "history", today=True)
        compacted = done.samples / (time.monotonic() - began)
        filled(folder / "table.db", workload, SECONDS, DAYS)
        table = (folder / "table.db").stat().st_size
        words = [str(data / "history"), str(folder / "table.db"), str(workload.tags), str(DAYS)]
        asked = _asked(words)
        with _log(data):
            steady = 0.3 * recorded["recorded"] / recorded["seconds"]
            times = _while_recording(data, workload, steady)
        count = _count(data / "history", Kind.DAY)
        bytes_ = {kind: _size(data / "history", kind) for kind in Kind}
        plain = _plain(folder / "plain")
    rate, reading = recorded["recorded"] / recorded["seconds"], sent["samples"] / ceiling["seconds"]
    rollups = bytes_[Kind.MINUTES] + bytes_[Kind.QUARTERS]
    return Topic(
        "History" if rows <= ROWS else f"History, {count / 1e6:.0f} million samples",
        f"{workload.tags} tags over {DAYS} days ({count:,} samples; one tag in 33 every second, the others every 18, "
        "with jitter of 100 ns resolution, texts, Bad runs and late samples) go through a real log in messages of "
        "2,000 into a recorder. DuckDB is given the same messages, one transaction each, and later one table sorted by "
        "tag and time. A question to the history opens a snapshot first; the table stays open. Medians, both warm.",
        [
            Figure("log to segments", rate, "samples/s", "DuckDB", duck, "4"),
            Figure("log to segments", rate, "samples/s", "reading the log only", reading),
            Figure("recorder CPU", recorded["cpu"] / recorded["recorded"] * 1e6, "µs/sample", "DuckDB", 1e6 / duck_cpu),
            Figure("recorder memory, peak", recorded["peak"], "MiB"),
            Figure("segments", segments / recorded["recorded"], "bytes/sample", "", None, "5.8"),
            Figure("compacting into days", compacted, "samples/s"),
            Figure("day files", bytes_[Kind.DAY] / count, "bytes/sample", "DuckDB", table / count, "5.8"),
            Figure("roll-ups of them", rollups / count, "bytes/sample", "day files", bytes_[Kind.DAY] / count),
            Figure("day files, exactly 1 Hz", plain, "bytes/sample", "", None, "1.5"),
            *(
                Figure(what, ours, "ms", "DuckDB", theirs, _GOALS.get(what, ""))
                for what, (ours, theirs) in asked["ms"].items()
            ),
            Figure("reader memory, peak", asked["peak"], "MiB"),
            Figure("one tag, one hour, p50 while recording at 30 % load", statistics.median(times), "ms"),
            Figure("one tag, one hour, p99 while recording at 30 % load", statistics.quantiles(times, n=100)[98], "ms"),
            Figure("published meanwhile", steady, "samples/s"),
        ],
        alone=rows > ROWS,
    )


_GOALS = {
    "latest of all tags": "20 ms",
    "one tag, one hour": "1.5",
    "one tag, a day by minutes": "1.5",
    "one tag, all by days": "1",
    "50 tags, all on 1,000 pixels": "1",
}


@contextmanager
def _log(data: Path) -> Iterator[None]:
    """A log server in a process of its own."""
    with process([sys.executable, "-m", "bench.logserver", str(data)]) as child:
        assert child.stdout
        next(line for line in child.stdout if line.startswith("READY"))
        yield


def _publishing(
    data: Path, workload: Workload, first: int, slices: int, rate: float = 0.0, seconds: int = SECONDS
) -> list[str]:
    words = (data, workload.tags, seconds, first, slices, rate)
    return [sys.executable, "-m", "bench.publishing", *map(str, words)]


def _recorded(data: Path, last: int) -> dict[str, float]:
    with process([sys.executable, "-m", "bench.recording", str(data)]) as recorder:
        assert recorder.stdin and recorder.stdout
        recorder.stdin.write(f"{last}\n")
        recorder.stdin.flush()
        output = recorder.stdout.read()
    found: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    return found


def _extended(history: Path, workload: Workload) -> None:
    """The other days, without going through a log."""
    for number in range(1, DAYS):
        with tended(history) as manifest:
            write_run(history, manifest, workload.slice(number, SECONDS))


def _asked(words: list[str]) -> Any:
    with process([sys.executable, "-m", "bench.questions", *words]) as child:
        output, _ = child.communicate(timeout=900)
    return json.loads(output.strip().splitlines()[-1])


def _while_recording(data: Path, workload: Workload, rate: float) -> list[float]:
    """How long (ms) each question takes while so many samples per second are recorded, of the days behind the last."""
    times: list[float] = []
    seconds = SECONDS * 100 // workload.tags
    first = DAYS * SECONDS // seconds + 1
    with (
        process([sys.executable, "-m", "bench.recording", str(data)]),
        process(_publishing(data, workload, first, 100, rate, seconds)) as publisher,
    ):
        end = time.monotonic() + STEADY
        while time.monotonic() < end and publisher.poll() is None:
            times.append(asyncio.run(_hour(data / "history")))
            time.sleep(0.05)
    return times


async def _hour(history: Path) -> float:
    began = time.perf_counter()
    async with open_history(history) as found:
        found.columns([TAG], START + 3 * DAY, START + 3 * DAY + HOUR)
    return (time.perf_counter() - began) * 1e3


def _files(history: Path) -> list[Any]:
    manifest = Manifest.open(history / "manifest.db", reading=True)
    try:
        return [*manifest.kept(), *manifest.segments()]
    finally:
        manifest.close()


def _size(history: Path, kind: Kind) -> int:
    """Bytes of one kind of files; segments count as runs."""
    return sum(file.size for file in _files(history) if _kind(file) is kind)


def _count(history: Path, kind: Kind) -> int:
    return sum(file.rows for file in _files(history) if _kind(file) is kind)


def _kind(file: Any) -> Kind:
    found: Kind = Kind.RUN if isinstance(file, Segment) else file.kind
    return found


def _plain(history: Path) -> float:
    """Bytes of a sample of tags that are sampled exactly every second."""
    workload, folder = Workload(200, plain=True), Folder(history)
    folder.make()
    Manifest.open(folder.manifest).close()
    tags = TagList(workload.list())
    keep(folder.lists / tags.digest, tags.packed)
    with tended(history) as manifest:
        write_run(history, manifest, workload.slice(0, 10_000))
    compact(history, today=True)
    return _size(history, Kind.DAY) / _count(history, Kind.DAY)
