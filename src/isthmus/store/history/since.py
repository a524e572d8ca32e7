# SPDX-License-Identifier: Apache-2.0
"""What was recorded after a position: for a reader whose place in the log is purged, or is in a log that is gone.

Segments and kept files say up to which position of the log they hold, so those that hold nothing newer are not opened.
A segment that begins behind it is given whole. Samples do not say it, but when they reached us; of what other files
hold, those of each source that came before the last ones the reader had are left out. A collector publishes in order,
so nothing is missed; what came within `SLACK` before is given again, for its clock may have been set back. (Set back
further while the reader stands there, samples of compacted days are left out that the reader never had.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import structlog
from numpy.typing import NDArray

from isthmus.core.errors import Damaged
from isthmus.core.time import EARLIEST, SECOND
from isthmus.store.history.columns import Columns
from isthmus.store.history.damage import opened, set_aside
from isthmus.store.history.folder import Folder
from isthmus.store.history.kept import Kept, KeptFooter
from isthmus.store.history.lease import leased
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.segment import Footer, Segment
from isthmus.store.history.state import State
from isthmus.stream.log import Position

SLACK: Final = 300 * SECOND
"""How far a collector's clock may be set back without samples being missed, ns."""

_Floor: TypeAlias = NDArray[np.int64]

log = structlog.get_logger("history")


@dataclass(frozen=True, slots=True)
class Part:
    """Some of what was recorded."""

    file: str
    """The file they are in; it never changes, so what was taken of it completely need not be taken again."""
    columns: Columns
    last: bool
    """Nothing more of this file follows."""


def recorded_state(root: Path) -> State:
    """How far the history in `root` goes; at its beginning where there is none. Raises Damaged."""
    folder = Folder(root)
    if not folder.manifest.exists():
        return State()
    manifest = Manifest.open(folder.manifest, reading=True)
    try:
        return manifest.state()
    finally:
        manifest.close()


def since(
    root: Path, position: Position | None, heard: Mapping[int, int], taken: frozenset[str] = frozenset()
) -> Iterator[State | Part]:
    """First how far the history goes, then all samples up to there that the log had after `position` (None: all).

    `heard`: tag number → when the last samples of its source that the reader had reached us (ns), of a tag that was
    moved those of the source of which it had least; tags that are not in it are given whole. Of `taken` files nothing
    is given. Of a file that is damaged its intact row groups are given. Days come in their order, then what
    is not compacted yet in that of the log. Files stay while this is iterated.
    """
    folder = Folder(root)
    with leased(folder):
        manifest = Manifest.open(folder.manifest, reading=True)
        try:
            manifest.freeze()
            yield manifest.state()
            parts: list[Kept | Segment] = [kept for kept in manifest.kept() if kept.kind.of_samples]
            parts += manifest.segments()
        finally:
            manifest.close()
        floor = _floor(heard)
        for part in parts:
            if part.file not in taken:
                yield from _part(folder, part, position, floor)


def _part(folder: Folder, part: Kept | Segment, position: Position | None, floor: _Floor) -> Iterator[Part]:
    given = 0
    try:
        found = opened(folder, part)
        if not _newer(found.footer.state, position):
            return
        if _wholly(found.footer, position):
            floor = _floor({})
        for number in range(len(found.footer.groups)):
            columns = found.columns(number)
            given += 1
            yield Part(part.file, _after(columns, floor), number + 1 == len(found.footer.groups))
    except Damaged as error:
        _, intact = set_aside(folder, part, error.what)
        for columns in intact[given:]:
            yield Part(part.file, _after(columns, floor), False)
    except FileNotFoundError:
        log.error("a file of the history is not there", file=part.file)


def _newer(state: State | None, position: Position | None) -> bool:
    """Whether a file that goes up to `state` can hold what the log had after `position`; imports have no state."""
    if position is None:
        return True
    if state is None or state.position is None:
        return False
    return state.position.stream != position.stream or state.position.sequence > position.sequence


def _wholly(footer: Footer | KeptFooter, position: Position | None) -> bool:
    """Whether a file holds nothing but what the log had after `position`: a segment says where it begins."""
    if position is None or not isinstance(footer, Footer) or footer.after is None:
        return False
    return footer.after.stream == position.stream and footer.after.sequence >= position.sequence


def _floor(heard: Mapping[int, int]) -> _Floor:
    """By tag number, before when (ns) nothing is wanted; the last place stands for all tags nobody was heard of."""
    times = np.full(max(heard, default=0) + 2, EARLIEST, np.int64)
    for number, at in heard.items():
        times[number] = max(at - SLACK, EARLIEST)
    return times


def _after(columns: Columns, floor: _Floor) -> Columns:
    place = np.minimum(columns.tag, len(floor) - 1)
    return columns.pick(columns.seen >= floor[place])
