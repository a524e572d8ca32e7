# SPDX-License-Identifier: Apache-2.0
"""Pictures are tags on the pixel columns of a screen; from roll-ups where a column is wider than some minutes.

The columns then begin at whole minutes (or quarters), at most an eighth of a pixel from where they would: what is drawn
is what all samples would draw on such columns. Tags without roll-ups of use are read some at a time, because samples of
neighbours stand together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from isthmus.core.tag import DataType
from isthmus.plant.revision import TagSetting
from isthmus.store.history.aggregates.intervals import Intervals
from isthmus.store.history.aggregates.pixels import Drawn, columns, draw
from isthmus.store.history.aggregates.points import Times
from isthmus.store.history.aggregates.series import Settings
from isthmus.store.history.columns import Columns
from isthmus.store.history.excerpt import Excerpt, Middle
from isthmus.store.history.kept import day_of
from isthmus.store.history.read import History
from isthmus.store.history.rollup.condense import bounded, condensed, rows_for
from isthmus.store.history.rollup.fetch import fetch_each
from isthmus.store.history.rollup.rows import MINUTE, QUARTER
from isthmus.store.history.watch import Watch

_FINE: Final = 4
"""Rows to a pixel column, at least."""
_AT_ONCE: Final = 8
"""Tags that are read together."""


def pictures(
    history: History, settings: Sequence[TagSetting], watches: Mapping[str, Watch], start: int, end: int, width: int
) -> list[Drawn]:
    """Tags from `start` to `end` (ns) on `width` pixel columns. Draw those stepped that are.

    `watches` are those of the tags' systems. Raises IsthmusError for text, and where there is no range or no pixel.
    """
    grain = next((grain for grain in (QUARTER, MINUTE) if end - start >= _FINE * grain * width), 1)
    edges = columns(start, end, width, grain)
    drawing = _Drawing(history, watches, edges)
    found = (drawing.some(settings[i : i + _AT_ONCE]) for i in range(0, len(settings), _AT_ONCE))
    return [draw(one.series, edges) for some in found for one in some]


@dataclass(frozen=True)
class _Drawing:
    """What is the same for all tags."""

    history: History
    watches: Mapping[str, Watch]
    edges: Times

    def some(self, settings: Sequence[TagSetting]) -> Iterator[Excerpt]:
        """The excerpts of a few tags: of those with one number the rows are fetched, or else the samples read, at once.

        Tags of which samples were let go are looked at one by one.
        """
        start, end, borders = int(self.edges[0]), int(self.edges[-1]), self.history.borders().of
        alike = [s for s in settings if not s.formers and s.tag.number not in borders and s.tag.type != DataType.TEXT]
        numbers, kind = [setting.tag.number for setting in alike], rows_for(self.edges)
        rows = fetch_each(self.history, kind, numbers, day_of(start), day_of(end - 1)) if kind is not None else {}
        samples = self.samples([number for number in numbers if number not in rows])
        for setting in settings:
            number, watch = setting.tag.number, self.watches[setting.system]
            if number in samples:
                yield bounded(self.history, setting, watch, Middle(samples[number]), start, end)
            else:
                yield condensed(
                    self.history, setting, watch, Intervals(self.edges), _SETTINGS, base=rows.get(number)
                )  # fmt: skip

    def samples(self, numbers: Sequence[int]) -> dict[int, Columns]:
        """All samples of each of these tags."""
        found = self.history.columns(numbers, int(self.edges[0]), int(self.edges[-1]))
        tags = np.array(numbers, np.uint32)
        lows, highs = np.searchsorted(found.tag, tags, "left"), np.searchsorted(found.tag, tags, "right")
        return {n: found.pick(slice(lo, hi)) for n, lo, hi in zip(numbers, lows.tolist(), highs.tolist(), strict=True)}


_SETTINGS: Final = Settings(treat_uncertain_as_bad=False)
