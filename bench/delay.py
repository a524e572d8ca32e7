# SPDX-License-Identifier: Apache-2.0
"""How long a change at the source takes to a person's screen, and what the disk costs."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.figures import Figure, Topic
from bench.plant import plant_file, process, running, source, wait
from isthmus.app.doctor import fsyncs
from isthmus.core.time import from_iso

TAGS, PERIOD = 1000, 333
"""About 3,000 values/s, near a third of what the node-opcua source can send at 100 ms."""
SECONDS = 30


def measure() -> Topic:
    """The delays."""
    how = (
        f"A node-opcua server changes {TAGS:,} tags every {PERIOD} ms; the delay is from a value's source time to the "
        "moment `isthmus watch --json` has printed it, publishing interval (100 ms) included. fsync is what `isthmus "
        "doctor` measures, in the same folder."
    )
    with source(TAGS, PERIOD) as server, running(plant_file(server, TAGS, 100)) as plant:
        wait(lambda: plant.counters("collect").get("accepted", 0) > TAGS, 60, "values are accepted")
        data = str(plant.data)
        with process([sys.executable, "-m", "isthmus", "watch", "meter-1", "--json", "--data", data]) as child:
            delays = list(_delays(child))
        fsync = sorted(fsyncs(plant.data))
    return Topic(
        "Delay",
        how,
        [
            Figure("source to watch, p50", statistics.median(delays) * 1e3, "ms"),
            Figure("source to watch, p99", statistics.quantiles(delays, n=100)[98] * 1e3, "ms"),
            Figure("fsync, p50", statistics.median(fsync) * 1e3, "ms"),
            Figure("fsync, p99", statistics.quantiles(fsync, n=100)[98] * 1e3, "ms"),
        ],
    )


def _delays(child: subprocess.Popen[str]) -> Iterator[float]:
    """Seconds from a value's time to now, for every line of the watch after its first ones."""
    assert child.stdout
    end = time.monotonic() + SECONDS
    for number, line in enumerate(child.stdout):
        arrived = time.time_ns()
        if number >= 5:
            yield (arrived - from_iso(json.loads(line)["time"])) / 1e9
        if time.monotonic() > end:
            return
