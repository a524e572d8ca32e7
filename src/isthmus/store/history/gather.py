# SPDX-License-Identifier: Apache-2.0
"""Kept files that the manifest does not know: of an act that died before its commit, or of a manifest that was lost.

An act of which all files are there is finished: its footers say all the commit would have said. Of one that is not
complete the files count when some that they stand for are gone, for then it was committed once. Any other has done
nothing yet and is removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from isthmus.core.errors import Damaged
from isthmus.store.history.checked import Opened, open_by_spare
from isthmus.store.history.columns import Columns, join, ordered
from isthmus.store.history.damage import opened
from isthmus.store.history.flush import latest
from isthmus.store.history.folder import SPARE, TEMPORARY, Folder
from isthmus.store.history.kept import Kept, KeptFooter, Kind, open_kept
from isthmus.store.history.manifest import Manifest
from isthmus.store.history.state import State

log = structlog.get_logger("history")


@dataclass(frozen=True, slots=True)
class Unknown:
    """What lies in `kept/` and is not listed."""

    counting: Sequence[Kept]
    """Files that count from now on."""
    leaving: Sequence[str]
    """Files that counting ones stand for."""
    undone: Sequence[str]
    """Files of acts that did not come to their end."""
    damaged: Mapping[str, str]
    """Files without an intact footer → why."""
    footers: Sequence[KeptFooter]
    """Of the files that count."""

    @property
    def state(self) -> State | None:
        states = [footer.state for footer in self.footers if footer.state is not None]
        return max(states, key=lambda state: state.ordinal, default=None)


def take_in_kept(folder: Folder, manifest: Manifest) -> Unknown:
    """Lists the files that count and were not listed, with all that they bring; says what else there is."""
    found = unknown(folder, manifest)
    if not (found.counting or found.leaving):
        return found
    listed = {segment.file for segment in manifest.segments()} | {kept.file for kept in manifest.kept()}
    manifest.replace(
        found.counting,
        [file for file in found.leaving if file in listed],
        events=[event for footer in found.footers for event in footer.events],
        state=found.state,
        unlisted=[file for file in found.leaving if file not in listed and folder.place(file).exists()],
    )
    for mark in (mark for footer in found.footers for mark in footer.bookmarks):
        manifest.replace((), (), bookmark=mark)
    if found.counting:
        manifest.replace((), (), latest=_latest(folder, manifest))
        log.info("kept files adopted", files=len(found.counting))
    return found


def unknown(folder: Folder, manifest: Manifest) -> Unknown:
    """What is to be said of the files in `kept/` that are not listed."""
    files, damaged = _footers(folder, manifest)
    acts: dict[str, dict[str, KeptFooter]] = defaultdict(dict)
    for file, footer in files.items():
        acts[footer.act][file] = footer
    there = {path.name for place in (folder.segments, folder.kept) if place.is_dir() for path in place.iterdir()}
    counting: dict[str, KeptFooter] = {}
    absorbed: set[str] = set()
    undone: list[str] = []
    for act in acts.values():
        took = {file for footer in act.values() for file in footer.absorbed}
        if _complete(act, there):
            counting.update(act)
            absorbed |= took
        elif took <= there:
            undone += list(act)
        else:
            counting.update(act)
            absorbed |= took - there
    parts = {file: _kept(folder, file, footer) for file, footer in counting.items() if file not in absorbed}
    stale = set(_stale([*parts.values(), *(kept for kept in manifest.kept() if kept.file not in absorbed)]))
    return Unknown(
        counting=[kept for file, kept in parts.items() if file not in stale],
        leaving=sorted(absorbed | stale),
        undone=undone,
        damaged=damaged,
        footers=sorted(counting.values(), key=lambda footer: footer.number),
    )


def _footers(folder: Folder, manifest: Manifest) -> tuple[dict[str, KeptFooter], dict[str, str]]:
    """Of the files that are not listed those that can be opened, and why the others cannot."""
    passed = {*(kept.file for kept in manifest.kept()), *manifest.leaving(), *manifest.damaged()}
    footers, damaged = {}, {}
    for path in sorted(folder.kept.iterdir()) if folder.kept.is_dir() else ():
        if path.name in passed or path.name.endswith((TEMPORARY, SPARE)):
            continue
        try:
            footers[path.name] = _footer(path)
        except Damaged as error:
            damaged[path.name] = error.what
        except FileNotFoundError:  # somebody tends the folder while this reader looks
            continue
    return footers, damaged


def _footer(path: Path) -> KeptFooter:
    """Also of a file whose own is damaged: who reads it will find that, and what is left of it."""
    try:
        return open_kept(path).footer
    except Damaged:
        return open_by_spare(path, KeptFooter).footer


def _complete(act: Mapping[str, KeptFooter], there: set[str]) -> bool:
    return any(footer.others is not None and there.issuperset(footer.others) for footer in act.values())


def _kept(folder: Folder, file: str, footer: KeptFooter) -> Kept:
    return Kept.of(file, (folder.kept / file).stat().st_size, footer)


def _stale(files: Iterable[Kept]) -> Iterator[str]:
    """Derived files that are older than the samples of their day, or than another one like them."""
    newest: dict[tuple[Kind, int], int] = {}
    files = list(files)
    for kept in files:
        newest[kept.kind, kept.day] = max(kept.number, newest.get((kept.kind, kept.day), 0))
    for kept in files:
        if kept.kind.of_samples:
            continue
        samples = newest.get((Kind.DAY, kept.day - (kept.kind is Kind.CARRIED)), 0)
        if kept.number < max(newest[kept.kind, kept.day], samples):
            yield kept.file


def _latest(folder: Folder, manifest: Manifest) -> Columns:
    """The latest live samples of all kept files: those carried into the newest day there is, and what came since."""
    carried = manifest.kept(Kind.CARRIED)[-1:]
    since = carried[0].day if carried else None
    found = join(())
    for kept in (*carried, *manifest.kept(Kind.DAY, since), *manifest.kept(Kind.RUN)):
        for columns in _readable(opened(folder, kept)):
            found = latest(ordered(join((found, latest(columns)))))
    return found


def _readable(file: Opened) -> Iterator[Columns]:  # type: ignore[type-arg]  # of either kind
    """The row groups that are intact; whoever reads the others later will say so."""
    for group in range(len(file.footer.groups)):
        try:
            yield file.columns(group)
        except Damaged as error:
            log.warning("passed over", file=file.path.name, problem=error.what)
