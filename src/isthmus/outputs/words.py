# SPDX-License-Identifier: Apache-2.0
"""Samples as JSON for those who read no columns: value, at, quality, unit; and assets as their descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from isthmus.core.quality import marks, name
from isthmus.core.samples import Value, plain
from isthmus.core.single import shortened
from isthmus.core.tag import DataType
from isthmus.core.time import SECOND, to_iso
from isthmus.plant.revision import AssetSetting, Revision, TagSetting
from isthmus.store.history.columns import Columns

LONGEST_EXACT: Final = 2**53
"""Integers of this size and more are texts: a reader's JSON numbers are not exact there."""

_json: Final = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Words:
    """Makes messages for a set of tags; holds what of them is always the same."""

    tags: Mapping[int, TagSetting]
    floats: NDArray[np.bool_]
    """By tag number, whether it is a float that is kept as its device sends it: the common and quick case."""
    _ends: dict[tuple[int, int, int], str]
    """(tag, quality, mark) → how its messages end."""

    @classmethod
    def of(cls, tags: Mapping[int, TagSetting]) -> Words:
        floats = np.zeros(max(tags, default=0) + 1, np.bool_)
        for number, one in tags.items():
            floats[number] = one.tag.type is DataType.FLOAT and (one.scale, one.offset) == (1, 0)
        return cls(tags, floats, {})

    def messages(self, columns: Columns) -> list[bytes]:
        """One message per sample, in order."""
        tags, times = columns.tag.tolist(), Times()
        rest = zip(tags, columns.quality.tolist(), columns.mark.tolist(), strict=True)
        parts = zip(self._values(columns, named=True), columns.time.tolist(), rest, strict=True)
        ends = self._ends
        return [
            f'{{"value":{value},"at":"{times.iso(at)}{ends.get(key) or self._end(key)}'.encode()
            for value, at, key in parts
        ]

    def _end(self, key: tuple[int, int, int]) -> str:
        """What follows the time; the unit and marks only where there are some."""
        tag, quality, mark = key
        said = {"quality": name(quality)}
        if self.tags[tag].tag.unit:
            said["unit"] = self.tags[tag].tag.unit
        if mark:
            said["marks"] = marks(mark)
        end = self._ends[key] = '",' + _json(said).decode()[1:]
        return end

    def listed(self, columns: Columns) -> bytes:
        """All values as one JSON list, in order."""
        if self._alike(columns) and np.isfinite(columns.value).all():
            return _json(shortened(columns.value).tolist())
        return f"[{','.join(self._values(columns, named=False))}]".encode()

    def _alike(self, columns: Columns) -> bool:
        return bool(self.floats[columns.tag].all()) and not np.count_nonzero(columns.text)

    def _values(self, columns: Columns, *, named: bool) -> list[str]:
        """Each value as JSON; behind that of an enumeration its name where that is wanted."""
        if self._alike(columns):
            return list(map(_number, shortened(columns.value).tolist()))
        settings = [self.tags[tag] for tag in columns.tag.tolist()]
        texts = [columns.words[code - 1] if code else None for code in columns.text.tolist()]
        shorts = _short(columns.value, settings)
        rows = zip(settings, columns.value.tolist(), shorts, columns.integer.tolist(), texts, strict=True)
        return [_value(*row, named=named) for row in rows]


def _short(value: NDArray[np.float64], settings: Sequence[TagSetting]) -> list[float]:
    """Floats with no more digits than their device sent."""
    ways = [(setting.scale, setting.offset) for setting in settings]
    if len(different := set(ways)) == 1:
        shown: list[float] = shortened(value, *ways[0]).tolist()
        return shown
    short = value.copy()
    for way in different:
        rows = np.array([i for i, one in enumerate(ways) if one == way], np.intp)
        short[rows] = shortened(value[rows], *way)
    found: list[float] = short.tolist()
    return found


def _number(value: float) -> str:
    """A float as JSON; what JSON has no number for is null or a text."""
    if isfinite(value):
        return repr(value)
    return "null" if value != value else f'"{"" if value > 0 else "-"}Infinity"'


def _value(setting: TagSetting, value: float, short: float, integer: int, text: str | None, *, named: bool) -> str:
    type_ = setting.tag.type
    if type_ is DataType.FLOAT and text is None:
        return _number(short)
    found: Value = plain(type_, value, integer, text)
    found = found if found is not None else text  # the writing of a value of a wrong type
    if isinstance(found, float):
        return _number(found)
    if isinstance(found, int) and not isinstance(found, bool):
        shown = f'"{found}"' if abs(found) >= LONGEST_EXACT else str(found)
        label = setting.labels.get(found) if named else None
        return shown if label is None else f'{shown},"name":{_json(label).decode()}'
    return _json(found).decode()


class Times:
    """Times as ISO 8601, like `core.time.to_iso`; each is made once, and the text of a second too."""

    def __init__(self) -> None:
        self._made: dict[int, str] = {}
        self._seconds: dict[int, str] = {}

    def iso(self, at: int) -> str:
        """Many samples have the same time: those of a scan."""
        return self._made.get(at) or self._make(at)

    def _make(self, at: int) -> str:
        made = self._made[at] = self._text(at)
        return made

    def _text(self, at: int) -> str:
        second, fraction = divmod(at, SECOND)
        begin = self._seconds.get(second)
        if begin is None:
            begin = self._seconds[second] = to_iso(second * SECOND)[:-1]
        if not fraction:
            return f"{begin}Z"
        if not fraction % 1_000_000:
            return f"{begin}.{fraction // 1_000_000:03d}Z"
        return f"{begin}.{fraction // 1000:06d}Z" if not fraction % 1000 else f"{begin}.{fraction:09d}Z"


def description(asset: AssetSetting, tags: Iterable[TagSetting]) -> bytes:
    """What an asset is and what its tags mean, as JSON."""
    said: dict[str, Any] = {"path": asset.path}
    said |= {key: getattr(asset, key) for key in ("type", "description", "owner") if getattr(asset, key)}
    said["tags"] = {one.tag.path.rpartition("/")[2]: _meaning(one) for one in tags}
    return _json(said)


def _meaning(setting: TagSetting) -> dict[str, Any]:
    tag = setting.tag
    said: dict[str, Any] = {"type": str(tag.type)}
    said |= {"unit": tag.unit} if tag.unit else {}
    said |= {"range": setting.range} if setting.range else {}
    said |= {"names": {str(number): label for number, label in setting.labels.items()}} if setting.labels else {}
    said |= {"description": setting.description} if setting.description else {}
    said["stepped"] = tag.stepped
    return said


def described(revision: Revision, tags: Mapping[int, TagSetting]) -> dict[str, bytes]:
    """Path of each asset that has some of the tags, itself or further down → its description."""
    own: dict[str, list[TagSetting]] = {}
    above: set[str] = set()
    for setting in tags.values():
        place = setting.tag.path.rpartition("/")[0]
        own.setdefault(place, []).append(setting)
        while place and place not in above:
            above.add(place)
            place = place.rpartition("/")[0]
    return {asset.path: description(asset, own.get(asset.path, ())) for asset in revision.assets if asset.path in above}
