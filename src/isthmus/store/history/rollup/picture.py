# SPDX-License-Identifier: Apache-2.0
"""Pictures are tags on the pixel columns of a screen; from roll-ups where a column is wider than some minutes.

The columns then begin at whole minutes (or quarters), at most an eighth of a pixel from where they would: what is drawn
is what all samples would draw on such columns. Tags without roll-ups of use are read some at a time, because samples of
neighbours stand together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from isthmus.plant.revision import TagSetting
from isthmus.store.history.aggregates.intervals import Intervals
from isthmus.store.history.aggregates.pixels import Drawn, columns, draw
from isthmus.store.history.aggregates.points import Times
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.columns import Columns
from isthmus.store.history.excerpt import Excerpt, Middle
from isthmus.store.history.kept import Kind, day_of
from isthmus.store.history.read import History
from isthmus.store.history.rollup.condense import bounded, condensed
from isthmus.store.history.rollup.fetch import told
from isthmus.store.history.rollup.rows import MINUTE, QUARTER
from isthmus.store.history.watch import Watch

_FINE: Final = 4
"""Rows to a pixel column, at least."""
_AT_ONCE: Final = 8
"""Tags whose samples are read together."""


def pictures(
    history: History, settings: Sequence[TagSetting], watches: Mapping[str, Watch], start: int, end: int, width: int
) -> list[Drawn]:
    """Tags from `start` to `end` (ns) on `width` pixel columns. Draw those stepped that are.

    `watches` are those of the tags' systems. Raises IsthmusError for text, and where there is no range or no pixel.
    """
    grain = next((grain for grain in (QUARTER, MINUTE) if end - start >= _FINE * grain * width), 1)
    edges = columns(start, end, width, grain)
    return [draw(found.series, edges) for found in _excerpts(history, settings, watches, edges, grain)]


def _excerpts(
    history: History, settings: Sequence[TagSetting], watches: Mapping[str, Watch], edges: Times, grain: int
) -> Iterator[Excerpt]:
    plain = _without_rows(history, settings, edges, grain)
    read: dict[int, Columns] = {}
    for setting in settings:
        number, watch = setting.tag.number, watches[setting.system]
        if number not in plain:
            yield condensed(history, setting, watch, Intervals(edges), Settings(treat_uncertain_as_bad=False))
            continue
        if number not in read:
            place = plain.index(number)
            read = _read(history, plain[place : place + _AT_ONCE], edges)
        yield bounded(history, setting, watch, Middle(read[number]), int(edges[0]), int(edges[-1]))


def _without_rows(history: History, settings: Sequence[TagSetting], edges: Times, grain: int) -> list[int]:
    """The numbers of tags of which all samples are to be read, in the order of the settings; none of former numbers."""
    numbers = [setting.tag.number for setting in settings if not setting.formers and setting.tag.type != "text"]
    if grain == 1:
        return numbers
    first, last = day_of(int(edges[0])), day_of(int(edges[-1]) - 1)
    kind = Kind.QUARTERS if int(np.diff(edges).max()) >= QUARTER else Kind.MINUTES
    found = told(history, kind, numbers, first, last)
    return [number for number in numbers if number not in found]


def _read(history: History, numbers: Sequence[int], edges: Times) -> dict[int, Columns]:
    """The samples of each of these tags."""
    found = history.columns(numbers, int(edges[0]), int(edges[-1]))
    tags = np.array(numbers, np.uint32)
    lows, highs = np.searchsorted(found.tag, tags, "left"), np.searchsorted(found.tag, tags, "right")
    return {n: found.pick(slice(lo, hi)) for n, lo, hi in zip(numbers, lows.tolist(), highs.tolist(), strict=True)}
