# SPDX-License-Identifier: Apache-2.0
"""The last value of every tag, and whether it is still believed, from the samples of the log as they come.

Back-filled (historical) samples are passed over. A sample with a time of the future counts from when it was seen. A tag
is stale when its source has not been heard of for a while, or said that it lost the far end; a steady value is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core import time
from isthmus.core.event import Event, EventKind
from isthmus.core.quality import Mark
from isthmus.core.samples import Samples, Value, plain
from isthmus.core.tag import DataType, TagList

PATIENCE: Final = 15 * time.SECOND
"""ns without samples or heartbeats of a source (it sends one every 5 s) after which its tags are stale."""

_NEVER: Final = time.EARLIEST
_NOBODY: Final = -1
_HISTORICAL, _FUTURE, _CORRECTED = np.uint8(Mark.HISTORICAL), np.uint8(Mark.FUTURE), np.uint8(Mark.CORRECTED)
_UNSEEN: Final = (
    np.int64(_NEVER),
    np.int64(0),
    np.nan,
    np.int64(0),
    None,
    np.uint32(0),
    np.uint8(0),
    np.int32(_NOBODY),
)


@dataclass(frozen=True, slots=True)
class Latest:
    """One tag's last value, for a person or a message."""

    value: Value
    time: int
    """ns; the device's time, or `seen` where that lay in the future."""
    seen: int
    quality: int
    mark: int
    stale: bool


