# SPDX-License-Identifier: Apache-2.0
"""Two acts of compacting: segments (or runs) become one run; runs and segments become files of days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.store.history.act import Act
from isthmus.store.history.border import Borders, told
from isthmus.store.history.carried import carried_on, last_of, same
from isthmus.store.history.columns import Columns, empty, join, ordered
from isthmus.store.history.days import DayFiles
from isthmus.store.history.folder import Folder
from isthmus.store.history.form import GROUP, fitted
from isthmus.store.history.kept import BATCH, DAY, Kept, Kind, day_of
from isthmus.store.history.lists import known_tags
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.merge import Days, Source, Step, merged
from isthmus.store.history.rollup.sheaf import renewed
from isthmus.store.history.segment import Segment
from isthmus.store.history.ties import Ties

Part: TypeAlias = Segment | Kept
Which: TypeAlias = Callable[[Columns], NDArray[np.bool_]]
"""(n,) of which samples something holds."""

AT_A_TIME: Final = 16
"""Days that are written at a time."""
_LOOKS: Final = 4
"""Row groups, about, that decide how days are written."""
ROOM: Final = 1_000_000
"""Samples that may wait for being written, of all days together."""


def absorb_into_run(folder: Folder, manifest: Manifest, parts: Sequence[Part], number: int, step: Step) -> None:
    """One run of the samples of `parts`, which follow one another; raises Harmed when one is damaged."""
    sources = [Source.open(folder, part) for part in parts]
    ties = Ties.of(manifest, [source.file for source in sources])
    with Act(folder, manifest, [part.file for part in parts], ties.state, number) as act:
        writer = act.write(Kind.RUN)
        for columns in merged(sources, _days(sources)) if _days(sources).size else ():
            writer.add_columns(columns)
            step(len(columns))
        first = min((part.first_time for part in parts if part.rows), default=0)
        act.close(writer, day_of(first), events=ties.events, bookmarks=ties.bookmarks, last=True)
        act.commit()


def absorb_into_days(
    folder: Folder,
    manifest: Manifest,
    parts: Sequence[Part],
    again: Sequence[int],
    step: Step,
    without: Which | None = None,
) -> int:
    """Files of the days of which `parts` have samples, and of the days `again`, `without` some samples; how many.

    `parts` are all there are up to the last of them, in order. Raises Harmed when a file is damaged.
    """
    new = [Source.open(folder, part) for part in parts]
    days = np.union1d(_days(new), np.array(again, np.int64))
    former = [kept for kept in manifest.kept(Kind.DAY) if kept.day in days]
    sources = [*(Source.open(folder, kept) for kept in former), *new]
    ties = Ties.of(manifest, [source.file for source in sources])
    with Act(folder, manifest, [source.part.file for source in sources], ties.state, manifest.next_number()) as act:
        if len(days):
            _Days(act, manifest, sources, ties, step, Borders.noted(manifest), without).write(days)
        else:
            act.close(act.write(Kind.RUN), 0, events=ties.events, bookmarks=ties.bookmarks, last=True)
        act.commit()
    return len(days)


def _days(sources: Sequence[Source]) -> Days:
    found = [days for source in sources for days in source.days]
    return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)


def _fitted(sources: Sequence[Source]) -> dict[str, Any] | None:
    """How samples of these files are written best, by some of their row groups."""
    places = [(source, group) for source in sources for group in range(len(source.file.footer.groups))]
    chosen = places[len(places) // (2 * _LOOKS) :: max(len(places) // _LOOKS, 1)]
    return fitted(join(source.read(group).pick(slice(GROUP)) for source, group in chosen)) if places else None


@dataclass(slots=True)
class _Days:
    """The act that writes days."""

    act: Act
    manifest: Manifest
    sources: Sequence[Source]
    ties: Ties
    step: Step
    borders: Borders
    """What was let go does not come back, and what was made of it stays."""
    without: Which | None = None
    """Samples that are taken out."""
    former: dict[tuple[Kind, int], Kept] = field(default_factory=dict)
    """Roll-ups of days of which samples were let go."""

    def write(self, days: Days) -> None:
        changed = {int(day) for day in days}
        derived = [kept for kind in (Kind.MINUTES, Kind.QUARTERS) for kept in self.manifest.kept(kind)]
        self.act.absorbed += [kept.file for kept in derived if kept.day in changed]
        self.former = {(kept.kind, kept.day): kept for kept in derived if kept.day < self.borders.latest}
        carrying = _Carrying(self.act, self.manifest, sorted(changed), self.borders)
        last = None
        for some in np.split(days, range(AT_A_TIME, len(days), AT_A_TIME)):
            for files in self._written(some):
                if last is not None:
                    self._close(last)
                carrying.add(files.day, files.last())
                last = files
        carrying.finish()
        if last is not None:
            self._close(last, last=True)

    def _written(self, days: Days) -> Iterator[DayFiles]:
        """The files of some days, written but for their ends."""
        form = _fitted(self.sources)
        tags, room = known_tags(self.act.folder), max(ROOM // len(days), BATCH // AT_A_TIME)
        files = [DayFiles(self.act, int(day), tags, form, min(room, BATCH), self._let_go) for day in days]
        starts = days * DAY
        rolled = {int(day): self._tags_rolled(int(day)) for day in days if day < self.borders.latest}
        for found in merged(self.sources, days):
            part = found.pick(~self.borders.passed(found, rolled))
            part = part.pick(~self.without(part)) if self.without is not None else part
            place = np.searchsorted(starts, part.time, "right") - 1
            for i, one in enumerate(files):
                here = place == i
                if here.any():
                    one.add(part if here.all() else part.pick(here))
            self.step(len(found))
        for one in files:
            one.finish()
            yield one

    def _tags_rolled(self, day: int) -> NDArray[np.uint32]:
        """The tags of which roll-ups of the day say all."""
        former = self.former.get((Kind.QUARTERS, day))
        return told(Source.open(self.act.folder, former)) if former is not None else np.zeros(0, np.uint32)

    def _let_go(self, kind: Kind, day: int) -> Iterator[pa.Table]:
        """The roll-up rows of the day whose samples were let go: nobody can make them again."""
        former = self.former.get((kind, day))
        file = Source.open(self.act.folder, former).file if former is not None else None
        for group in range(len(file.footer.groups) if file is not None else 0):
            assert file is not None
            table = file.read(group)
            over = self.borders.over(table["tag"].to_numpy(), day, self._tags_rolled(day))
            table = table.filter(pa.array(over))
            if len(table):
                yield renewed(table)

    def _close(self, files: DayFiles, *, last: bool = False) -> None:
        """Ends a day's file with the events of the day; the last one gets those of days without a file."""
        events = [event for event in self.ties.events if day_of(event.at) == files.day]
        if last:
            written = {kept.day for kept in self.act.done if kept.kind is Kind.DAY}
            events = [event for event in self.ties.events if day_of(event.at) not in written]
        self.act.close(
            files.samples, files.day, events=events, bookmarks=self.ties.bookmarks if last else (), last=last
        )


