# SPDX-License-Identifier: Apache-2.0
"""Correcting recorded values: what a person says counts from now on, what was recorded stays kept beside it.

A correction takes the place of all other samples of its tag at its time. Who made it, when and why is an event, which
the recorder puts into the log too, for who shows last values.
Correcting again replaces a correction; reverting makes one of what was recorded first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

import msgspec
import numpy as np
import pyarrow as pa

from isthmus.app.importing.files import File
from isthmus.app.importing.names import Tags
from isthmus.app.importing.piece import Spot
from isthmus.app.importing.take import patiently
from isthmus.app.importing.values import values
from isthmus.app.recorded import find, zone
from isthmus.app.run.access import history_of
from isthmus.app.run.endpoint import revision_of
from isthmus.app.run.place import Place
from isthmus.app.run.untold import untold
from isthmus.core import quality, time
from isthmus.core.errors import IsthmusError, NotFound
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.quality import Mark
from isthmus.core.samples import Value, plain
from isthmus.core.tag import TagList
from isthmus.flow.standardise import standardise, standards
from isthmus.plant.revision import TagSetting
from isthmus.store.history.columns import Columns, corrected, join
from isthmus.store.history.folder import Folder, keep
from isthmus.store.history.former import joined_columns
from isthmus.store.history.memory import Memory, Numbers
from isthmus.store.history.read import History
from isthmus.store.history.runs import write_run
from isthmus.systems.contract import Readings

_KEPT: Final = np.uint8(Mark.HISTORICAL)
"""Marks that a correction takes over from what it replaces."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One value that is said anew."""

    setting: TagSetting
    time: int
    """ns."""
    former: Value
    value: Value
    quality: int


@dataclass(frozen=True, slots=True)
class Said:
    """Who corrects, and why."""

    by: str
    reason: str


async def correct(
    place: Place, pattern: str, at: Sequence[str], value: str | None, code: int, said: Said, *, add: bool = False
) -> list[Correction]:
    """Corrects a tag at some times; `value` is written as in a CSV file, None for no value.

    Raises NotFound when nothing was recorded at one of the times, unless it is to be added.
    """
    setting, times = _one(place, pattern), _times(place, at)
    new = _said(setting, times, [value] * len(times), np.full(len(times), code, np.uint32))
    return await _written(place, [(setting, new)], said, add=add)


async def correct_many(place: Place, file: File, tags: Tags, said: Said, *, add: bool = False) -> list[Correction]:
    """Corrects what a file with columns for tag, time, value and perhaps quality says; all of it or nothing."""
    now = time.now()
    memory, sense = Memory(), file.sense(tags, now)
    for piece in file.pieces(Spot()):
        found = sense.understand(piece)
        for refusal in found.refused:
            where = f"{file.path}:{int(refusal.lines[0])}"
            raise IsthmusError(refusal.reason, where=where, hint="nothing was corrected")
        for name in tags.unknown:
            raise NotFound(f"{name!r} is no tag", where=str(file.path), hint=tags.near(name) or "nothing was corrected")
        lists = {rule.tags.digest: rule.tags for rule in tags.rules()}
        for samples in found.samples:
            memory.add(samples, Numbers.of(lists[samples.tags]))
    columns = memory.columns()
    settings = {setting.tag.number: setting for setting in tags.settings}
    several = [(settings[n], columns.pick(columns.tag == n)) for n in np.unique(columns.tag).tolist()]
    return await _written(place, [(setting, replace(part, seen=part.time)) for setting, part in several], said, add=add)


async def revert(place: Place, pattern: str, at: Sequence[str], said: Said) -> list[Correction]:
    """Makes what was recorded first count again; raises NotFound when nothing was corrected at one of the times."""
    setting, times = _one(place, pattern), _times(place, at)
    async with history_of(place, "correct") as history:
        found = [_first(history, setting, at_) for at_ in times]
    return await _written(place, [(setting, join(found))], said, add=True)


def _first(history: History, setting: TagSetting, at: int) -> Columns:
    """What was recorded at a time before it was corrected."""
    there = joined_columns(history, setting, at, at + 1, replaced=True)
    if not corrected(there).any():
        raise NotFound(f"nothing was corrected at {time.to_iso(at)}", where=setting.tag.path)
    recorded = there.pick(~corrected(there))
    if len(recorded):
        return recorded.pick(slice(-1, None))
    return _said(setting, [at], [None], np.array([quality.BAD_NO_DATA], np.uint32))


def _one(place: Place, pattern: str) -> TagSetting:
    found = find(revision_of(place), [pattern])
    if len(found) > 1:
        raise IsthmusError(f"{pattern!r} matches {len(found)} tags", hint="correct one at a time, or many with --file")
    return found[0]


def _times(place: Place, at: Sequence[str]) -> list[int]:
    local, now = zone(revision_of(place)), time.now()
    return [time.moment(text, now, local) for text in at]