class Live:
    """The last values. Columns are indexed by tag number; after the start `apply` is the way in, and `correct`.

    `now` is in ns of a clock that only goes forward (the wall clock may be set): it measures silence, nothing else.
    """

    def __init__(self) -> None:
        self.time: NDArray[np.int64] = np.zeros(0, np.int64)
        self.seen: NDArray[np.int64] = np.zeros(0, np.int64)
        self.value: NDArray[np.float64] = np.zeros(0, np.float64)
        self.integer: NDArray[np.int64] = np.zeros(0, np.int64)
        self.text: NDArray[Any] = np.zeros(0, object)
        self.quality: NDArray[np.uint32] = np.zeros(0, np.uint32)
        self.mark: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._source: NDArray[np.int32] = np.zeros(0, np.int32)
        """Which source a tag comes from: position in `_heard`."""
        self._sources: dict[str, int] = {}
        self._heard: NDArray[np.int64] = np.zeros(0, np.int64)
        self._lost: set[int] = set()
        self._numbers: dict[tuple[str, str], NDArray[np.intp]] = {}
        """(source, digest of the list) → tag numbers."""

    def begin(self, table: pa.Table) -> None:
        """Takes what history has as last values: columns of `store.history.columns.SCHEMA`, each tag once."""
        numbers = table["tag"].to_numpy().astype(np.intp)
        if not len(numbers):
            return
        self._reach(int(numbers.max()))
        self.time[numbers] = table["time"].cast("int64").to_numpy()
        self.seen[numbers] = table["seen"].cast("int64").to_numpy()
        for name in ("value", "quality", "mark"):
            getattr(self, name)[numbers] = table[name].to_numpy()
        self.integer[numbers] = table["integer"].fill_null(0).to_numpy()
        self.text[numbers] = table["text"].to_pylist()

    def expect(self, source: str, numbers: Sequence[int], now: int) -> None:
        """These tags come from `source`, which counts as heard of now: from here its silence is measured."""
        if len(numbers):
            self._reach(max(numbers))
            self._source[np.asarray(numbers, np.intp)] = self._hear(source, now)

    def apply(self, samples: Samples, tags: TagList, now: int) -> NDArray[np.intp]:
        """Takes samples that reached us at `now`; the numbers of the tags whose last value they are.

        An empty block is a heartbeat. Of several samples of a tag the one with the latest time counts, and of several
        at one time the last.
        """
        source = self._hear(samples.source, now)
        numbers = self._numbers_of(samples.source, source, tags)
        live = np.flatnonzero((samples.mark & _HISTORICAL) == 0)
        tag = numbers[samples.index[live]]
        when = np.where(samples.mark[live] & _FUTURE, samples.seen, samples.at[live])
        rows = _last_of_each(tag, when)
        rows = rows[self._counts(tag[rows], when[rows])]
        changed = tag[rows]
        self._take(samples, live[rows], changed, when[rows])
        self._source[changed] = source
        return changed

    def _counts(self, tag: NDArray[np.intp], when: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which samples are not older than what is known, nor what a correction replaced that came once more."""
        known = self.time[tag]
        counts: NDArray[np.bool_] = (when > known) | ((when == known) & ((self.mark[tag] & _CORRECTED) == 0))
        return counts

    def correct(self, table: pa.Table) -> NDArray[np.intp]:
        """Takes last values that were corrected, in columns as `begin`; the numbers of those that are the last."""
        numbers = table["tag"].to_numpy().astype(np.intp)
        self._reach(int(numbers.max(initial=0)))
        last = table["time"].cast("int64").to_numpy() >= self.time[numbers]
        self.begin(table.filter(pa.array(last)))
        changed: NDArray[np.intp] = numbers[last]
        return changed

    def _take(self, samples: Samples, rows: NDArray[np.intp], tag: NDArray[np.intp], when: NDArray[np.int64]) -> None:
        self.time[tag], self.seen[tag] = when, samples.seen
        self.value[tag], self.quality[tag], self.mark[tag] = (
            samples.value[rows],
            samples.quality[rows],
            samples.mark[rows],
        )
        self.integer[tag] = 0 if samples.integer is None else samples.integer[rows]
        texts = samples.text
        self.text[tag] = None if texts is None else [texts[row] for row in rows.tolist()]

    def note(self, event: Event) -> None:
        """Takes what a source says of its connection: lost, its tags are stale at once."""
        source = self._sources.get(event.source)
        if source is not None and event.kind is EventKind.CONNECTION:
            connected = event.details.get("state") == "connected"
            self._lost.discard(source) if connected else self._lost.add(source)

    def silent(self, source: str, now: int) -> bool:
        """Whether the tags of a source are stale: it is not heard of, or said that it lost the far end."""
        position = self._sources.get(source)
        return position is None or position in self._lost or now - int(self._heard[position]) > PATIENCE

    def stale(self, now: int) -> NDArray[np.bool_]:
        """Which tags are stale, by number; one whose source is not known is."""
        silent: NDArray[np.bool_] = now - self._heard > PATIENCE
        silent[list(self._lost)] = True
        stale: NDArray[np.bool_] = self._source == _NOBODY
        known = ~stale
        stale[known] = silent[self._source[known]]
        return stale

    def latest(self, number: int, type_: DataType, now: int) -> Latest | None:
        """The last value of one tag; None when it never had one."""
        if not 0 <= number < len(self.time) or self.time[number] == _NEVER:
            return None
        value = plain(type_, float(self.value[number]), int(self.integer[number]), self.text[number])
        source = int(self._source[number])
        silent = source == _NOBODY or source in self._lost or now - int(self._heard[source]) > PATIENCE
        return Latest(
            value=value if value is not None else self.text[number],  # the writing of a value of a wrong type
            time=int(self.time[number]),
            seen=int(self.seen[number]),
            quality=int(self.quality[number]),
            mark=int(self.mark[number]),
            stale=silent,
        )

    def _hear(self, name: str, now: int) -> int:
        """The position of a source, heard of now."""
        source = self._sources.setdefault(name, len(self._sources))
        if source == len(self._heard):
            self._heard = np.append(self._heard, np.int64(now))
        self._heard[source] = now
        self._lost.discard(source)
        return source

    def _numbers_of(self, name: str, source: int, tags: TagList) -> NDArray[np.intp]:
        key = (name, tags.digest)
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = np.array([tag.number for tag in tags.tags], np.intp)
            self._reach(int(known.max(initial=0)))
            self._source[known] = source
        return known

    def _reach(self, number: int) -> None:
        """Makes room for tags up to `number`."""
        columns = ("time", "seen", "value", "integer", "text", "quality", "mark", "_source")
        missing = number + 1 - len(self.time)
        if missing <= 0:
            return
        missing = max(missing, len(self.time) // 2)
        for name, fill in zip(columns, _UNSEEN, strict=True):
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.full(missing, fill, column.dtype)]))


def _last_of_each(tag: NDArray[np.intp], when: NDArray[np.int64]) -> NDArray[np.intp]:
    """The row of each tag's latest sample; of several at one time the last."""
    order = np.lexsort((np.arange(len(tag)), when, tag))
    ends = np.append(tag[order][1:] != tag[order][:-1], True) if len(tag) else np.zeros(0, bool)
    return np.asarray(order[ends], np.intp)
