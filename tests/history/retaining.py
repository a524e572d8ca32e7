# SPDX-License-Identifier: Apache-2.0
"""Retention in a process of its own that may kill itself at a named step: `retaining.py FOLDER STEP SEED`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from isthmus.plant.retention import Retention, Span
from isthmus.store.history import tidy
from isthmus.store.history.kept import DAY
from isthmus.store.history.retain import retain
from isthmus.store.history.tend import tended
from tests.history import tending
from tests.history.dying import NoPandas
from tests.history.test_history_compact import START

STEPS = tuple(step for step in tending.STEPS if not step.startswith("writing"))
RETENTION = Retention(classes={"default": Span(7, 9), "short": Span(3, 6), "legal": Span(0, 0)})
NOW = START + 12 * DAY
CLASSES = {1: "short", 2: "short", 3: "short", 5: "legal", 9: "short"}


def main(folder: str, step: str, seed: str) -> None:
    setattr(tidy, "GRACE", 0)  # noqa: B010  (a constant is not assigned to otherwise)
    tending.arm(step, random.Random(seed))
    retain(Path(folder), RETENTION, CLASSES, now=NOW)
    with tended(Path(folder)):
        print("tidied", flush=True)


if __name__ == "__main__":
    sys.meta_path.insert(0, NoPandas())
    main(*sys.argv[1:])
