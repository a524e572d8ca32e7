# SPDX-License-Identifier: Apache-2.0
"""Reading history: the manifest's segments and the log's tail behind them, as they were at one position.

`open_history` takes a snapshot for one question or a few; open it again for newer samples. What was found damaged on
the way is set aside, named in `gaps`, and the rest is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa

from isthmus.core.errors import Damaged, Disconnected, NotFound
from isthmus.core.event import Event, EventKind
from isthmus.core.tag import Tag
from isthmus.core.time import EARLIEST, LATEST
from isthmus.store.history.adopt import at_one_moment
from isthmus.store.history.border import Borders
from isthmus.store.history.checked import Opened
from isthmus.store.history.columns import Columns, current, from_table, join, ordered, to_table
from isthmus.store.history.damage import opened, set_aside
from isthmus.store.history.flush import final, latest
from isthmus.store.history.folder import Folder
from isthmus.store.history.groups import together
from isthmus.store.history.kept import DAY, Kept, KeptFooter, Kind, day_of
from isthmus.store.history.lease import leased
from isthmus.store.history.lists import known_tags
from isthmus.store.history.manifest import EVERYTHING, Manifest, Oddity, Which
from isthmus.store.history.moments import taken, waits
from isthmus.store.history.segment import Footer, Segment
from isthmus.store.history.shelves import Part, Shelves, is_day
from isthmus.store.history.tail import behind
from isthmus.store.history.wanted import Wanted, last_within, may_hold, numbers_wanted, pieces, within
from isthmus.stream.log import Log, Position

RECENT: Final = 48
"""Decoded row groups of roll-ups that a snapshot holds, about 1.5 MB each: those of a few tags in a month."""

THREADS: Final = 2
"""Pieces of many tags' samples that are read at a time."""

T = TypeVar("T")

TRIES: Final = 3
"""Snapshots begun before giving up because the log was purged under each of them."""


