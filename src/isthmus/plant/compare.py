# SPDX-License-Identifier: Apache-2.0
"""Comparing two revisions gives a plan: what applying the second would open, close, add, rename, change and remove."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from isthmus.core import time
from isthmus.core.errors import IsthmusError
from isthmus.plant.calendar import DAY_NAMES, Calendar, Shift, clock
from isthmus.plant.doors import ZONE
from isthmus.plant.former import Named, Saying, sayings, together
from isthmus.plant.outputs import tags_of
from isthmus.plant.picture import Picture
from isthmus.plant.retention import DEFAULT, Retention, Span
from isthmus.plant.revision import AssetSetting, Former, OutputSetting, Revision, SystemSetting, TagSetting, wiring

UNZONED: Final = "UTC"
"""The time zone of systems that say none, in revisions of before the plant's own counted there."""
TIME: Final = "time"
"""The key of systems whose times stand where it says; without it a broker or a web service says none."""
MOST_SAYINGS: Final = 10
"""Renames that are proposed at once."""


class StepKind(StrEnum):
    """What one step of an apply does."""

    OPEN = "open system"
    CLOSE = "close system"
    REOPEN = "reopen system"
    SYSTEM = "change system"
    OUTPUT = "output"
    NEW = "new tag"
    RENAME = "rename tag"
    REMOVE = "remove tag"
    NUMBER = "new number"
    READ = "read otherwise"
    LIMITS = "change limits"
    KEEP = "change class of history"
    WORDS = "change description"
    ASSET = "asset"
    PLANT = "plant"
    NOTE = "note"


_SIGNS: Final = {
    StepKind.OPEN: "+", StepKind.NEW: "+", StepKind.CLOSE: "-", StepKind.REMOVE: "-", StepKind.RENAME: ">",
    StepKind.NOTE: "!",
}  # fmt: skip


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing an apply would do."""

    kind: StepKind
    subject: str
    """A path, a system, a section of the plant file."""
    what: str
    system: str = ""
    """The system whose subscription changes with it; empty when none does."""

    def __str__(self) -> str:
        return f"{_SIGNS.get(self.kind, '~')} {self.subject}: {self.what}"


class Removed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tag the new revision does not have."""

    path: str
    number: int
    like: str = ""
    """A new tag that looks like it: an undeclared rename?"""
    was: str = ""
    """What `was:` would say then: of the first of `says`."""
    says: tuple[Saying, ...] = ()
    """Every `was:` that would have to be said then."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything applying `number` after `previous` would do."""

    previous: int | None
    number: int
    steps: tuple[Step, ...]
    removed: tuple[Removed, ...]

    @property
    def nothing(self) -> bool:
        """There is nothing to do."""
        return not any(step.kind is not StepKind.NOTE for step in self.steps)

    def lines(self, most: int = 20) -> Iterator[str]:
        """The plan for people: steps by kind, at most so many of each; 0: all."""
        if self.nothing:
            yield f"nothing to do: revision {self.previous} says the same"
        for kind in StepKind:
            steps = [step for step in self.steps if step.kind is kind]
            shown = steps[:most] if most else steps
            yield from map(str, shown)
            if len(steps) > len(shown):
                yield f"  ... and {len(steps) - len(shown):,} more: {kind}"

    def subscriptions(self) -> dict[str, int]:
        """System → how many of its subscriptions change while it stays open."""
        touched: dict[str, int] = {}
        for step in self.steps:
            if step.system:
                touched[step.system] = touched.get(step.system, 0) + 1
        return touched

    def refuse_removal(self) -> None:
        """Raises IsthmusError when tags would go without anybody having said so."""
        if not self.removed:
            return
        names = ", ".join(removed.path for removed in self.removed[:3])
        more = f" and {len(self.removed) - 3:,} more" if len(self.removed) > 3 else ""
        raise IsthmusError(f"stops recording {names}{more}; what is recorded stays", hint=self._way_out())

    def _way_out(self) -> str:
        """What to do about tags that would go: say what they were called, or that they are meant to go."""
        meant = "if they are meant to go, apply with --remove"
        said = together(saying for removed in self.removed for saying in removed.says)
        if not said:
            return meant
        lines = [f"  {saying}" for saying in said[:MOST_SAYINGS]]
        if len(said) > MOST_SAYINGS:
            lines.append(f"  ... and {len(said) - MOST_SAYINGS:,} more")
        return "\n".join(["if they were renamed, say what they were called, and their history goes on:", *lines, meant])


