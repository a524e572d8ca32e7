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

from isthmus.core.tag import DataType
from isthmus.plant.revision import TagSetting
from isthmus.store.history.aggregates.pixels import Drawn, columns, draw
from isthmus.store.history.aggregates.points import Times
from isthmus.store.history.columns import Columns, empty
from isthmus.store.history.excerpt import Middle, excerpt
from isthmus.store.history.kept import day_of
from isthmus.store.history.read import History
from isthmus.store.history.rollup.condense import bounded, rows_for, sketched
from isthmus.store.history.rollup.fetch import fetch_each
from isthmus.store.history.rollup.outline import by_tag, outlines
from isthmus.store.history.rollup.rows import MINUTE, QUARTER, Shown
from isthmus.store.history.rollup.sheaf import Sheaves
from isthmus.store.history.watch import Watch

_FINE: Final = 4
"""Rows to a pixel column, at least."""
_AT_ONCE: Final = 8
"""Tags whose rows, or all of whose samples, are read together."""
_OUTLINED: Final = 64
"""Tags whose samples are read together, of which only outlines are kept."""


def pictures(
    history: History, settings: Sequence[TagSetting], watches: Mapping[str, Watch], start: int, end: int, width: int
) -> list[Drawn]:
    """Tags from `start` to `end` (ns) on `width` pixel columns. Draw those stepped that are.

    `watches` are those of the tags' systems. Raises IsthmusError for text, and where there is no range or no pixel.
    """
    grain = next((grain for grain in (QUARTER, MINUTE) if end - start >= _FINE * grain * width), 1)
    drawing = _Drawing(history, watches, columns(start, end, width, grain))
    drawn: dict[int, Drawn] = {}
    for some in _portions(settings, _AT_ONCE):
        drawn |= drawing.by_rows(some)
    bare = [setting for setting in settings if setting.tag.number not in drawn]
    for some in _portions(bare, _OUTLINED):
        drawn |= drawing.by_samples(some)
    return [drawn[setting.tag.number] for setting in settings]


def _portions(settings: Sequence[TagSetting], count: int) -> Iterator[Sequence[TagSetting]]:
    return (settings[i : i + count] for i in range(0, len(settings), count))


@dataclass(frozen=True)
class _Drawing:
    """What is the same for all tags."""

    history: History
    watches: Mapping[str, Watch]
    edges: Times

    def by_rows(self, settings: Sequence[TagSetting]) -> dict[int, Drawn]:
        """Those of a few tags, by number, of which there are rows; and those that have to be looked at one by one.

        These are tags with several numbers, and those of which samples were let go. Of others rows are fetched at once.
        """
        borders, kind = self.history.borders().of, rows_for(self.edges)
        alone = {s.tag.number for s in settings if s.formers or s.tag.number in borders or s.tag.type is DataType.TEXT}
        numbers = [setting.tag.number for setting in settings if setting.tag.number not in alone]
        days = day_of(self.start), day_of(self.end - 1)
        rows = fetch_each(self.history, kind, numbers, *days, Shown) if kind is not None else {}
        wanted = [setting for setting in settings if setting.tag.number in alone or setting.tag.number in rows]
        return {setting.tag.number: self.sketched(setting, rows.get(setting.tag.number)) for setting in wanted}

    def sketched(self, setting: TagSetting, rows: Sheaves[Shown] | None) -> Drawn:
        """The tag drawn from rows as far as these say enough."""
        watch, text = self.watches[setting.system], setting.tag.type is DataType.TEXT
        if text:
            found = excerpt(self.history, setting, watch, self.start, self.end)
        else:
            found = sketched(self.history, setting, watch, self.edges, rows)
        return draw(found.series, self.edges)

    def by_samples(self, settings: Sequence[TagSetting]) -> dict[int, Drawn]:
        """Those of tags with one number each, by this, from outlines of their samples, or else from all of them."""
        numbers = [setting.tag.number for setting in settings]
        gaps = {s.tag.number: self.watches[s.system].spans(s.tag.number) for s in settings}
        samples, doubtful = outlines(self.history, numbers, self.edges, gaps)
        for some in _portions([s for s in settings if s.tag.number in doubtful], _AT_ONCE):
            samples |= by_tag(self.history.columns([s.tag.number for s in some], self.start, self.end))
        return {s.tag.number: self.drawn(s, samples.get(s.tag.number, empty())) for s in settings}

    def drawn(self, setting: TagSetting, samples: Columns) -> Drawn:
        """The tag drawn from what is needed of its samples."""
        watch, middle = self.watches[setting.system], Middle(samples)
        return draw(bounded(self.history, setting, watch, middle, self.start, self.end).series, self.edges)

    @property
    def start(self) -> int:
        return int(self.edges[0])

    @property
    def end(self) -> int:
        return int(self.edges[-1])
