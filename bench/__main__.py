# SPDX-License-Identifier: Apache-2.0
"""`python -m bench [TOPIC ...]` measures all topics, or those named, and writes docs/benchmarks.md when it was all.

`python -m bench history --rows 100M` measures the history with so many samples instead of 10 million, `python -m bench
month` (`--days 5`) a month of 2,000 tags, `python -m bench gateways` (`--runs 1`) Isthmus beside other gateways. These
take some minutes each, so they are measured by themselves: the page keeps what they found until that is done again.
"""

from __future__ import annotations

import sys
from importlib import import_module

from bench.figures import PAGE, Topic, alone, page, section, with_section

ALONE = (("history", "--rows"), ("month", "--days"), ("gateways", "--runs"))
TOPICS = (
    "receive", "modbus", "s7", "replay", "delay", "mqtt", "sparkplug",
    "namespace", "http", "sql", "opcuaserver", "start", "history", "screen",
)  # fmt: skip


def main(names: list[str]) -> int:
    if (len(names) == 3 and (*names[:2],) in ALONE) or names in (["month"], ["gateways"]):
        return _alone(names)
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
        long = alone(PAGE.read_text(encoding="utf-8"))
        PAGE.write_text("\n".join([page(topics), *long]), encoding="utf-8")
    return 0


def _alone(names: list[str]) -> int:
    """Measures what takes minutes, and puts it on the page where it is of the size that stands there."""
    size = names[2:] and float(names[2].upper().rstrip("M"))
    if names[0] == "history":
        from bench import history

        topic = history.measure(int(size * 1e6) if size else history.ROWS)
    elif names[0] == "gateways":
        from bench import gateways

        topic = gateways.measure(int(size) if size else gateways.RUNS)
    else:
        from bench import month

        topic = month.measure(int(size) if size else month.DAYS)
    print(section(topic), flush=True)
    if topic.alone:
        PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), topic), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