@dataclass(slots=True)
class History:
    """A snapshot. Times are ns since 1970-01-01 UTC; `start` is included, `end` is not."""

    folder: Folder
    position: Position | None
    """It holds what the log had up to here."""
    behind: bool
    """The log was not asked: it may have newer samples."""
    segments: tuple[Segment, ...]
    kept: tuple[Kept, ...]
    """Days in their order, then runs in theirs; carried values and roll-ups among them."""
    tail: Columns
    """Samples behind the segments, ordered."""
    _manifest: Manifest
    _events: tuple[Event, ...] = ()
    """Events behind the segments, and of what was found damaged by this snapshot."""
    _oddities: tuple[Oddity, ...] = ()
    _unreadable: dict[str, tuple[Columns, ...]] = field(default_factory=dict)
    """Segments found damaged by this snapshot, and what is left of them."""
    _recent: dict[tuple[str, int], pa.Table] = field(default_factory=dict)
    """Row groups of what is derived that were decoded last, the oldest first."""
    _shelves: Shelves | None = None

    def raw(
        self, numbers: Sequence[int], start: int = EARLIEST, end: int = LATEST, *, replaced: bool = False
    ) -> pa.Table:
        """Every sample of these tags with start <= time < end: ordered by tag, time and log order, each once.

        Columns as `columns.SCHEMA`. A sample with a time of the future is found under the time it was seen. Those that
        a correction replaced are among them only with `replaced`, before it.
        """
        return to_table(self.columns(numbers, start, end, replaced=replaced))

    def columns(
        self, numbers: Sequence[int], start: int = EARLIEST, end: int = LATEST, *, replaced: bool = False
    ) -> Columns:
        """`raw` as numpy columns."""
        found = self._columns(self.parts, numbers, start, end)
        return found if replaced else current(found)

    def loose(self, numbers: Sequence[int], start: int, end: int) -> Columns:
        """Those of `columns` that are in no day file: what roll-ups do not know of."""
        return self._columns(self.shelves.loose, numbers, start, end)

    def of_days(
        self, numbers: Sequence[int], start: int, end: int, made: Callable[[Columns], T], unread: Sequence[str] = ()
    ) -> Iterator[T]:
        """What is `made` of those of `columns` that are in day files, piece by piece, each ordered; with what
        corrections replaced. Some pieces are read, and made something of, at a time, each in a thread.

        Columns that are `unread` (`seen`, `integer` or `text`) hold nothing. Nothing more comes of a file that turns
        out damaged (`is_sound`).
        """
        wanted = numbers_wanted(numbers)

        def read(found: Opened[Footer] | Opened[KeptFooter], groups: Sequence[int]) -> list[T]:
            return [made(piece) for piece in pieces(found.neighbours(groups, wanted, unread), wanted, start, end)]

        with ThreadPoolExecutor(THREADS, "history") as threads:
            tasks = [
                (part, threads.submit(read, found, groups))
                for part, found in self._sound_days(wanted, start, end)
                for groups in together(found.footer.groups, found.places.holding(wanted, start, end))
            ]
            for part, task in tasks:
                with self._setting_aside(part):
                    yield from task.result()

    def _sound_days(
        self, wanted: Wanted, start: int, end: int
    ) -> Iterator[tuple[Part, Opened[Footer] | Opened[KeptFooter]]]:
        for part in self.shelves.days:
            if self.is_sound(part) and may_hold(part, wanted, start, end):
                with self._setting_aside(part):
                    yield part, opened(self.folder, part)

    @contextmanager
    def _setting_aside(self, part: Part) -> Iterator[None]:
        """Sets the file aside when it turns out damaged, and goes on."""
        try:
            yield
        except Damaged as error:
            self._set_aside(part, error.what)
        except FileNotFoundError:
            self._missing(part)

    def _columns(self, parts: Sequence[Part], numbers: Sequence[int], start: int, end: int) -> Columns:
        wanted = numbers_wanted(numbers)
        if wanted is None or not len(wanted) or start >= end:
            return ordered(join(()))
        groups = self._groups(parts, wanted, start, end)
        found = [piece for group in groups for piece in pieces(group, wanted, start, end)]
        return ordered(join([*found, *pieces(self.tail, wanted, start, end)]))

    def _groups(
        self, parts: Sequence[Part], wanted: Wanted, start: int, end: int, unread: Sequence[str] = ()
    ) -> Iterator[Columns]:
        """The row groups that may hold samples of the wanted tags and times, neighbours together, in log order."""
        for part in parts:
            if part.file in self._unreadable:
                yield from self._unreadable[part.file]
                continue
            if not may_hold(part, wanted, start, end):
                continue
            try:
                found = opened(self.folder, part)
                for groups in together(found.footer.groups, found.places.holding(wanted, start, end)):
                    yield found.neighbours(groups, wanted, unread)
            except Damaged as error:
                yield from self._set_aside(part, error.what)
            except FileNotFoundError:
                yield from self._missing(part)

    @property
    def parts(self) -> Sequence[Part]:
        """The files that hold samples, in the order in which these came."""
        return self.shelves.parts

    @property
    def shelves(self) -> Shelves:
        """The files by what they hold."""
        if self._shelves is None:
            self._shelves = Shelves.of(self.kept, self.segments)
        return self._shelves

    def derived(
        self,
        kind: Kind,
        numbers: Sequence[int] | None,
        first_day: int,
        last_day: int,
        columns: Sequence[str] | None = None,
    ) -> Iterator[tuple[Kept, pa.Table]]:
        """Row groups of one kind of these UTC days (included) that may hold rows of these tags (None: of any).

        Only these `columns`, always the same ones of a kind, of a file that has all of them. Of a file that turns out
        damaged (`is_sound`) no more is given: the next compaction makes it again.
        """
        wanted = numbers_wanted(numbers)
        for kept in self.shelves.derived(kind, first_day, last_day):
            if kept.file in self._unreadable:
                continue
            with self._setting_aside(kept):
                found = opened(self.folder, kept)
                for group in found.places.holding(wanted, EARLIEST, LATEST):
                    yield kept, self._decoded(kept, found, group, columns)

    def _decoded(
        self, kept: Kept, found: Opened[Footer] | Opened[KeptFooter], group: int, columns: Sequence[str] | None
    ) -> pa.Table:
        """A row group of what is derived, decoded once for the tags of one question."""
        table = self._recent.pop((kept.file, group), None)
        if table is None:
            table = found.read(group, columns if columns is not None and {*columns} <= {*found.names} else None)
        self._recent[kept.file, group] = table
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        return table

    def is_sound(self, part: Part) -> bool:
        """Whether this snapshot has found nothing wrong with a file so far."""
        return part.file not in self._unreadable

    def _missing(self, part: Part) -> tuple[Columns, ...]:
        """What is left of a file that is not there; raises NotFound when it was only replaced, very long ago."""
        with closing(at_one_moment(self.folder)) as manifest:
            listed = {kept.file for kept in manifest.kept()} | {segment.file for segment in manifest.segments()}
        if part.file not in listed:
            what = "what was opened of the history is too old: its files were replaced, and removed after a day"
            raise NotFound(what, where=str(self.folder.root), hint="open it again")
        return self._set_aside(part, "is not there")

    def _set_aside(self, part: Part, why: str) -> tuple[Columns, ...]:
        """What is left of the file; what was read of it already is once in the answer, as all samples are."""
        if part.file not in self._unreadable:
            event, rest = set_aside(self.folder, part, why)
            self._unreadable[part.file] = rest
            self._events += (event,)
        return self._unreadable[part.file]

    def last(self, numbers: Sequence[int] | None = None) -> pa.Table:
        """The latest live sample of these tags (None: of all that have one), in order of their numbers."""
        tail = within(self.tail, numbers_wanted(numbers), EARLIEST, LATEST)
        return to_table(latest(ordered(join([self._manifest.latest(numbers), latest(tail)]))))

    def carried(self, numbers: Sequence[int] | None, day: int) -> tuple[int | None, Columns]:
        """From which UTC day (as days since 1970) the samples in day files have to be read to know all up to `day`, and
        the last samples before that day of these tags (None: of all); None and none when they have to be read all.

        Of every tag there is its last sample, and its last live one when that is another.
        """
        newest = [kept for kept in self.shelves.derived(Kind.CARRIED, None, day) if self.is_sound(kept)][-1:]
        if not newest:
            return None, join(())
        found = [table for _, table in self.derived(Kind.CARRIED, numbers, newest[0].day, newest[0].day)]
        if not self.is_sound(newest[0]):
            return self.carried(numbers, day)
        return newest[0].day, within(join(map(from_table, found)), numbers_wanted(numbers), EARLIEST, LATEST)

    def at(self, time: int, numbers: Sequence[int] | None = None) -> pa.Table:
        """The last sample of these tags (None: of all that have one) at or before a time, in order of their numbers.

        Of any mark and quality; of several at one time the last one.
        """
        day, carried = self.carried(numbers, day_of(time))
        start, end = EARLIEST if day is None else day * DAY, min(time, LATEST - 1) + 1
        wanted, found = numbers_wanted(numbers), final(carried)
        for part in self.parts:
            since = start if is_day(part) else EARLIEST
            lasts = [last_within(columns, wanted, since, end) for columns in self._groups((part,), wanted, since, end)]
            found = final(ordered(join((found, *lasts))))
        return to_table(final(ordered(join((found, last_within(self.tail, wanted, EARLIEST, end))))))

    def events(self, start: int = EARLIEST, end: int = LATEST, kind: EventKind | None = None) -> list[Event]:
        """Events with start <= at < end, oldest first."""
        kept = self._manifest.events(start, end, kind)
        new = [e for e in self._events if start <= e.at < end and kind in (None, e.kind)]
        found = {event.id: event for event in (*new, *kept)}
        return sorted(found.values(), key=lambda event: (event.at, event.id))

    def gaps(self, start: int = EARLIEST, end: int = LATEST) -> list[Event]:
        """Gap events of which the missing samples may lie in start <= time < end, oldest first."""
        return [event for event in self.events(kind=EventKind.GAP) if _touches(event, start, end)]

    def counts(self, numbers: Sequence[int], start: int = EARLIEST, end: int = LATEST) -> dict[int, int]:
        """How many samples `raw` would give, by tag."""
        tags, counts = np.unique(self.columns(numbers, start, end).tag, return_counts=True)
        return dict(zip(tags.tolist(), counts.tolist(), strict=True))

    def borders(self) -> Borders:
        """From which days on samples of tags are kept."""
        return Borders.noted(self._manifest)

    def bookmark(self, name: str) -> bytes | None:
        """What was noted in the manifest under this name; None: nothing."""
        return self._manifest.bookmark(name)

    def oddities(self, which: Which = EVERYTHING) -> list[Oddity]:
        """What was quarantined, as far as it is kept, oldest first."""
        return which.of([*self._manifest.oddities(which), *self._oddities])

    def tags(self) -> dict[int, Tag]:
        """The tags that were ever recorded, by number, as samples knew them last."""
        return known_tags(self.folder)

    @property
    def rows(self) -> int:
        """Samples in the files and behind them; one that is in several files is counted in each."""
        return sum(part.rows for part in self.parts) + len(self.tail)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(segment.size for segment in self.segments) + sum(kept.size for kept in self.kept)


