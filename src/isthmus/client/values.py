# SPDX-License-Identifier: Apache-2.0
"""What a client gets one by one: tags, samples; and how it says times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from isthmus.core import quality, time
from isthmus.core.samples import Value
from isthmus.core.tag import DataType
from isthmus.plant.revision import TagSetting

Moment: TypeAlias = str | datetime
"""`-2h`, `now`, `2026-11-23T03:12`, or a datetime; without an offset it is meant in the plant's time zone."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of the plant."""

    path: str
    unit: str
    """UCUM code, empty for none."""
    type: DataType
    stepped: bool
    """A value holds until the next one; else it moves in a line between two."""
    description: str
    system: str
    range: tuple[float, float] | None
    labels: Mapping[int, str] = field(default_factory=dict)
    """Names of the values of an enumeration."""

    @classmethod
    def of(cls, setting: TagSetting) -> Tag:
        tag = setting.tag
        more = (setting.description, setting.system, setting.range, setting.labels)
        return cls(tag.path, tag.unit, tag.type, tag.stepped, *more)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a tag was at a time."""

    tag: str
    value: Value
    """None where there is none; the number of an enumeration's value."""
    unit: str
    label: str
    """The name of an enumeration's value, else empty."""
    time_ns: int
    """The device's time, ns since 1970-01-01 UTC."""
    seen_ns: int
    """When it reached us."""
    quality: str
    """`Good`, or another name of an OPC UA StatusCode."""
    code: int
    """The StatusCode."""
    marks: str
    """Our remarks: `out of range, historical`; empty for none."""

    @property
    def time(self) -> datetime:
        """The device's time, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.time_ns // 1000)

    @classmethod
    def of(cls, setting: TagSetting, value: Value, at: int, seen: int, code: int, mark: int) -> Sample:
        label = setting.labels.get(value, "") if isinstance(value, int) else ""
        named = (quality.name(code), code, quality.marks(mark))
        return cls(setting.tag.path, value, setting.tag.unit, label, at, seen, *named)


def text_of(moment: Moment) -> str:
    """A moment as the commands read it."""
    if isinstance(moment, str):
        return moment
    if moment.tzinfo is None:
        return moment.replace(microsecond=0).isoformat() + f".{moment.microsecond * 1000 + _rest(moment):09d}"
    micros = (moment - _EPOCH) // timedelta(microseconds=1)
    return time.to_iso(micros * 1000 + _rest(moment))


def _rest(moment: datetime) -> int:
    """Nanoseconds that a pandas Timestamp has beside what every datetime has."""
    return int(getattr(moment, "nanosecond", 0))
