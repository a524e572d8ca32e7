# SPDX-License-Identifier: Apache-2.0
"""Replayed notifications: from captured bytes to accepted and to recorded, without a simulator in the way."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Figure, Topic
from bench.plant import printed, process, source

TAGS = 1000
SECONDS = 20
LONG = 300
"""Seconds over which the recorder's memory is watched, at a third of the highest rate."""


def measure() -> Topic:
    """Rates, bytes and memory."""
    how = (
        f"PublishResponses of a node-opcua server with {TAGS:,} changing tags, captured once, go through the "
        "collector's own decoding, standardising and publishing into a real log as fast as they are taken, without and "
        f"with a recorder beside it. Then {LONG} s at 30 % of that rate."
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        capture = _captured(folder)
        alone = _played(folder / "alone", capture, SECONDS, 0)
        both, recorded = _recorded(folder / "both", capture, SECONDS, 0)
        rate = both["values"] / both["seconds"]
        steady, long = _recorded(folder / "long", capture, LONG, 0.3 * rate)
        size = sum(file.stat().st_size for file in (folder / "both" / "history").rglob("*.parquet"))
    per_second = alone["values"] / alone["seconds"]
    return Topic(
        "Replay",
        how,
        [
            Figure("bytes to accepted", per_second, "values/s"),
            Figure("bytes to accepted, recorder beside it", rate, "values/s", "without a recorder", per_second),
            Figure("bytes to recorded", recorded["recorded"] / recorded["seconds"], "values/s", "accepted", rate),
            Figure("collector CPU", alone["cpu"] / alone["values"] * 1e6, "µs/value"),
            Figure("recorder CPU", recorded["cpu"] / recorded["recorded"] * 1e6, "µs/value"),
            Figure("on disk", size / recorded["recorded"], "bytes/sample"),
            Figure("publish to ack, p50, 30 % load", steady["p50"] * 1e3, "ms"),
            Figure("publish to ack, p99, 30 % load", steady["p99"] * 1e3, "ms"),
            Figure(
                f"recorder memory after {LONG} s", long["end"], "MiB", f"after {LONG // 3} s", long["third"], "flat"
            ),
        ],
    )


def _captured(folder: Path) -> Path:
    file = folder / "captured"
    with source(TAGS, 100) as server:
        command = [sys.executable, "-m", "bench.replaying", "capture", server.url, server.uri, str(TAGS), str(file)]
        with process(command) as child:
            child.wait(60)
    return file


@contextmanager
def _log(data: Path) -> Iterator[Path]:
    """A log server in a process of its own; its collector's endpoint."""
    with process([sys.executable, "-m", "bench.logserver", str(data)]) as child:
        assert child.stdout
        next(line for line in child.stdout if line.startswith("READY"))
        yield data / "log" / "endpoints" / "collect.json"


def _play(capture: Path, endpoint: Path, seconds: int, rate: float) -> dict[str, float]:
    words = [str(capture), str(TAGS), str(endpoint), str(seconds), str(rate)]
    return printed([sys.executable, "-m", "bench.replaying", "play", *words], seconds + 90)


def _played(data: Path, capture: Path, seconds: int, rate: float) -> dict[str, float]:
    with _log(data) as endpoint:
        return _play(capture, endpoint, seconds, rate)


def _recorded(data: Path, capture: Path, seconds: int, rate: float) -> tuple[dict[str, float], dict[str, float]]:
    """What the collector says, and what a recorder beside it says."""
    with _log(data) as endpoint, process([sys.executable, "-m", "bench.recording", str(data)]) as recorder:
        played = _play(capture, endpoint, seconds, rate)
        assert recorder.stdin and recorder.stdout
        recorder.stdin.write(f"{int(played['last'])}\n")
        recorder.stdin.flush()
        said = recorder.stdout.read()
    recorded: dict[str, float] = json.loads(said.strip().splitlines()[-1])
    return played, recorded