def compare(previous: Revision | None, new: Revision, named: Mapping[str, Named] | None = None) -> Plan:
    """What applying `new` over `previous` would do; `named`: where the plant file says the names in a tag's path."""
    removed = _removed(previous, new, named or {})
    steps = (
        *_plant(previous, new),
        *_systems(previous, new),
        *_outputs(previous, new),
        *_tags(previous, new),
        *(Step(StepKind.REMOVE, gone.path, _farewell(gone)) for gone in removed),
        *_assets(previous, new),
        *_notes(previous, new),
    )
    return Plan(previous=previous.number if previous else None, number=new.number, steps=steps, removed=removed)


def _plant(previous: Revision | None, new: Revision) -> Iterator[Step]:
    if previous is None:
        return
    for name, before, after in (
        ("plant", previous.plant, new.plant),
        ("time_zone", previous.time_zone, new.time_zone),
        ("stream", _shown(previous.stream), _shown(new.stream)),
        *_calendar(previous.calendar, new.calendar),
        *_retention(previous.retention, new.retention),
    ):
        if before != after:
            yield Step(StepKind.PLANT, name, f"{before} → {after}")
    yield from _pictures(previous.pictures, new.pictures)


def _pictures(before: Sequence[Picture], after: Sequence[Picture]) -> Iterator[Step]:
    old, now = ({picture.of: picture for picture in pictures} for pictures in (before, after))
    for of in sorted(old.keys() | now.keys()):
        if old.get(of) != now.get(of):
            what = "is drawn otherwise" if of in old and of in now else "is drawn" if of in now else "is gone"
            yield Step(StepKind.PLANT, f"picture of {of.removesuffix('@1')}", what)


def _calendar(before: Calendar, after: Calendar) -> Iterator[tuple[str, str, str]]:
    """(name, before, after) of each part of the calendar."""
    yield "calendar.week_begins", DAY_NAMES[before.week_begins], DAY_NAMES[after.week_begins]
    yield "calendar.shifts", _shifts(before), _shifts(after)
    yield "calendar.rotation", _shown(before.rotation), _shown(after.rotation)
    yield "calendar.no_shifts", _shown(before.no_shifts), _shown(after.no_shifts)


def _retention(before: Retention, after: Retention) -> Iterator[tuple[str, str, str]]:
    for name in sorted(before.classes.keys() | after.classes.keys()):
        yield f"history.classes.{name}", _span(before.classes.get(name)), _span(after.classes.get(name))
    yield "history.events", _days(before.events), _days(after.events)
    yield "history.quarantine", _days(before.quarantine), _days(after.quarantine)


def _span(span: Span | None) -> str:
    return f"{_days(span.raw)}, roll-ups {_days(span.rollups)}" if span is not None else "none"


def _days(days: int) -> str:
    return _count(days, "day") if days else "for ever"


def _shifts(calendar: Calendar) -> str:
    return ", ".join(map(_shift, calendar.shifts)) or "none"


def _shift(shift: Shift) -> str:
    days = "" if len(shift.days) == 7 else " " + " ".join(DAY_NAMES[day][:3] for day in shift.days)
    return f"{shift.name} {clock(shift.begins)}-{clock(shift.ends)}{days}"