class _Carrying:
    """The carried values of the days that follow the changed ones, as far as these change them."""

    def __init__(self, act: Act, manifest: Manifest, changed: Sequence[int], borders: Borders) -> None:
        self._act, self._borders = act, borders
        self._former = {kept.day: kept for kept in manifest.kept(Kind.CARRIED)}
        self._others = sorted({kept.day for kept in manifest.kept(Kind.DAY)} - set(changed))
        self._changed: list[int] = []
        self._last = empty()
        """Last samples of all tags at the end of the changed days so far."""

    def add(self, day: int, last: Columns) -> None:
        """A changed day, later than those before, and its last samples."""
        last = last_of(ordered(join((last, self._let_go(day)))))
        if self._changed:
            self._pass(day)
        base = carried_on(self._read(day), self._changed, self._last, self._borders)
        self._changed.append(day)
        self._last = carried_on(base, [day], last, self._borders)
        self._write(day + 1, self._last)

    def _let_go(self, day: int) -> Columns:
        """Last samples of the day that only the values carried out of it still have."""
        if day >= self._borders.latest or day + 1 not in self._former:
            return empty()
        found = self._read(day + 1)
        return found.pick((found.time // DAY == day) & self._borders.held(found))

    def finish(self) -> None:
        """No changed day comes any more."""
        if self._changed:
            self._pass(None)

    def _pass(self, upto: int | None) -> None:
        """The days between the last changed one and `upto`: their files change until a day outdoes what changed."""
        for day in self._others:
            if day <= self._changed[-1] or (upto is not None and day >= upto):
                continue
            former = self._read(day + 1)
            new = carried_on(former, self._changed, self._last, self._borders)
            if same(former, new):
                return
            self._write(day + 1, new)

    def _read(self, day: int) -> Columns:
        """What was carried into the day before this act."""
        newest = max((known for known in self._former if known <= day), default=None)
        return empty() if newest is None else Source.open(self._act.folder, self._former[newest]).all()

    def _write(self, day: int, columns: Columns) -> None:
        if day in self._former:
            self._act.absorbed.append(self._former[day].file)
        writer = self._act.write(Kind.CARRIED)
        writer.add_columns(columns)
        self._act.close(writer, day)
