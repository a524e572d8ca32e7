# SPDX-License-Identifier: Apache-2.0
"""Merging reads many sorted files once and gives their samples in one order, in memory that does not grow with them.

Of every file no more than a row group or two is in memory, and only from the moment its tags come up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core.errors import Damaged
from isthmus.core.time import EARLIEST
from isthmus.store.history.checked import Opened
from isthmus.store.history.columns import Columns, empty, join, ordered
from isthmus.store.history.damage import opened
from isthmus.store.history.folder import Folder
from isthmus.store.history.groups import Group
from isthmus.store.history.kept import DAY, Kept, KeptFooter, day_of
from isthmus.store.history.segment import Footer, Segment

Key: TypeAlias = tuple[int, int]
"""Tag and time: what files are sorted by."""
Days: TypeAlias = NDArray[np.int64]
"""Days since 1970-01-01, ascending, each once."""

Step: TypeAlias = Callable[[int], None]
"""Told how many samples were written; may raise to stop."""

AT_ONCE: Final = 2_000_000
"""Samples that may be in memory while files are merged."""

PORTION: Final = 300_000
"""Samples of all files, about, that are put in order at a time."""


class Harmed(Exception):
    """A file that is merged is not what was written, or not there."""

    def __init__(self, part: Segment | Kept, why: str) -> None:
        super().__init__(why)
        self.part, self.why = part, why


@contextmanager
def harmless(part: Segment | Kept) -> Iterator[None]:
    """Raises Harmed where reading the file shows that it is."""
    try:
        yield
    except Damaged as error:
        raise Harmed(part, error.what) from error
    except FileNotFoundError as error:
        raise Harmed(part, "is not there") from error


@dataclass(slots=True)
class Source:
    """A file that is merged."""

    part: Segment | Kept
    file: Opened[Footer] | Opened[KeptFooter]
    days: Sequence[Days]
    """Of every row group the days of its samples; of two neighbours one may be without."""

    @classmethod
    def open(cls, folder: Folder, part: Segment | Kept) -> Source:
        """Raises Harmed when it is not what was written, or not there."""
        with harmless(part):
            file = opened(folder, part)
            return cls(part, file, [_days(file, i) for i in range(len(file.footer.groups))])

    def read(self, group: int) -> Columns:
        """One row group; raises Harmed when it is not what was written."""
        with harmless(self.part):
            return self.file.columns(group)

    def all(self) -> Columns:
        """Everything in it."""
        return join(self.read(group) for group in range(len(self.file.footer.groups)))


def _days(file: Opened[Footer] | Opened[KeptFooter], group: int) -> Days:
    place = file.footer.groups[group]
    first, last = day_of(place.first_time), day_of(place.last_time)
    if last - first <= 1:
        return np.arange(first, last + 1)
    return np.unique(file.read(group, ["time"])["time"].cast(pa.int64()).to_numpy() // DAY)


def peak(parts: Sequence[Sequence[Group]]) -> int:
    """The most samples that merging files of these row groups has in memory, at least."""
    edges = [(group.first_tag, 0, group.rows) for groups in parts for group in groups]
    edges += [(group.last_tag, 1, -group.rows) for groups in parts for group in groups]
    if not edges:
        return 0
    changes = np.array([rows for _, _, rows in sorted(edges)])
    most = max(group.rows for groups in parts for group in groups)
    return min(int(np.cumsum(changes).max()), len(parts) * most)


def merged(sources: Sequence[Source], days: Days) -> Iterator[Columns]:
    """The samples of these days, in parts that follow one another by tag and time, each sample once.

    `sources` are in the order in which their samples came. All samples of one tag and time are in one part.
    """
    fronts = [_Front.of(source, days) for source in sources]
    while fronts:
        bound, first = min(((front.bound, i) for i, front in enumerate(fronts)), key=lambda found: found)
        nearer = _nearer(fronts, bound)
        part = [taken for taken in (each.take(nearer) for each in fronts) if len(taken)]
        if part:
            yield part[0] if len(part) == 1 else ordered(join(part))
        if bound == _END and not part:
            return
        if nearer == bound and bound != _END:
            fronts[first].load()


def _nearer(fronts: Sequence[_Front], bound: Key) -> Key:
    """The bound, or one before it when too much would come at once."""
    waiting = sum(front.waiting for front in fronts)
    if waiting <= PORTION:
        return bound
    longest = max(fronts, key=lambda front: front.waiting)
    key = longest.key(longest.waiting * PORTION // waiting)
    return min(key, bound) if key > longest.key(0) else bound


_NOTHING: Final = empty()
_END: Final = (2**32, 1)
"""Behind all keys."""


@dataclass(slots=True)
class _Front:
    """How far a source was read, and what of it waits."""

    source: Source
    start: int
    stop: int
    """ns: of which times samples are wanted."""
    groups: list[int]
    """Row groups that were not read."""
    held: Columns = field(default_factory=empty)
    taken: int = 0
    """So many of these do not wait any more."""
    upto: Key | None = None
    """The last key that was read."""

    @classmethod
    def of(cls, source: Source, days: Days) -> _Front:
        groups = [i for i, found in enumerate(source.days) if np.isin(found, days).any()]
        return cls(source, int(days[0]) * DAY, (int(days[-1]) + 1) * DAY, groups)

    @property
    def bound(self) -> Key:
        """Before this key nothing more can come of the source."""
        if not self.groups:
            return _END
        first = (self.source.file.footer.groups[self.groups[0]].first_tag, EARLIEST)
        return first if self.upto is None or first > self.upto else self.upto

    def load(self) -> None:
        """Reads one row group more."""
        read = self.source.read(self.groups.pop(0))
        self.upto = (int(read.tag[-1]), int(read.time[-1]))
        place = (read.time >= self.start) & (read.time < self.stop)
        fresh = read if place.all() else read.pick(place)
        self.held, self.taken = join((self.rest, fresh)) if len(self.rest) else fresh, 0

    @property
    def waiting(self) -> int:
        """How many samples were read and not taken."""
        return len(self.held) - self.taken

    def key(self, place: int) -> Key:
        """Of a sample that waits."""
        return int(self.held.tag[self.taken + place]), int(self.held.time[self.taken + place])

    @property
    def rest(self) -> Columns:
        """What waits."""
        return self.held.pick(slice(self.taken, None))

    def take(self, bound: Key) -> Columns:
        """What waits of before the bound; it does not wait any more."""
        stop = _before(self.held, bound)
        if stop <= self.taken:
            return _NOTHING
        taken, self.taken = self.held.pick(slice(self.taken, stop)), stop
        return taken


def _before(columns: Columns, bound: Key) -> int:
    """How many of the ordered samples are before a key."""
    tag, time = bound
    if tag >= _END[0]:
        return len(columns)
    wanted = np.uint32(tag)
    first, last = (int(np.searchsorted(columns.tag, wanted, side)) for side in ("left", "right"))
    return first + int(np.searchsorted(columns.time[first:last], time, "left"))
