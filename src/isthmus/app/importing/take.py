# SPDX-License-Identifier: Apache-2.0
"""Taking in: pieces of files or tables become runs of the history, each row once, whatever dies on the way.

A run is committed together with how far the import is, so the same import begun again goes on behind it.
"""

from __future__ import annotations

import csv
import os
import time as clock
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from isthmus.app.importing.account import Account, Origin, accounts
from isthmus.app.importing.names import Tags
from isthmus.app.importing.piece import Piece, Refusal, Spot
from isthmus.app.importing.understand import Sense, Understood
from isthmus.app.run.place import Place
from isthmus.core import time
from isthmus.core.errors import InUse, IsthmusError
from isthmus.core.tag import TagList
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.memory import Memory, Numbers
from isthmus.store.history.runs import write_run
from isthmus.store.history.tend import tended

RUN: Final = 1_000_000
"""Samples of a run, about: what is done again at most when the process dies."""

EXAMPLES: Final = 5
"""Refused rows of each reason that are named; all are in the file of refused rows."""

PATIENCE: Final = 600.0
"""Seconds to wait for a compaction, or another import, to be done."""


class Source(Protocol):
    """Something whose rows are taken in: a file, or tables."""

    @property
    def names(self) -> Sequence[str]:
        """The columns' headings."""

    @property
    def size(self) -> int:
        """What `Piece.done` comes to at its end; 0: nobody knows."""

    def pieces(self, start: Spot) -> Iterator[Piece]: ...

    def sense(self, tags: Tags, seen: int) -> Sense: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is."""

    file: str
    rows: int
    """Rows taken by this process."""
    done: int
    size: int
    """Bytes read of so many; those of files done before included."""
    seconds: float


def unsaid(progress: Progress) -> None:
    """What `progress` does when nobody listens."""


@contextmanager
def patiently(root: Path, waiting: Callable[[InUse], None] = lambda error: None) -> Iterator[Manifest]:
    """`tended`, once whoever tends the history is done; `waiting` is told once. Raises InUse when that takes long."""
    Folder(root).make()
    began, told = clock.monotonic(), False
    while True:
        opened = tended(root)
        try:
            manifest = opened.__enter__()
            break
        except InUse as error:
            if clock.monotonic() - began > PATIENCE:
                raise
            if not told:
                waiting(error)
                told = True
            clock.sleep(0.2)
    try:
        yield manifest
    finally:
        opened.__exit__(None, None, None)


@dataclass(slots=True)
class Taking:
    """One import under way."""

    place: Place
    manifest: Manifest
    account: Account
    tags: Tags
    progress: Callable[[Progress], None] = unsaid
    memory: Memory = field(default_factory=Memory)
    rows: int = 0
    _began: float = field(default_factory=clock.monotonic)
    _lists: dict[str, Numbers] = field(default_factory=dict)
    _numbers: set[int] = field(default_factory=set)
    _refused: list[tuple[str, Refusal]] = field(default_factory=list)

    def take(self, sources: Sequence[tuple[str, Source]]) -> Account:
        """All of the sources, from where the account says; the account as it is then."""
        _cut(refused_file(self.place, self.account.id), self.account.written)
        self._numbers = set(self.account.tags)
        total, before = sum(source.size for _, source in sources), 0
        for number, (name, source) in enumerate(sources):
            if number >= self.account.file:
                sense = source.sense(self.tags, self.account.seen)
                for piece in _ahead(source.pieces(self.account.spot)):
                    self._piece(name, sense, piece)
                    self.progress(
                        Progress(name, self.rows, before + piece.done, total, clock.monotonic() - self._began)
                    )
                self.account.file, self.account.spot = number + 1, Spot()
            before += source.size
        self.account.ended = time.now()
        self._commit()
        return self.account

    def _piece(self, name: str, sense: Sense, piece: Piece) -> None:
        try:
            understood = sense.understand(piece)
        except IsthmusError as error:
            at = error.where.removeprefix("line ") or str(int(piece.lines[0]))
            raise IsthmusError(error.what, where=f"{name}:{at}", hint=error.hint) from error
        self._add(name, understood)
        self.account.spot = piece.next
        if self.memory.rows >= RUN:
            self._commit()

    def _add(self, name: str, found: Understood) -> None:
        rules = {rule.tags.digest: rule.tags for rule in self.tags.rules()}
        for samples in found.samples:
            self.memory.add(samples, self._list(rules[samples.tags]))
            self.account.first = min(self.account.first, int(samples.at.min()))
            self.account.last = max(self.account.last, int(samples.at.max()))
            self._numbers.update(self._list(rules[samples.tags]).number[np.unique(samples.index)].tolist())
        self.rows += found.rows
        self.account.taken += found.rows
        self.account.left_out += found.left_out
        self.account.note_unknown(self.tags.unknown)
        self.tags.unknown.clear()
        for refusal in found.refused:
            self._refuse(name, refusal)

    def _list(self, tags: TagList) -> Numbers:
        """What the memory needs of a tag list; the list is kept, so that its numbers have names."""
        if tags.digest not in self._lists:
            path = Folder(self.place.history).lists / tags.digest
            if not path.exists():
                keep(path, tags.packed)
            self._lists[tags.digest] = Numbers.of(tags)
        return self._lists[tags.digest]

    def _refuse(self, name: str, refusal: Refusal) -> None:
        known = self.account.examples.setdefault(refusal.reason, [])
        known += [f"{name}:{line}" for line in refusal.lines[: EXAMPLES - len(known)].tolist()]
        self.account.refused[refusal.reason] = self.account.refused.get(refusal.reason, 0) + len(refusal.lines)
        self._refused.append((name, refusal))

    def _commit(self) -> None:
        """What is in memory becomes a run, with the account; the refused rows are on the disk before."""
        if self._refused:
            self.account.written = _append(refused_file(self.place, self.account.id), self._refused)
            self._refused.clear()
        self.account.tags = sorted(self._numbers)
        if self.memory.rows:
            write_run(self.place.history, self.manifest, self.memory.columns(), bookmark=self.account.bookmark())
            self.memory = Memory()
        else:
            self.manifest.replace((), (), bookmark=self.account.bookmark())


def refused_file(place: Place, id_: str) -> Path:
    """Where the rows are that an import did not take."""
    return place.root / "imports" / f"{id_}-refused.csv"


def _cut(path: Path, size: int) -> None:
    """Drops what was written behind the last commit."""
    if path.exists():
        os.truncate(path, size)


def _append(path: Path, refused: Iterable[tuple[str, Refusal]]) -> int:
    """The size of the file with these rows."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if file.tell() == 0:
            writer.writerow(["file", "line", "reason", "row"])
        for name, refusal in refused:
            for line, text in zip(refusal.lines.tolist(), refusal.texts(), strict=True):
                writer.writerow([name, line, refusal.reason, text])
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _ahead(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces, the next one read while one is worked on: Arrow leaves the interpreter to others meanwhile."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = reader.submit(next, pieces, None)
            yield piece


def begin(manifest: Manifest, id_: str, what: str, origins: Sequence[Origin] = ()) -> Account:
    """The account of an import: the one under way or done, else a new one whose moment no other has."""
    others = accounts(manifest)
    known = next((account for account in others if account.id == id_ and not account.undone), None)
    if known is not None:
        if known.undoing:
            hint = f"isthmus import --undo {known.id} goes on with it"
            raise IsthmusError("this import is being taken back, and that did not come to its end", hint=hint)
        return known
    seen = max(time.now(), max((account.seen for account in others), default=0) + 1)
    account = Account(id=id_, what=what, seen=seen, origins=tuple(origins))
    manifest.replace((), (), bookmark=account.bookmark())
    return account
