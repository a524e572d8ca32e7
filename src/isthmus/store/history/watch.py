# SPDX-License-Identifier: Apache-2.0
"""When a system was watched: the gaps that were told of it and of the log, and up to when its values are known to hold.

They are known up to the newest live sample of any of its tags: then it was connected, and a tag that did not report had
not changed. Of a system whose tags all stand still that may be early; it is never late. (A plant that runs is asked no
more than its history: whether a system is connected now is in its next samples.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from isthmus.core.event import Event
from isthmus.core.quality import Mark
from isthmus.core.time import EARLIEST
from isthmus.plant.revision import TagSetting
from isthmus.store.history.columns import Columns
from isthmus.store.history.gaps import LOG
from isthmus.store.history.read import History


@dataclass(frozen=True, slots=True)
class Watch:
    """What a snapshot knows of one system."""

    until: int | None
    """ns: the newest live sample of any of its tags."""
    told: tuple[Event, ...]
    """Gaps of the system, and those of the log itself."""

    def gaps(self, columns: Columns) -> NDArray[np.int64]:
        """(g, 2) in which the tag of these samples (ordered, of one tag) was not watched; they may overlap."""
        if not len(columns):
            return np.zeros((0, 2), np.int64)
        spans = [_known(columns, *_span(gap)) for gap in self.told if concerns(gap, int(columns.tag[0]))]
        return np.array(spans, np.int64).reshape(-1, 2)

    def spans(self, number: int) -> NDArray[np.int64]:
        """(g, 2) what was told of gaps of this tag: where they begin at the earliest, and end at the latest."""
        spans = [_span(gap) for gap in self.told if concerns(gap, number)]
        return np.array(spans, np.int64).reshape(-1, 2)


def watch(history: History, system: str, settings: Iterable[TagSetting]) -> Watch:
    """What the snapshot knows of a system with these tags."""
    numbers = [number for setting in settings for number in numbers_of(setting)]
    newest = history.last(numbers)["time"].cast("int64").to_pylist()
    return Watch(max(newest, default=None), tuple(gap for gap in history.gaps() if gap.source in (system, LOG)))


def numbers_of(setting: TagSetting) -> tuple[int, ...]:
    """Today's number of a tag and the earlier ones that are read with it."""
    return (setting.tag.number, *(former.number for former in setting.formers))


def concerns(gap: Event, number: int) -> bool:
    """Samples of the tag with this number may be missing; so they may where the gap does not say of which tags."""
    first, last = gap.details.get("first_tag"), gap.details.get("last_tag")
    return not (isinstance(first, int) and isinstance(last, int)) or first <= number <= last


def _span(gap: Event) -> tuple[int, int]:
    """From the first missing sample to behind the last; where the first is unknown anything before may be missing."""
    first, last = gap.details.get("first"), gap.details.get("last")
    return first if isinstance(first, int) else EARLIEST, last + 1 if isinstance(last, int) else gap.at


def _known(columns: Columns, first: int, last: int) -> tuple[int, int]:
    """The gap up to where the tag is known again: the first live value that came after it may hold since earlier."""
    came = np.flatnonzero((columns.seen >= last - 1) & ((columns.mark & np.uint8(Mark.HISTORICAL)) == 0))
    if not len(came):
        return first, last
    first_came = came[columns.seen[came] == columns.seen[came].min()]
    again = int(columns.time[first_came].max())
    return first, max(first, min(last, again))
