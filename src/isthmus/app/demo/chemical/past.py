# SPDX-License-Identifier: Apache-2.0
"""A past for the plant: lived at full speed, and taken into its history as an import is.

Tags have in it the names and values that their servers give them; what these mean is said by the plant file, as for
live ones. `python -m isthmus.app.demo.chemical.past --data DIR ...`, started by `isthmus demo --past 30d`.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import time as clock
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.app.demo.chemical import keeping
from isthmus.app.demo.chemical.demo import folder
from isthmus.app.demo.chemical.exceptions import Exceptions
from isthmus.app.demo.chemical.faces import FACES, nodes
from isthmus.app.demo.chemical.plant import Past, Plant, rows
from isthmus.app.demo.chemical.story import Story, planned
from isthmus.app.demo.chemical.truth import Book
from isthmus.app.importing.given import take_in
from isthmus.app.run import lifeline
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.core.tag import DataType

STEP: Final = 60
"""s between two moments looked at."""
TELL: Final = 5.0
"""s between two words about how far it is; in a terminal, where they replace each other, `OFTEN`."""
OFTEN: Final = 0.5

_FORMS: Final[dict[DataType, pa.DataType]] = {
    DataType.FLOAT: pa.float64(),
    DataType.INTEGER: pa.float64(),
    DataType.BOOLEAN: pa.bool_(),
    DataType.UNSIGNED: pa.int64(),
    DataType.ENUMERATION: pa.int64(),
    DataType.TEXT: pa.string(),
}
"""Integers are scaled by the plant file: they become floats."""


@dataclass(slots=True)
class Tables:
    """The past as tables of one column each of names, times, values and qualities, as it is lived."""

    plant: Plant
    count: int = 0
    """Samples so far."""
    _exceptions: Exceptions = field(default_factory=lambda: Exceptions(list(rows()), STEP))

    def until(self, end: int) -> Iterator[pa.Table]:
        """Lives from the plant's clock to `end`, ns."""
        while self.plant.now + STEP * time.SECOND <= end:
            for block in self.plant.past(self.plant.now, end, STEP):
                for table in self._of(block):
                    self.count += len(table)
                    yield table

    def _of(self, block: Past) -> Iterator[pa.Table]:
        reports = self._exceptions.of(block)
        for form in dict.fromkeys(_FORMS.values()):
            chosen = _of_form(form)[reports.position]
            row, position = reports.row[chosen], reports.position[chosen]
            columns: dict[str, Any] = {
                "tag": pa.DictionaryArray.from_arrays(pa.array(position, pa.int32()), _names()),
                "time": pa.array(block.at[row, position], pa.timestamp("ns", "UTC")),
                "value": _values(block, row, position, form),
                "quality": pa.array(block.quality[row, position], pa.uint32()),
            }
            yield pa.table(columns)


def _values(block: Past, row: NDArray[np.intp], position: NDArray[np.intp], form: pa.DataType) -> pa.Array:
    if pa.types.is_string(form):
        return pa.array([block.text[p][r] for r, p in zip(row.tolist(), position.tolist(), strict=True)], form)
    value = block.value[row, position]
    short = _single()[position]
    value[short] = value[short].astype(np.float32)
    return pa.array(value).cast(form)


@cache
def _names() -> pa.Array:
    """Addresses as the plant file has them; a node's without its namespace."""
    return pa.array([row.tag.address for row in rows()])


@cache
def _of_form(form: pa.DataType) -> NDArray[np.bool_]:
    return np.array([_FORMS[row.tag.type] == form for row in rows()])


@cache
def _single() -> NDArray[np.bool_]:
    """Which tags their server gives in single precision."""
    offered = {node.id: node.type for face in FACES.values() for node in nodes(face, (row.tag for row in rows()))}
    return np.array([offered[row.tag.address] == "Float" for row in rows()])


@dataclass(slots=True)
class Telling:
    """How far it is, for people: a line that stays in place in a terminal, elsewhere one after the other."""

    story: Story
    _began: float = field(default_factory=clock.monotonic)
    _told: float = field(default_factory=clock.monotonic)
    _place: bool = field(default_factory=sys.stdout.isatty)

    def tell(self, tables: Tables, *, last: bool = False) -> None:
        """Says it, unless it was said just now; `last`: it is done."""
        now = clock.monotonic()
        if now - self._told < (OFTEN if self._place else TELL) and not last:
            return
        self._told = now
        days, of = ((at - self.story.start) / (86_400 * time.SECOND) for at in (tables.plant.now, self.story.end))
        left = f"about {(now - self._began) * (of - days) / days:.0f} s to go" if 0 < days < of else "done"
        line = f"  {min(days, of):.1f} of {of:.1f} days, {tables.count:,} samples, {left}"
        begin, end = ("\r\x1b[K", "\n" if last else "") if self._place else ("", "\n")
        print(begin + line, end=end, flush=True)  # noqa: T201  # to the terminal of `isthmus demo`


def fill(place: Place, story: Story) -> Tables:
    """Lives the story into the history of `place`, then on to the present, and keeps the plant as it is then."""
    tables, telling = Tables(story.plant()), Telling(story)
    for name, end in (("", story.end), (" and on", 0)):
        lives = tables.until(end or time.now())
        account = take_in(place, lives, f"past of the demo from {time.to_iso(story.start)}{name}",
                          progress=lambda _: telling.tell(tables))  # fmt: skip
        left = account.refusals + sum(account.unknown.values())
        if left:
            print(f"  {left:,} samples were left out: the plant file takes them no more", flush=True)  # noqa: T201  # as above
        for _ in lives:  # an import that was done before asks for nothing: the plant has to live all the same
            telling.tell(tables)
    telling.tell(tables, last=True)
    Book(folder(place) / "truth.jsonl", tables.plant.born).write(tables.plant.truth, tables.plant.tempo)
    keeping.write(tables.plant, folder(place) / "state")
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description="Fills in the past of a demo, started by `isthmus demo --past`.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(lifeline.PARENT, type=int, required=True)
    arguments = parser.parse_args()
    lifeline.end_with(arguments.parent)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.disable()  # nothing here goes in circles, and looking for that takes a twelfth of the time
    place = Place(arguments.data)
    story = planned(place)
    if story is None:
        sys.exit("isthmus: no past is planned")
    try:
        fill(place, story)
    except (IsthmusError, OSError) as error:
        sys.exit(f"isthmus: {error}")


if __name__ == "__main__":
    main()
