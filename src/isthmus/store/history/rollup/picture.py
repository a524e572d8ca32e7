# SPDX-License-Identifier: Apache-2.0
"""A picture is a tag on the pixel columns of a screen; from roll-ups where a column is wider than some minutes.

The columns then begin at whole minutes (or quarters), at most an eighth of a pixel from where they would: what is drawn
is what all samples would draw on such columns.
"""

from __future__ import annotations

from typing import Final

from isthmus.plant.revision import TagSetting
from isthmus.store.history.aggregates.intervals import Intervals
from isthmus.store.history.aggregates.pixels import Drawn, columns, draw
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.read import History
from isthmus.store.history.rollup.condense import condensed
from isthmus.store.history.rollup.rows import MINUTE, QUARTER
from isthmus.store.history.watch import Watch

_FINE: Final = 4
"""Rows to a pixel column, at least."""


def picture(history: History, setting: TagSetting, watch: Watch, start: int, end: int, width: int) -> Drawn:
    """The tag from `start` to `end` (ns) on `width` pixel columns. Draw it stepped where the tag is.

    Raises IsthmusError for text, and where there is no range or no pixel.
    """
    grain = next((grain for grain in (QUARTER, MINUTE) if end - start >= _FINE * grain * width), 1)
    edges = columns(start, end, width, grain)
    found = condensed(history, setting, watch, Intervals(edges), Settings(treat_uncertain_as_bad=False))
    return draw(found.series, edges)
