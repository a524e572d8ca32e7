# SPDX-License-Identifier: Apache-2.0
"""What the screen costs its server and how soon people see things: sockets, one Chromium, a real OPC UA server."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from playwright.sync_api import Browser, Page

from bench.browsing import CLICK, DELAYS, answered, chromium, opened, shown
from bench.figures import Figure, Topic
from bench.plant import Running, plant_file, process, running, source, wait
from isthmus.app.importing.given import take_in
from isthmus.app.run.place import Place
from isthmus.core.time import SECOND, now

TAGS, PERIOD = 500, 500
SOCKETS = 19
SECONDS = 8
POINTS, APART = 100_000, 6
"""Samples of the trend, and s between two."""
OPENINGS, CLICKS = 5, 5
LOAD = 1000, 333
"""Tags and ms: about 3,000 values/s, near a third of what the source can send (see the topic Delay)."""
METER = "acme/bench/line/meter-0/value"


def measure() -> Topic:
    """The figures."""
    how = (
        f"A node-opcua server changes {TAGS} tags every {PERIOD} ms; {SOCKETS} sockets and one Chromium (headless, "
        f"1920x1080) are subscribed to all of them for {SECONDS} s. The baseline encodes each page for each client: "
        "every socket asks by a pattern of its own. A page is opened with an empty cache. The trend's week has "
        f"{POINTS:,} samples; it is drawn when the second frame after its answer is. Delays are from a value's source "
        f"time to the frame that shows it, of {LOAD[0]:,} tags every {LOAD[1]} ms, publishing (100 ms) and the turn of "
        "a page (500 ms) included. The simulation is that of `isthmus demo`."
    )
    with chromium() as browser:
        figures = [*_served(browser), *_delays(browser)]
    return Topic("Screen", how, [*figures, *_simulated()])


@dataclass(frozen=True, slots=True)
class Cost:
    """What subscribers cost in a while."""

    share: float
    """Of a core, of the server."""
    per_value: float
    """µs of the server for a value that one socket got; following the log taken off."""
    bytes: float
    """A second and client."""


def _served(browser: Browser) -> list[Figure]:
    with source(TAGS, PERIOD) as server, running(plant_file(server, TAGS, 100)) as plant:
        url = wait(lambda: plant.counters("serve").get("url"), 60, "the screen is served")
        wait(lambda: plant.counters("collect").get("accepted", 0) > 2 * TAGS, 60, "values are accepted")
        _fill(plant)
        idle = _used(plant, lambda: time.sleep(SECONDS))
        shared, own = (_crowd(plant, url, own, idle) for own in (False, True))
        page = shown(browser, f"{url}/?path=acme/bench/line", ".value.good")
        time.sleep(SECONDS / 2)  # it asks for the last half hour of each at first
        all_of_them = _crowd(plant, url, False, idle)
        page.close()
        pages = [opened(browser, url) for _ in range(OPENINGS)]
        bare = statistics.median(answered(browser, f"{url}/api/plant") for _ in range(OPENINGS))
        drawn = _drawn(shown(browser, f"{url}/?page=trend&from=-1h&to=now&show={METER}", "is-trend canvas"))
    first = statistics.median(one.first for one in pages)
    return [
        Figure("server CPU, 20 subscribers", all_of_them.share * 100, "% of a core", "no subscriber", idle * 100),
        Figure(
            "server CPU, 19 sockets", shared.per_value, "µs/value and client", "encoded for each client", own.per_value
        ),
        Figure("sent to a client", shared.bytes / 1000, "kB/s"),
        Figure("first live value after opening", first, "ms", "an answer of the API, opened", bare, "1,000"),
        Figure("page weight", pages[0].weight / 1000, "kB"),
        Figure("requests for it", pages[0].requests, ""),
        Figure(f"{POINTS:,} samples drawn after a click", statistics.median(drawn), "ms", goal="300"),
        Figure("slowest of them", max(drawn), "ms"),
    ]


def _fill(plant: Running) -> None:
    """Gives one tag a week with so many samples."""
    at = now() - SECOND * 60 - np.arange(POINTS)[::-1] * APART * SECOND
    values = 50 + np.cumsum(np.random.default_rng(1).normal(0, 0.1, POINTS))
    table = pa.table({"tag": [METER] * POINTS, "time": pa.array(at, pa.timestamp("ns", "UTC")), "value": values})
    take_in(Place(plant.data), [table], "a week")


def _used(plant: Running, work: Callable[[], object]) -> float:
    """Share of a core that the server takes while something is done."""
    before, began = plant.cpu()["serve"], time.monotonic()
    work()
    return (plant.cpu()["serve"] - before) / (time.monotonic() - began)


def _crowd(plant: Running, url: str, own: bool, idle: float) -> Cost:
    """19 sockets; `idle` is the share that the server takes without any."""
    words = [url, str(SOCKETS), str(SECONDS), str(int(own))]
    with process([sys.executable, "-m", "bench.subscribers", *words]) as child:
        assert child.stdout
        assert child.stdout.readline() == "READY\n"
        found: list[str] = []
        share = _used(plant, lambda: found.append(child.stdout.readline() if child.stdout else ""))
    told = json.loads(found[0])
    each = (share - idle) / (told["values"] / SECONDS)
    return Cost(share, each * 1e6, told["bytes"] / SECONDS / SOCKETS)


def _drawn(page: Page) -> list[float]:
    """ms from each click on a week to its line."""
    found = []
    for _ in range(CLICKS):
        page.evaluate(CLICK, "1 h")
        found.append(float(page.evaluate(CLICK, "7 d")))
    page.close()
    return found


def _delays(browser: Browser) -> list[Figure]:
    tags, period = LOAD
    with source(tags, period) as server, running(plant_file(server, tags, 100)) as plant:
        url = wait(lambda: plant.counters("serve").get("url"), 60, "the screen is served")
        wait(lambda: plant.counters("collect").get("accepted", 0) > 2 * tags, 60, "values are accepted")
        page = shown(browser, f"{url}/?path=acme/bench/line/meter-0", ".value.good")
        delays = page.evaluate(DELAYS, [METER, 2 * SECONDS])
        page.close()
    return [
        Figure("source to screen, p50", statistics.median(delays), "ms"),
        Figure("source to screen, p99", statistics.quantiles(delays, n=100)[98], "ms"),
    ]


def _simulated() -> list[Figure]:
    """What the demo's simulation takes, with its two servers beside it."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        words = [sys.executable, "-m", "isthmus", "demo", "--past", "0", "--data", str(data)]
        with process(words) as child:
            plant = Running(data, child)
            services = wait(lambda: _ready(plant), 60, "the demo runs")
            found = {name: psutil.Process(services[name]["pid"]) for name in ("simulation", "dcs", "packages")}
            time.sleep(3)
            before = {name: sum(one.cpu_times()[:2]) for name, one in found.items()}
            time.sleep(SECONDS)
            used = {name: (sum(one.cpu_times()[:2]) - before[name]) / SECONDS * 100 for name, one in found.items()}
    return [
        Figure("simulation, 316 tags every second", used["simulation"], "% of a core", goal="15"),
        Figure("its two OPC UA servers", used["dcs"] + used["packages"], "% of a core"),
    ]


def _ready(plant: Running) -> dict[str, dict[str, Any]]:
    """The demo's processes when all of them are ready, else nothing."""
    services: dict[str, dict[str, Any]] = plant.counters("supervisor").get("services", {})
    ready = bool(services) and all(one["state"] == "ready" for one in services.values())
    return services if ready else {}
