# SPDX-License-Identifier: Apache-2.0
"""Bringing files in: opened and checked before anything is written, taken, compacted; or looked at only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from isthmus.app.importing.account import Account, Origin, accounts, identity
from isthmus.app.importing.files import File, check, found
from isthmus.app.importing.mapping import Names, read_mapping
from isthmus.app.importing.names import Tags
from isthmus.app.importing.piece import Piece, Reading, Spot
from isthmus.app.importing.take import Progress, Taking, begin, patiently, unsaid
from isthmus.app.recorded import zone
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.core.errors import InUse, IsthmusError
from isthmus.core.samples import Value, plain
from isthmus.core.tag import LONGEST_LIST
from isthmus.plant.revision import TagSetting

LOOKED_AT = 1000
"""Rows of each file that a dry run looks at, about."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Files that are to be taken in."""

    place: Place
    files: tuple[File, ...]
    tags: Tags
    reading: Reading

    @classmethod
    def of(cls, place: Place, paths: Sequence[Path], mapping: Path | None, reading: Reading) -> Wanted:
        """Opens every file. Raises IsthmusError for the first thing that is wrong, before anything is written."""
        check(reading)
        revision = revision_of(place)
        names = read_mapping(mapping) if mapping is not None else Names()
        tags = Tags(revision, names)
        return cls(place, tuple(File.open(path, reading, zone(revision)) for path in found(paths)), tags, reading)

    @property
    def what(self) -> str:
        """The files, for people."""
        first = self.files[0].path.name
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"


@dataclass(frozen=True, slots=True)
class Preview:
    """One sample as it would be taken."""

    file: str
    setting: TagSetting
    time: int
    value: Value
    quality: int
    mark: int


def bring_in(
    wanted: Wanted, progress: Callable[[Progress], None] = unsaid, waiting: Callable[[InUse], None] = lambda error: None
) -> tuple[Account, bool]:
    """The account of the import of these files, and whether it had ended before.

    Begun again after it died it goes on; with other options, or when a file is another one, it is another import.
    """
    origins = [Origin.of(file.path) for file in wanted.files]
    id_ = identity(origins, wanted.reading, wanted.tags.mapping.text)
    with patiently(wanted.place.history, waiting) as manifest:
        account = begin(manifest, id_, wanted.what, origins)
        if account.ended:
            return account, True
        taking = Taking(wanted.place, manifest, account, wanted.tags, progress)
        return taking.take([(file.path.name, file) for file in wanted.files]), False


def look_at(wanted: Wanted, now: int, most: int = 5) -> tuple[Account, list[Preview]]:
    """What the first rows of each file would become: an account of them, and some samples of each. Writes nothing."""
    account = Account(id="", what=wanted.what, seen=now)
    shown: list[Preview] = []
    for file in wanted.files:
        sense, name = file.sense(wanted.tags, now), file.path.name
        for piece in islice(file.pieces(Spot()), 1):
            some = _head(piece)
            try:
                understood = sense.understand(some)
            except IsthmusError as error:
                at = error.where.removeprefix("line ") or str(int(some.lines[0]))
                raise IsthmusError(error.what, where=f"{name}:{at}", hint=error.hint) from error
            account.taken += understood.rows
            account.left_out += understood.left_out
            for refusal in understood.refused:
                account.refused[refusal.reason] = account.refused.get(refusal.reason, 0) + len(refusal.lines)
                account.examples.setdefault(refusal.reason, []).extend(
                    f"{name}:{line}" for line in refusal.lines[:most].tolist()
                )
            place = {rule.tags.digest: i for i, rule in enumerate(wanted.tags.rules())}
            for samples in understood.samples:
                for row in range(min(most, len(samples))):
                    setting = wanted.tags.settings[int(samples.index[row]) + LONGEST_LIST * place[samples.tags]]
                    integer = 0 if samples.integer is None else int(samples.integer[row])
                    text = None if samples.text is None else samples.text[row]
                    value = plain(setting.tag.type, float(samples.value[row]), integer, text)
                    when, quality, mark = (int(a[row]) for a in (samples.at, samples.quality, samples.mark))
                    shown.append(Preview(name, setting, when, text if value is None else value, quality, mark))
    account.note_unknown(wanted.tags.unknown)
    return account, shown


def _head(piece: Piece) -> Piece:
    """The first rows of a piece."""
    return Piece(
        {name: column[:LOOKED_AT] for name, column in piece.columns.items()},
        piece.lines[:LOOKED_AT],
        piece.next,
        piece.done,
        piece.text,
        [refusal for refusal in piece.refused if np.any(refusal.lines <= piece.lines[:LOOKED_AT].max(initial=0))],
    )


def imports(place: Place) -> list[Account]:
    """All imports into a history, in the order in which they began."""
    from contextlib import closing

    from isthmus.store.history.folder import Folder
    from isthmus.store.history.manifest import Manifest

    revision_of(place)
    path = Folder(place.history).manifest
    if not path.exists():
        return []
    with closing(Manifest.open(path, reading=True)) as manifest:
        return accounts(manifest)