def _said(setting: TagSetting, times: Sequence[int], said: Sequence[str | None], code: np.ndarray) -> Columns:
    """Values as people write them, in the tag's unit, standardised as all samples are."""
    labels = {label.lower(): number for number, label in setting.labels.items()}
    part = values(pa.array(said, pa.string()), setting.tag.type, labels, ".")
    readings = Readings(
        index=np.zeros(len(times), np.uint32),
        at=np.array(times, np.int64),
        quality=code,
        form=part.form,
        value=part.value,
        integer=part.integer,
        text=part.text,
        seen=max(times),
    )
    rules = standards([msgspec.structs.replace(setting, scale=1.0, offset=0.0)])
    memory = Memory()
    for samples in standardise(readings, rules, "correction"):
        memory.add(samples, Numbers.of(rules[0].tags))
    columns = memory.columns()
    if (columns.mark & np.uint8(Mark.WRONG_TYPE)).any():
        raise IsthmusError(f"{said[0]!r} is no value of this tag", where=setting.tag.path, hint=_wanted(setting))
    return replace(columns, mark=columns.mark | np.uint8(Mark.SUBSTITUTED))


def _wanted(setting: TagSetting) -> str:
    names = f": {', '.join(setting.labels.values())}" if setting.labels else ""
    return f"its values are of type {setting.tag.type}{names}"


async def _written(
    place: Place, several: Sequence[tuple[TagSetting, Columns]], said: Said, *, add: bool
) -> list[Correction]:
    """Writes the corrections, all of them in one commit, and the events that tell of them."""
    parts: list[Columns] = []
    done: list[Correction] = []
    async with history_of(place, "correct") as history:
        for setting, new in several:
            historical = np.zeros(len(new), np.uint8)
            for row in range(len(new)):
                former, historical[row] = _former(history, setting, int(new.time[row]), add=add)
                done.append(_told(setting, new, row, former))
            parts.append(replace(new, mark=new.mark & ~_KEPT | historical | np.uint8(Mark.CORRECTED)))
    with patiently(place.history) as manifest:
        columns = join(parts)
        columns = replace(columns, seen=np.full(len(columns), time.now(), np.int64))
        tags = TagList(tuple(setting.tag for setting, _ in several)[:4096])
        keep(Folder(place.history).lists / tags.digest, tags.packed)
        events = [_event(setting.tag.path, [c for c in done if c.setting is setting], said) for setting, _ in several]
        write_run(place.history, manifest, columns, events=events, bookmark=untold(events))
    return done


def _former(history: History, setting: TagSetting, at: int, *, add: bool) -> tuple[Value, int]:
    """What counts at a time until now, and which of its marks stay; raises NotFound when nothing does.

    A mark stays that all samples at that time have: what takes the place of a live one is live. What is added where
    nothing was recorded is back-filled: it never becomes a last value.
    """
    there = joined_columns(history, setting, at, at + 1, replaced=True)
    if len(there):
        return _value(setting, there, len(there) - 1), int(np.bitwise_and.reduce(there.mark) & _KEPT)
    if add:
        return None, int(_KEPT)
    near = [
        time.to_iso(int(columns.time[row]))
        for columns, row in (
            (joined_columns(history, setting, at - time.SECOND * 3600, at), -1),
            (joined_columns(history, setting, at, at + time.SECOND * 3600), 0),
        )
        if len(columns)
    ]
    hint = f"the nearest are at {' and '.join(near)}; " if near else ""
    raise NotFound(
        f"nothing was recorded at {time.to_iso(at)}", where=setting.tag.path, hint=f"{hint}--add adds a sample"
    )


def _value(setting: TagSetting, columns: Columns, row: int) -> Value:
    code = int(columns.text[row])
    text = columns.words[code - 1] if code else None
    shown = plain(setting.tag.type, float(columns.value[row]), int(columns.integer[row]), text)
    return shown if shown is not None else text


def _told(setting: TagSetting, new: Columns, row: int, former: Value) -> Correction:
    return Correction(setting, int(new.time[row]), former, _value(setting, new, row), int(new.quality[row]))


def _event(path: str, corrections: Sequence[Correction], said: Said) -> Event:
    """One event per tag: what was corrected, by whom and why."""
    first = corrections[0]
    former, value = (f"{one:.12g}" if isinstance(one, float) else f"{one}" for one in (first.former, first.value))
    what = f"{former} became {value} {first.setting.tag.unit}".rstrip() + f" at {time.to_iso(first.time)}"
    if len(corrections) > 1:
        what = f"{len(corrections)} values were corrected, from {time.to_iso(min(c.time for c in corrections))}"
    why = f": {said.reason}" if said.reason else ""
    details: dict[str, Value] = {"count": len(corrections), "by": said.by, "reason": said.reason}
    details |= {"first": min(c.time for c in corrections), "last": max(c.time for c in corrections)}
    if len(corrections) == 1:
        details |= {"former": first.former, "value": first.value, "quality": first.quality}
    return Event(
        id=f"correction-{uuid4().hex}",
        kind=EventKind.CORRECTION,
        severity=Severity.INFORMATION,
        source=path,
        at=time.now(),
        message=f"{said.by} corrected {path}: {what}{why}",
        details=details,
    )
