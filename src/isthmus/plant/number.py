# SPDX-License-Identifier: Apache-2.0
"""Numbering gives every tag its permanent number: history stores it, so it follows a tag through renames for ever.

A tag keeps its number while its unit and data type stay; another unit or type opens a new number, joined to the former
ones where values convert. A number without a unit was only undeclared: its values are taken to be in the unit its tag
had before it, else in the next it gets. A number is never given to another tag. A path that comes back gets its old
number back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import msgspec

from isthmus.core import unit
from isthmus.core.errors import IsthmusError
from isthmus.core.tag import DataType
from isthmus.plant.revision import Former, Revision, TagSetting

if TYPE_CHECKING:  # what runs a revision has no need of what checks plant files
    from isthmus.plant.check import Checked


class Given(msgspec.Struct, frozen=True):
    """A number that was given once, and to what."""

    number: int
    path: str
    """The last path it had."""
    unit: str
    type: DataType
    tag: int
    """The first number its tag had: all numbers of one tag share it."""
    gone: int = 0
    """The revision from which on nothing has it; 0 while something does."""


@dataclass(frozen=True)
class Numbers:
    """Every number that was ever given."""

    given: Mapping[int, Given]

    @cached_property
    def next(self) -> int:
        return max(self.given, default=0) + 1

    @cached_property
    def by_path(self) -> dict[str, list[Given]]:
        """Path → the numbers that had it last."""
        paths: dict[str, list[Given]] = {}
        for number in sorted(self.given):
            paths.setdefault(self.given[number].path, []).append(self.given[number])
        return paths

    @cached_property
    def by_tag(self) -> dict[int, dict[int, Given]]:
        """First number of a tag → all its numbers."""
        tags: dict[int, dict[int, Given]] = {}
        for number, given in self.given.items():
            tags.setdefault(given.tag, {})[number] = given
        return tags

    def after(self, revision: Revision) -> Numbers:
        """What is given once `revision` runs."""
        there = {given.number: given for given in given_by(revision)}
        gone = {
            number: msgspec.structs.replace(given, gone=revision.number)
            for number, given in self.given.items()
            if number not in there and not given.gone
        }
        return Numbers({**self.given, **gone, **there})


NONE_GIVEN: Final = Numbers({})


def given_by(revision: Revision) -> Iterator[Given]:
    """Every number a revision gives or remembers."""
    for setting in revision.tags:
        yield from _chain(setting).values()


def resolve(
    checked: Checked,
    previous: Revision | None,
    numbers: Numbers,
    *,
    number: int,
    created: int,
    author: str = "",
    comment: str = "",
) -> Revision:
    """The revision that a checked plant file makes after `previous`, with `numbers` given so far."""
    return Revision(
        number=number,
        created=created,
        author=author,
        comment=comment,
        plant=checked.plant,
        time_zone=checked.time_zone,
        calendar=checked.calendar,
        retention=checked.retention,
        pictures=checked.pictures,
        systems=tuple(sorted(checked.systems, key=lambda system: system.name)),
        outputs=tuple(sorted(checked.outputs, key=lambda output: output.name)),
        assets=tuple(sorted(checked.assets, key=lambda asset: asset.path)),
        tags=_numbered(checked.tags, checked.renames, previous, numbers),
        stream=checked.stream,
        sources=checked.sources,
        unread=dict(checked.unread),
    )


def restore(
    old: Revision,
    numbers: Numbers,
    *,
    number: int,
    created: int,
    author: str = "",
    comment: str = "",
) -> Revision:
    """The content of `old` as a new revision; its tags have the numbers they had."""
    tags = []
    for setting in old.tags:
        first = numbers.given[setting.tag.number].tag
        tags.append(_joined(setting, setting.tag.number, numbers.by_tag[first].values()))
    return msgspec.structs.replace(
        old, number=number, created=created, author=author, comment=comment, tags=tuple(tags)
    )


def _numbered(
    tags: Iterable[TagSetting], renames: Mapping[str, str], previous: Revision | None, numbers: Numbers
) -> tuple[TagSetting, ...]:
    before = previous.by_path if previous is not None else {}
    used = {number for setting in before.values() for number in _chain(setting)}
    free, taken, settings = max(numbers.next, max(used, default=0) + 1), set[int](), []
    for setting in tags:
        known = _history(setting.tag.path, renames, before, used, numbers)
        known = {number: given for number, given in known.items() if number not in taken}
        number = _same(setting, known.values())
        if number is None:
            number, free = free, free + 1
        taken.update(known)
        taken.add(number)
        settings.append(_joined(setting, number, known.values()))
    return tuple(sorted(settings, key=lambda setting: setting.tag.number))


def _history(
    path: str, renames: Mapping[str, str], before: Mapping[str, TagSetting], used: set[int], numbers: Numbers
) -> dict[int, Given]:
    """The numbers a tag had so far: under its path, under its declared former path, or when it was last seen."""
    former = renames.get(path, "")
    for name in (path, former):
        if name in before:
            return _chain(before[name])
    for name in (former, path):
        gone = [given for given in numbers.by_path.get(name, ()) if given.number not in used]
        if gone:
            return numbers.by_tag[max(gone, key=_farewell).tag]
    return {}


def _farewell(given: Given) -> float:
    """When a number was last seen; one that a revision which never ran gave counts as the newest."""
    return given.gone or math.inf


def _chain(setting: TagSetting) -> dict[int, Given]:
    """Number → what it was given to, for a tag's number and all its earlier ones."""
    tag, formers = setting.tag, (*setting.formers, *setting.apart)
    first = min(tag.number, *(former.number for former in formers)) if formers else tag.number
    known = {former.number: Given(former.number, tag.path, former.unit, former.type, first) for former in formers}
    known[tag.number] = Given(tag.number, tag.path, tag.unit, tag.type, first)
    return known