def _touches(event: Event, start: int, end: int) -> bool:
    first, last = event.details.get("first"), event.details.get("last")
    return (not isinstance(first, int) or first < end) and (not isinstance(last, int) or last >= start)


@asynccontextmanager
async def open_history(folder: Path, log: Log | None = None) -> AsyncIterator[History]:
    """A snapshot of the history in `folder` and, where `log` is given, of what the log has behind it.

    Raises NotFound when there is no history yet, Disconnected when the log cannot be followed to its end.
    """
    place = Folder(folder)
    if log is None and not place.root.is_dir():
        raise NotFound("there is no history", where=str(folder), hint="`isthmus run` records one")
    for _ in range(TRIES):
        with leased(place):
            manifest = taken(place.manifest)
            if manifest is None:
                manifest = await asyncio.to_thread(at_one_moment, place)
            try:
                history = await _snapshot(place, manifest, log)
                if history is not None:
                    yield history
                    return
            finally:
                waits(manifest)
    raise Disconnected("the log is purged faster than it can be read", where=str(folder), hint="try again")


async def _snapshot(folder: Folder, manifest: Manifest, log: Log | None) -> History | None:
    """None when the log was purged before it could be read."""
    listed = manifest.listed()
    state, segments, kept = listed.state, listed.segments, listed.kept
    if log is None:
        nothing = ordered(join(()))
        return History(folder, state.position, True, segments, kept, nothing, manifest, _shelves=listed.shelves)
    intake = await behind(folder, state, log)
    if intake is None:
        return None
    tail = await asyncio.to_thread(ordered, intake.memory.columns())
    return History(
        folder=folder,
        position=intake.position,
        behind=False,
        segments=segments,
        kept=kept,
        tail=tail,
        _manifest=manifest,
        _events=tuple(intake.events.values()),
        _oddities=tuple(intake.oddities),
        _shelves=listed.shelves,
    )