def _systems(previous: Revision | None, new: Revision) -> Iterator[Step]:
    before = {system.name: system for system in previous.systems} if previous else {}
    old, now = _by_system(previous.tags if previous else ()), _by_system(new.tags)
    for system in new.systems:
        name, tags = system.name, now.get(system.name, [])
        if name not in before:
            yield Step(StepKind.OPEN, name, f"opens ({system.kind}, {_count(len(tags), 'tag')})")
            continue
        steps = list(_system(before[name], system))
        reopened = wiring(before[name], old.get(name, [])) != wiring(system, tags)
        if reopened and all(step.kind is not StepKind.REOPEN for step in steps):
            yield Step(StepKind.REOPEN, name, f"is reopened{_blink(len(tags))}")
        yield from steps
    for name in before.keys() - {system.name for system in new.systems}:
        yield Step(StepKind.CLOSE, name, "closes")


def _outputs(previous: Revision | None, new: Revision) -> Iterator[Step]:
    """An output that changes is closed and opened again; the others do not notice."""
    before = {output.name: output for output in previous.outputs} if previous else {}
    for output in new.outputs:
        old = before.get(output.name)
        if old is None:
            count = _count(len(tags_of(output, new.tags)), "tag")
            yield Step(StepKind.OUTPUT, output.name, f"opens ({output.kind}, {count}), from {output.begins} on")
        elif msgspec.structs.replace(old, place=output.place) != output:
            yield Step(StepKind.OUTPUT, output.name, f"closes and opens again: {', '.join(_changes(old, output))}")
    for name in sorted(before.keys() - {output.name for output in new.outputs}):
        yield Step(StepKind.OUTPUT, name, "closes; its position stays, should it come back")


def _changes(before: OutputSetting, after: OutputSetting) -> Iterator[str]:
    for key in ("kind", "tags", "begins", "zone", "owner"):
        old, now = getattr(before, key), getattr(after, key)
        if old != now:
            yield f"{key} {_shown(old)} → {_shown(now)}"
    yield from _config(before.config, after.config)