def _same(setting: TagSetting, known: Iterable[Given]) -> int | None:
    """The newest of a tag's numbers that has its unit and data type."""
    wanted = (setting.tag.unit, setting.tag.type)
    return max((given.number for given in known if (given.unit, given.type) == wanted), default=None)


def _joined(setting: TagSetting, number: int, known: Iterable[Given]) -> TagSetting:
    """The setting under `number`, its other numbers joined where their values become today's."""
    formers: list[Former] = []
    apart: list[Former] = []
    now = Given(number, setting.tag.path, setting.tag.unit, setting.tag.type, 0)
    numbers = {**{given.number: given for given in known}, number: now}
    for given in (numbers[one] for one in sorted(numbers) if one != number):
        former = _former(given, now, numbers)
        (formers if former is not None else apart).append(former or Former(given.number, given.unit, given.type))
    tag = msgspec.structs.replace(setting.tag, number=number)
    return msgspec.structs.replace(setting, tag=tag, formers=tuple(formers), apart=tuple(apart))


def _former(given: Given, now: Given, numbers: Mapping[int, Given]) -> Former | None:
    """How values under an earlier number become today's; None when they do not."""
    if DataType.TEXT in (given.type, now.type):
        return None
    try:
        conversion = unit.conversion(_taken_in(given, numbers), _taken_in(now, numbers))
    except (IsthmusError, ArithmeticError):
        return None
    return Former(given.number, given.unit, given.type, conversion.scale, conversion.offset)


def _taken_in(given: Given, numbers: Mapping[int, Given]) -> str:
    """The unit a number's values are taken to be in: its own, else its tag's before it, else the next its tag got."""
    if given.unit or given.type not in _MEASURES:
        return given.unit
    with_unit = [one for one in sorted(numbers) if numbers[one].unit]
    before = [one for one in with_unit if one < given.number]
    nearest = before[-1:] or with_unit[:1]
    return numbers[nearest[0]].unit if nearest else ""


_MEASURES: Final = frozenset({DataType.FLOAT, DataType.INTEGER, DataType.UNSIGNED})
"""Types that can have a unit."""
