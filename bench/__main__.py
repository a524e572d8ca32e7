# SPDX-License-Identifier: Apache-2.0
"""`python -m bench [TOPIC ...]` measures all topics, or those named, and writes docs/benchmarks.md when it was all.

`python -m bench history --rows 100M` measures the history with so many samples instead of 10 million.
"""

from __future__ import annotations

import sys
from importlib import import_module

from bench.figures import PAGE, Topic, page

TOPICS = ("receive", "modbus", "replay", "delay", "namespace", "start", "history", "screen")


def main(names: list[str]) -> int:
    if names[:1] == ["history"] and len(names) == 3 and names[1] == "--rows":
        from bench.history import measure

        print(page([measure(int(float(names[2].upper().rstrip("M")) * 1e6))]), flush=True)
        return 0
    unknown = set(names) - set(TOPICS)
    if unknown:
        print(f"no topic {', '.join(sorted(unknown))}; topics: {', '.join(TOPICS)}", file=sys.stderr)
        return 2
    topics: list[Topic] = []
    for name in names or TOPICS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        topics.append(import_module(f"bench.{name}").measure())
        print(page(topics[-1:]), flush=True)
    if not names:
        PAGE.write_text(page(topics), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
