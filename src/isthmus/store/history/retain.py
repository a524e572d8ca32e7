# SPDX-License-Identifier: Apache-2.0
"""Retaining lets go of what is older than its class is kept: whole days (UTC), file by file, each all or nothing.

A file of a day is written again without the samples of the tags whose time is over, or leaves when nothing is left in
it; its number stays, so roll-ups and carried values that were made of it stay good. Files that left stay on the disk
for a while, for those who still read. Samples that are in no day file yet go once they are compacted.

Where roll-ups are kept longer than samples, some samples stay as long as these: those that are too few to have any, and
those of a tag's day on which the roll-ups do not say all, for instance because some values were Bad.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from isthmus.core import time
from isthmus.plant.retention import DEFAULT, Retention
from isthmus.store.history.act import Act
from isthmus.store.history.border import NEVER, Border, Borders, told
from isthmus.store.history.checked import Opened
from isthmus.store.history.columns import SCHEMA
from isthmus.store.history.compact import never, nothing
from isthmus.store.history.damage import set_aside
from isthmus.store.history.folder import Folder
from isthmus.store.history.form import GROUP
from isthmus.store.history.kept import DAY, Kept, KeptFooter, Kind, day_of
from isthmus.store.history.lists import known_tags
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.merge import Harmed, Source, harmless
from isthmus.store.history.rollup import sheaf
from isthmus.store.history.segment import Footer
from isthmus.store.history.tend import tended
from isthmus.store.history.ties import Ties

_FORMS: Final[dict[Kind, tuple[pa.Schema, dict[str, Any] | None, int]]] = {
    Kind.DAY: (SCHEMA, None, GROUP),
} | {kind: (sheaf.SCHEMA, sheaf.FORM, group) for kind, group in sheaf.GROUPS.items()}
"""How files are written again."""


Progress: TypeAlias = Callable[[int, int], None]
Stop: TypeAlias = Callable[[], bool]


@dataclass(slots=True)
class Gone:
    """What one class lets go of in files of one kind."""

    kind: Kind
    rows: int = 0
    """Samples; of roll-ups one for all of a tag's day."""
    size: float = 0.0
    """Bytes, by its share of the rows."""
    days: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Retained:
    """What was let go, or would be."""

    gone: dict[tuple[str, Kind], Gone] = field(default_factory=dict)
    """(class, kind of file) → what."""
    files: int = 0
    """Files that were written again, or left."""
    events: int = 0
    quarantine: int = 0
    stopped: bool = False


def retain(
    root: Path,
    retention: Retention,
    classes: Mapping[int, str],
    *,
    now: int | None = None,
    progress: Progress = nothing,
    stop: Stop = never,
    dry: bool = False,
) -> Retained:
    """Lets go of what is over at `now` (ns) in the history in `root`; with `dry` only says what that would be.

    `classes` has the class of each tag by its number; the others are of the default one. `progress` is called with
    files looked at and files in all; `stop` is asked between files. Raises InUse when another process tends the
    history, OSError when the disk has no room to write a day again.
    """
    with tended(root) as manifest:
        now = now if now is not None else time.now()
        return _Retaining(Folder(root), manifest, retention, classes, now, dry).run(progress, stop)


def is_due(folder: Folder, manifest: Manifest, retention: Retention, classes: Mapping[int, str], now: int) -> bool:
    """Whether a border has to be moved: once a day, where anything is not kept for ever."""
    return _moved(folder, manifest, retention, classes, now).of != Borders.noted(manifest).of


def _moved(folder: Folder, manifest: Manifest, retention: Retention, classes: Mapping[int, str], now: int) -> Borders:
    """The borders at `now`; one that is further on already stays, for what was let go does not come back."""
    before, today = Borders.noted(manifest).of, day_of(now)
    borders: dict[int, Border] = dict(before)
    for number in known_tags(folder).keys() | classes.keys():
        span, old = retention.span(classes.get(number, DEFAULT)), before.get(number, Border())
        raw = max(old.raw, today - span.raw if span.raw else NEVER)
        rollups = max(old.rollups, today - span.rollups if span.rollups else NEVER)
        if (raw, rollups) != (NEVER, NEVER):
            borders[number] = Border(raw, rollups)
    return Borders(borders)