def _config(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield f"{key} {_shown(before.get(key))} → {_shown(after.get(key))}"


def _by_system(tags: Sequence[TagSetting]) -> dict[str, list[TagSetting]]:
    systems: dict[str, list[TagSetting]] = {}
    for setting in tags:
        systems.setdefault(setting.system, []).append(setting)
    return systems


def _blink(tags: int) -> str:
    return f": its {_count(tags, 'tag')} {'blinks' if tags == 1 else 'blink'} for a moment" if tags else ""


def _system(before: SystemSetting, after: SystemSetting) -> Iterator[Step]:
    config = list(_config(before.config, after.config))
    if before.kind != after.kind:
        config.insert(0, f"kind {before.kind} → {after.kind}")
    if before.node != after.node:
        config.append(f"node {before.node or 'main'} → {after.node or 'main'}")
    if before.kind == after.kind and bool(before.config.get(TIME)) == bool(after.config.get(TIME)):
        yield from _zone(before, after)
    if config:
        yield Step(StepKind.REOPEN, after.name, f"closes and opens again: {', '.join(config)}")
    for key in ("zone", "owner", "overflow"):
        old, now = getattr(before, key), getattr(after, key)
        if old != now:
            yield Step(StepKind.SYSTEM, after.name, f"{key} {old or 'none'} → {now or 'none'}")


def _zone(before: SystemSetting, after: SystemSetting) -> Iterator[Step]:
    """Local times that mean another moment from now on."""
    old, now = (system.config.get(ZONE) for system in (before, after))
    if (old or UNZONED) != (now or UNZONED):
        what = (
            f"times without an offset were in {old or UNZONED} there and are in {now or UNZONED} from what comes next "
            f"on; what is recorded stays as it is; to leave it so, say {ZONE}: {old or UNZONED} in the system"
        )
        yield Step(StepKind.NOTE, after.name, what)


def _tags(previous: Revision | None, new: Revision) -> Iterator[Step]:
    before: dict[int, TagSetting] = {}
    for setting in previous.tags if previous else ():
        before |= dict.fromkeys(_numbers(setting), setting)
    for setting in new.tags:
        old = next((before[number] for number in _numbers(setting) if number in before), None)
        yield from _tag(old, setting) if old is not None else _new(setting)


def _numbers(setting: TagSetting) -> tuple[int, ...]:
    return (setting.tag.number, *(former.number for former in (*setting.formers, *setting.apart)))


def _new(setting: TagSetting) -> Iterator[Step]:
    tag = setting.tag
    unit = f" in {tag.unit}" if tag.unit else ""
    back = ", " + _joins(setting) if setting.formers or setting.apart else ""
    what = f"number {tag.number}, {tag.type}{unit}, from {setting.system} {setting.address}{back}"
    yield Step(StepKind.NEW, tag.path, what, setting.system)


def _tag(old: TagSetting, new: TagSetting) -> Iterator[Step]:
    path = new.tag.path
    if old.tag.path != path:
        yield Step(StepKind.RENAME, path, f"was {old.tag.path}; keeps its history")
    if old.tag.number != new.tag.number:
        change = (
            f"{_meaning(old)} → {_meaning(new)}: number {new.tag.number} instead of {old.tag.number}, {_joins(new)}"
            f"{_taken(old, new)}"
        )
        yield Step(StepKind.NUMBER, path, change, new.system)
    for kind, fields in _COMPARED.items():
        changes = [
            f"{name} {show(getattr(old, name))} → {show(getattr(new, name))}"
            for name, show in fields.items()
            if getattr(old, name) != getattr(new, name)
        ]
        if kind is StepKind.LIMITS and old.tag.stepped != new.tag.stepped:
            changes.append(f"stepped {_shown(old.tag.stepped)} → {_shown(new.tag.stepped)}")
        if changes:
            yield Step(kind, path, ", ".join(changes), new.system if kind is StepKind.READ else "")


def _meaning(setting: TagSetting) -> str:
    return f"{setting.tag.type} in {setting.tag.unit}" if setting.tag.unit else str(setting.tag.type)


def _taken(old: TagSetting, new: TagSetting) -> str:
    """What a unit that was not declared is taken to be."""
    if bool(old.tag.unit) == bool(new.tag.unit) or all(old.tag.number != former.number for former in new.formers):
        return ""
    if new.tag.unit:
        return f"; what was recorded is taken to be in {new.tag.unit}"
    return f"; what was recorded in {old.tag.unit} is taken as it is"


def _joins(setting: TagSetting) -> str:
    """What becomes of a tag's earlier numbers."""
    joined = [f"joined to {former.number}{_by(former)}" for former in setting.formers]
    apart = [
        f"not joined to {f.number}: {f.type}{' in ' + f.unit if f.unit else ''} does not convert" for f in setting.apart
    ]
    return ", ".join((*joined, *apart)) or "with no history to join"


def _by(former: Former) -> str:
    if (former.scale, former.offset) == (1.0, 0.0):
        return ""
    return f" (times {former.scale:.6g}{f' plus {former.offset:.6g}' if former.offset else ''})"


def _shown(value: Any) -> str:
    if value is None or value == "" or value == {} or value == ():
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping) and set(value) == {"!secret"}:
        return f"!secret {value['!secret']}"
    if isinstance(value, msgspec.Struct):
        return _shown(msgspec.to_builtins(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(one)}" for key, one in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _interval(value: int) -> str:
    return time.to_text(value) if value else "as it comes"


_COMPARED: Final[dict[StepKind, dict[str, Callable[[Any], str]]]] = {
    StepKind.READ: {
        "system": str, "address": str, "scale": _shown, "offset": _shown, "every": _interval, "deadband": _shown,
        "queue": _shown,
    },
    StepKind.LIMITS: {"range": _shown, "normal": _shown, "labels": _shown, "write": _shown},
    StepKind.KEEP: {"keep": lambda name: name or DEFAULT},
    StepKind.WORDS: {"description": _shown},
}  # fmt: skip


def _removed(previous: Revision | None, new: Revision, named: Mapping[str, Named]) -> tuple[Removed, ...]:
    if previous is None:
        return ()
    kept = {number for setting in new.tags for number in _numbers(setting)}
    gone = [setting for setting in previous.tags if setting.tag.number not in kept]
    old = {number for setting in previous.tags for number in _numbers(setting)}
    fresh = [setting for setting in new.tags if not old.intersection(_numbers(setting))]
    by_address = {(setting.system, setting.address): setting.tag.path for setting in fresh}
    likes = [_like(one, by_address, fresh) for one in gone]
    return tuple(_gone(one, named.get(like), like, previous.plant) for one, like in zip(gone, likes, strict=True))


def _gone(setting: TagSetting, now: Named | None, like: str, plant: str) -> Removed:
    says = tuple(sayings(now, setting.tag.path, plant)) if now is not None else ()
    return Removed(setting.tag.path, setting.tag.number, like, says[0].was if says else "", says)


def _like(gone: TagSetting, by_address: Mapping[tuple[str, str], str], fresh: Sequence[TagSetting]) -> str:
    """A new tag that could be the removed one under another name: the same address, or nearly the same path."""
    same = by_address.get((gone.system, gone.address))
    if same is not None or len(fresh) > 1000:
        return same or ""
    close = difflib.get_close_matches(gone.tag.path, [setting.tag.path for setting in fresh], n=1, cutoff=0.8)
    return close[0] if close else ""


def _farewell(gone: Removed) -> str:
    like = f"; is it {gone.like} now?" if gone.like else ""
    return f"stops recording; what is recorded stays, under number {gone.number}{like}"


def _assets(previous: Revision | None, new: Revision) -> Iterator[Step]:
    if previous is None:
        return
    before, after = ({asset.path: asset for asset in revision.assets} for revision in (previous, new))
    gone, fresh = before.keys() - after.keys(), after.keys() - before.keys()
    moved = {now: old for now, old in _moved(previous, new) if now in fresh and old in gone}
    for asset in new.assets:
        old = before.get(moved.get(asset.path, asset.path))
        if old is not None:
            yield from _asset(old, asset)
        else:
            yield Step(StepKind.ASSET, asset.path, "new asset")
    for path in sorted(gone - set(moved.values())):
        yield Step(StepKind.ASSET, path, "is gone")


def _moved(previous: Revision, new: Revision) -> Iterator[tuple[str, str]]:
    """(path now, path before) of what is above renamed tags: the renamed asset is one of them."""
    paths = {number: setting.tag.path for setting in previous.tags for number in _numbers(setting)}
    for setting in new.tags:
        now = setting.tag.path
        old = next((paths[number] for number in _numbers(setting) if number in paths), now)
        while now != old and now.rpartition("/")[2] == old.rpartition("/")[2]:
            now, old = now.rpartition("/")[0], old.rpartition("/")[0]
            yield now, old


def _asset(before: AssetSetting, after: AssetSetting) -> Iterator[Step]:
    for key in ("type", "description", "owner", "symbol"):
        old, now = getattr(before, key), getattr(after, key)
        if old != now:
            yield Step(StepKind.ASSET, after.path, f"{key} {old or 'none'} → {now or 'none'}")


def _notes(previous: Revision | None, new: Revision) -> Iterator[Step]:
    """What becomes unread, or is it by more or fewer assets than before."""
    before = previous.unread if previous is not None else {}
    for name, count in sorted(new.unread.items()):
        if count != before.get(name):
            yield Step(StepKind.NOTE, name, unread(count))


def unread(count: int) -> str:
    """Of a type's tag, that so many assets do not have it."""
    return f"not read: {_count(count, 'asset')} of the type {'gives' if count == 1 else 'give'} no address for it"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
