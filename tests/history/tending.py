# SPDX-License-Identifier: Apache-2.0
"""A compactor in a process of its own that may kill itself at a named step: `tending.py FOLDER STEP [SEED]`.

The steps are wrapped around the compactor's own functions from here; it knows nothing of them. Replaced files are
removed at once: only leases keep them for readers.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

from isthmus.store.history import act, compact, tidy, write
from isthmus.store.history.kept import Kind
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.tend import tended
from tests.history.dying import NoPandas, after, before, die

STEPS = (
    "writing a run",
    "writing a day",
    "a file written",
    "a file named",
    "all files named but one",
    "all files named",
    "inside the commit",
    "committed",
    "before unlinking",
    "while unlinking",
    "unlinked",
)


def nth(count: int) -> Callable[..., bool]:
    """True at the `count`-th call."""
    calls = [0]

    def reached(*_: object) -> bool:
        calls[0] += 1
        return calls[0] == count

    return reached


def when(reached: Callable[..., bool]) -> Callable[..., None]:
    return lambda *args: die() if reached(*args) else None


def arm(step: str, chance: random.Random) -> None:
    count = chance.randrange(1, 4)
    if step == "writing a run":
        before(write.KeptWriter, "add_columns", when(lambda writer, *_: writer.kind is Kind.RUN))
    elif step == "writing a day":
        before(write.KeptWriter, "add_columns", when(lambda writer, *_: writer.kind is Kind.DAY))
    elif step == "a file written":
        before(Path, "rename", when(nth(count)))
    elif step == "a file named":
        after(Path, "rename", nth(count))
    elif step == "all files named but one":
        before(act, "settle", when(nth(1)))
    elif step == "all files named":
        before(act.Act, "commit", when(nth(1)))
    elif step == "inside the commit":
        before(Manifest, "_leave", when(nth(2)))
    elif step == "committed":
        after(Manifest, "replace", nth(1))
    elif step == "before unlinking":
        before(Path, "unlink", when(nth(1)))
    elif step == "while unlinking":
        before(Path, "unlink", when(nth(2)))
    elif step == "unlinked":
        before(Manifest, "left", when(nth(1)))


def main(folder: str, step: str, seed: str = "1") -> None:
    setattr(tidy, "GRACE", 0)  # noqa: B010  (a constant is not assigned to otherwise)
    arm(step, random.Random(seed))
    print("ready", flush=True)
    compact.compact(Path(folder), wait=False)
    with tended(Path(folder)):
        print("tidied", flush=True)


if __name__ == "__main__":
    sys.meta_path.insert(0, NoPandas())
    main(*sys.argv[1:])