@dataclass(slots=True)
class _Retaining:
    """Retention under way."""

    folder: Folder
    manifest: Manifest
    retention: Retention
    classes: Mapping[int, str]
    now: int
    dry: bool
    result: Retained = field(default_factory=Retained)
    borders: Borders = field(default_factory=lambda: Borders({}))

    def run(self, progress: Progress, stop: Stop) -> Retained:
        self.borders = _moved(self.folder, self.manifest, self.retention, self.classes, self.now)
        if not self.dry and self.borders.of != Borders.noted(self.manifest).of:
            self.manifest.replace((), (), bookmark=self.borders.bookmark)
        whole: list[Kept] = []
        files = list(self._candidates())
        for done, kept in enumerate(files):
            if stop():
                self.result.stopped = True
                return self.result
            if self._look(kept):
                whole.append(kept)
            progress(done + 1, len(files))
        whole += self._uncarried({kept.file for kept in whole})
        self._leave(whole)
        self._forget()
        return self.result

    def _candidates(self) -> Iterator[Kept]:
        """Files in which something may be over."""
        rollups = max((border.rollups for border in self.borders.of.values()), default=NEVER)
        for kind, limit in ((Kind.DAY, self.borders.latest), (Kind.MINUTES, rollups), (Kind.QUARTERS, rollups)):
            if limit > NEVER:
                yield from self.manifest.kept(kind, last_day=limit - 1)

    def _look(self, kept: Kept) -> bool:
        """Writes a file again when some of it is over; True when all of it is."""
        try:
            source = Source.open(self.folder, kept)
            tags = [self._tags(source, group) for group in range(len(source.file.footer.groups))]
            rolled = self._rolled(kept)
            over = [self._over(kept, some, rolled) for some in tags]
            self._count(kept, tags, over)
            if all(bool(some.all()) for some in over):
                return True
            if any(bool(some.any()) for some in over) and not self.dry:
                self._write(source, kept, over)
        except Harmed as harmed:
            if not self.dry:
                set_aside(self.folder, kept, harmed.why)
        return False

    def _tags(self, source: Source, group: int) -> NDArray[np.uint32]:
        with harmless(source.part):
            tags: NDArray[np.uint32] = source.file.read(group, ["tag"])["tag"].to_numpy()
        return tags

    def _over(self, kept: Kept, tags: NDArray[np.uint32], rolled: NDArray[np.uint32]) -> NDArray[np.bool_]:
        if kept.kind is Kind.DAY:
            return self.borders.over(tags, kept.day, rolled)
        return self.borders.gone(tags, np.full(len(tags), kept.day), rollups=True)

    def _rolled(self, kept: Kept) -> NDArray[np.uint32]:
        """The tags of which roll-ups of the day say all; none where they are damaged or missing at the moment."""
        found = self.manifest.kept(Kind.QUARTERS, kept.day, kept.day) if kept.kind is Kind.DAY else []
        try:
            return told(Source.open(self.folder, found[0])) if found else np.zeros(0, np.uint32)
        except Harmed:
            return np.zeros(0, np.uint32)

    def _count(self, kept: Kept, tags: Sequence[NDArray[np.uint32]], over: Sequence[NDArray[np.bool_]]) -> None:
        """Adds to the account of the classes."""
        counts: dict[str, int] = defaultdict(int)
        for some, flags in zip(tags, over, strict=True):
            numbers, rows = np.unique(some[flags], return_counts=True)
            for number, count in zip(numbers.tolist(), rows.tolist(), strict=True):
                counts[self.classes.get(number) or DEFAULT] += count
        for name, count in counts.items():
            gone = self.result.gone.setdefault((name, kept.kind), Gone(kept.kind))
            gone.rows += count
            gone.size += kept.size * count / max(kept.rows, 1)
            gone.days.add(kept.day)

    def _write(self, source: Source, kept: Kept, over: Sequence[NDArray[np.bool_]]) -> None:
        """The file again, without what is over."""
        schema, form, group = _FORMS[kept.kind]
        ties = Ties.of(self.manifest, [source.file])
        with Act(self.folder, self.manifest, [kept.file], ties.state, kept.number) as act:
            writer = act.write(kept.kind, schema=schema, form=form, group=group)
            for table in _gathered(self._left(source, over), group):
                writer.add(table if kept.kind is Kind.DAY else sheaf.renewed(table))
            act.close(writer, kept.day, events=ties.events, bookmarks=ties.bookmarks, last=True)
            act.commit()
        self.result.files += 1

    def _left(self, source: Source, over: Sequence[NDArray[np.bool_]]) -> Iterator[pa.Table]:
        for number, flags in enumerate(over):
            if not flags.all():
                with harmless(source.part):
                    table = source.file.read(number)
                yield table.filter(pa.array(~flags))

    def _uncarried(self, leaving: set[str]) -> Iterator[Kept]:
        """Carried values that no day needs any more: those of later days say the same and more."""
        days = [kept.day for kept in self.manifest.kept(Kind.DAY) if kept.file not in leaving]
        first = min(days, default=None)
        carried = self.manifest.kept(Kind.CARRIED)
        for kept, following in itertools.pairwise(carried):
            if following.day <= (first if first is not None else self.borders.latest):
                yield kept

    def _leave(self, files: Sequence[Kept]) -> None:
        """These do not count from now on; an empty run keeps what they say beside samples."""
        self.result.files += len(files)
        if not files or self.dry:
            return
        try:
            ties = Ties.of(self.manifest, [self._opened(kept) for kept in files])
        except Harmed as harmed:
            part = harmed.part
            assert isinstance(part, Kept)
            set_aside(self.folder, part, harmed.why)
            self._leave([kept for kept in files if kept.file != part.file])
            return
        number = self.manifest.next_number()
        with Act(self.folder, self.manifest, [kept.file for kept in files], ties.state, number) as act:
            act.close(act.write(Kind.RUN), 0, events=ties.events, bookmarks=ties.bookmarks, last=True)
            act.commit()

    def _opened(self, kept: Kept) -> Opened[Footer] | Opened[KeptFooter]:
        """Its footer is all that is read of it."""
        return Source.open(self.folder, kept).file

    def _forget(self) -> None:
        """Events and quarantined messages go by themselves; gaps stay as long as anything they may tell of."""

        def before(days: int) -> int:
            return (day_of(self.now) - days) * DAY

        if self.retention.events:
            oldest = min((kept.day for kept in self.manifest.kept() if kept.rows), default=day_of(self.now))
            gaps = min(before(self.retention.events), oldest * DAY)
            self.result.events = self.manifest.forget_events(before(self.retention.events), gaps, dry=self.dry)
        if self.retention.quarantine:
            limit = before(self.retention.quarantine)
            self.result.quarantine = self.manifest.forget_oddities(limit, dry=self.dry)


def _gathered(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same rows in tables of at least so many, but for the last."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= rows:
            yield pa.concat_tables(waiting).unify_dictionaries().combine_chunks()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).unify_dictionaries().combine_chunks()
