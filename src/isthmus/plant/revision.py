# SPDX-License-Identifier: Apache-2.0
"""A revision is the resolved, numbered, immutable form of a plant file; it is what every process runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, Literal

import msgspec

from isthmus.core.tag import DataType, Tag
from isthmus.plant.calendar import PLAIN, Calendar
from isthmus.plant.picture import Picture
from isthmus.plant.retention import NONE, Retention


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where in the plant file something is said; lines count from 1."""

    file: str
    line: int


NOWHERE: Final = Place("", 0)


class Former(msgspec.Struct, frozen=True):
    """An earlier number of a tag, from before its unit or data type changed; joined to it at query time."""

    number: int
    unit: str
    type: DataType
    scale: float = 1.0
    """Former values become today's by `value * scale + offset`."""
    offset: float = 0.0


class Writing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Within which limits a tag may be written."""

    range: tuple[float, float] | None = None
    """In the tag's unit; None: the tag's own range."""
    step: float | None = None
    """The largest change in one write."""
    approve: str = ""
    """The role that has to agree to each write."""


class TagSetting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tag with all that collecting it needs."""

    tag: Tag
    system: str
    address: str
    """Canonical, in the writing of the system's kind."""
    scale: float = 1.0
    """The device's values become the tag's by `value * scale + offset`: its own scaling, then the unit."""
    offset: float = 0.0
    range: tuple[float, float] | None = None
    """In the tag's unit; outside it samples are marked, never changed."""
    normal: tuple[float, float] | None = None
    """In the tag's unit, inside the range: where it stands in normal operation. For people; nothing is marked by it."""
    every: int = 0
    """Wanted sampling interval, ns; 0: as fast as the system likes."""
    deadband: float = 0.0
    """Absolute, in the device's unit, applied at the source."""
    queue: int = 0
    keep: str = ""
    """Its class of history; empty: the default one."""
    labels: dict[int, str] = {}
    """Names of the values of an enumeration."""
    description: str = ""
    write: Writing | None = None
    """None: it is never written."""
    formers: tuple[Former, ...] = ()
    apart: tuple[Former, ...] = ()
    """Earlier numbers whose values do not become today's (bar, then Cel; text, then float): their history stays
    readable under those numbers and is not joined."""
    place: Place = Place("", 0)
    """Where it is said from where it is read."""
    meant: Place = NOWHERE
    """Where its type says what it means; nowhere for a tag of an asset without a type."""


class SystemSetting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One system we talk to."""

    name: str
    kind: str
    config: dict[str, Any]
    """The kind's Spec as plain data. A secret is `{"!secret": name}`; its value is never in a revision."""
    zone: str = ""
    owner: str = ""
    node: str = ""
    """The node whose collector opens it; empty: the main one."""
    overflow: Literal["discard-oldest", "wait"] = "discard-oldest"
    """What the collector does with this system's samples when the log is away and its hold is full."""
    place: Place = Place("", 0)


class OutputSetting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place that samples go on to."""

    name: str
    kind: str
    config: dict[str, Any]
    """The kind's Spec as plain data. A secret is `{"!secret": name}`; its value is never in a revision."""
    tags: tuple[str, ...] = ()
    """Patterns of paths; none: all tags."""
    begins: Literal["now", "first"] = "now"
    """Where it begins when it is new."""
    zone: str = ""
    owner: str = ""
    place: Place = Place("", 0)


class AssetSetting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of equipment."""

    path: str
    type: str
    """Type and version, `reactor@2`; empty for a place that only has tags of its own."""
    description: str = ""
    owner: str = ""
    symbol: str = ""
    """How the screen draws it; empty where neither it nor its type says."""
    place: Place = Place("", 0)


def wiring(system: SystemSetting, tags: Sequence[TagSetting]) -> bytes:
    """What the far end notices of a system and its tags: while it stays the same, the system stays open."""
    addresses = [(tag.address, tag.tag.number, tag.tag.type, tag.every, tag.deadband, tag.queue) for tag in tags]
    return msgspec.msgpack.encode((system.kind, system.config, system.overflow, addresses), order="deterministic")


def _unplaced(settings: Sequence[Any]) -> list[Any]:
    return [msgspec.structs.replace(setting, place=NOWHERE) for setting in settings]


class Revision(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What runs. Numbered from 1 without holes; two revisions of the same content have the same digest."""

    number: int
    created: int
    """ns since 1970-01-01 UTC."""
    author: str
    comment: str
    plant: str
    """`enterprise/site`: every path starts with it."""
    time_zone: str
    systems: tuple[SystemSetting, ...]
    assets: tuple[AssetSetting, ...]
    tags: tuple[TagSetting, ...]
    """In order of their numbers."""
    outputs: tuple[OutputSetting, ...] = ()
    calendar: Calendar = PLAIN
    """How the plant divides its time."""
    retention: Retention = NONE
    """How long history is kept."""
    pictures: tuple[Picture, ...] = ()
    """What the screen draws."""
    stream: dict[str, Any] = {}
    """Where the log is: empty for the embedded one, else `url`."""
    sources: dict[str, str] = {}
    """The plant file and its includes as they were: file name → text."""
    unread: dict[str, int] = {}
    """`type.tag` → how many assets of the type do not say where it is found: they do not have it."""

    @cached_property
    def digest(self) -> str:
        """32 hexadecimal digits of the SHA-256 of what the revision makes run.

        Who, when, comments, the lines things stand on and what is not read do not count.
        """
        tags = [msgspec.structs.replace(setting, place=NOWHERE, meant=NOWHERE) for setting in self.tags]
        settings = (_unplaced(self.systems), _unplaced(self.assets), tags)
        content: list[Any] = [self.plant, self.time_zone, *settings, self.stream]
        if self.calendar != PLAIN:  # what was said before there were such sections keeps its digest
            content.append(self.calendar)
        if self.retention != NONE:
            content.append(self.retention)
        if self.outputs:
            content.append(_unplaced(self.outputs))
        if self.pictures:
            content.append(self.pictures)
        return hashlib.sha256(_ordered(content)).hexdigest()[:32]

    @cached_property
    def by_path(self) -> dict[str, TagSetting]:
        """Tag path → setting."""
        return {setting.tag.path: setting for setting in self.tags}

    @cached_property
    def by_number(self) -> dict[int, TagSetting]:
        """Tag number → setting."""
        return {setting.tag.number: setting for setting in self.tags}

    def of_system(self, name: str) -> tuple[TagSetting, ...]:
        """The tags read from one system, in order of their numbers."""
        return tuple(setting for setting in self.tags if setting.system == name)

    def pack(self) -> bytes:
        """The revision as JSON, readable by people; `unpack` reverses it."""
        return msgspec.json.format(_ordered(self), indent=1)

    @classmethod
    def unpack(cls, data: bytes) -> Revision:
        """The revision of `data`; raises msgspec.DecodeError or ValidationError on anything else."""
        return msgspec.json.decode(data, type=cls)


def _ordered(content: object) -> bytes:
    """JSON that is the same for the same content. Keys become text first: the encoder orders no others."""
    return msgspec.json.encode(msgspec.to_builtins(content, str_keys=True), order="deterministic")
