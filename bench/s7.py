# SPDX-License-Identifier: Apache-2.0
"""S7: reading a controller's data block, by our driver and by python-snap7's client; CPU per value."""

from __future__ import annotations

import sys

from bench.figures import Figure, Topic
from bench.plant import ROOT, printed, process
from bench.s7_client import ROUNDS, TAGS


def measure() -> Topic:
    """The figures."""
    how = (
        f"python-snap7's server holds a data block of {TAGS} floats. Our driver reads all of them every 10 ms until "
        f"{ROUNDS} rounds are read, as columns; python-snap7's client reads the same bytes as often, and makes floats "
        "of them one by one with its own getters. CPU is the reader's; the server is another process, in Python, no "
        "measure of a controller."
    )
    with process([sys.executable, str(ROOT / "tests" / "peers" / "s7_server.py"), "0"]) as child:
        assert child.stdout and child.stdin
        port = child.stdout.readline().split()[1]
        child.stdin.write(f"block 1 {'42f6e979' * TAGS}\n")
        child.stdin.flush()
        theirs, ours = (
            printed([sys.executable, "-m", "bench.s7_client", who, port], 60)["cpu"] for who in ("snap7", "ours")
        )
    return Topic("S7", how, [Figure("reading, our driver", ours, "µs/value", "python-snap7", theirs)])
