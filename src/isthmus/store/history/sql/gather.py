# SPDX-License-Identifier: Apache-2.0
"""Gathering is what the asking process does: one snapshot of the history and its names, ready to be given away.

Only the tags of the revision are given: what is not named here (or may not be seen) cannot be reached in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa

from isthmus.core.event import Event, EventKind
from isthmus.core.tag import DataType
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.columns import to_table
from isthmus.store.history.gaps import LOG
from isthmus.store.history.read import History
from isthmus.store.history.sql.given import AssetView, Column, Given
from isthmus.store.history.sql.views import NAMES_OF_VIEWS, RESERVED, VIEWS, View, of_assets
from isthmus.store.history.watch import watch

_TIME: Final = pa.timestamp("ns")
_NAMES: Final = pa.map_(pa.int64(), pa.string())
_TAGS: Final = pa.schema(
    [
        ("tag", pa.string()),
        ("number", pa.uint32()),
        ("unit", pa.string()),
        ("type", pa.string()),
        ("stepped", pa.bool_()),
        ("system", pa.string()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("asset", pa.string()),
        ("name", pa.string()),
        ("asset_type", pa.string()),
        ("description", pa.string()),
        ("names", _NAMES),
    ]
)
_NUMBERS: Final = pa.schema(
    [
        ("number", pa.uint32()),
        ("tag", pa.string()),
        ("place", pa.uint32()),
        ("watch", pa.uint32()),
        ("scale", pa.float64()),
        ("shift", pa.float64()),
        ("same", pa.bool_()),
        ("wide", pa.bool_()),
        ("holds", pa.bool_()),
        ("names", _NAMES),
    ]
)
_EVENTS: Final = pa.schema(
    [
        ("time", _TIME),
        ("kind", pa.string()),
        ("severity", pa.string()),
        ("source", pa.string()),
        ("message", pa.string()),
        ("details", pa.string()),
        ("id", pa.string()),
    ]
)
_GAPS: Final = pa.schema(
    [
        ("source", pa.string()),
        ("first", _TIME),
        ("last", _TIME),
        ("count", pa.int64()),
        ("message", pa.string()),
        ("time", _TIME),
    ]
)
_UNSEEN: Final = pa.schema([("watch", pa.uint32()), ("first", pa.int64())])
"""When each system ceased to be watched, as far as that is told; `watch` is its place among the names of systems."""
_LOST: Final = pa.schema([("watch", pa.uint32()), ("first", pa.int64()), ("low", pa.int64()), ("high", pa.int64())])
"""When gaps of each system begin, and the least and greatest number of the tags they may concern."""
_HOLDS: Final = (DataType.BOOLEAN, DataType.ENUMERATION, DataType.TEXT)


def gather(history: History, revision: Revision, now: int) -> tuple[Given, dict[str, pa.Table]]:
    """What questions about this snapshot are answered from; `now` is in ns."""
    settings = sorted(revision.tags, key=lambda setting: setting.tag.path)
    given = Given(
        folder=str(history.folder.root.absolute()),
        segments=history.segments,
        kept=history.kept,
        assets=tuple(asset_views(revision, settings)),
        now=now,
        zone=revision.time_zone,
    )
    numbers = [number for setting in settings for number in _numbers(setting)]
    events = history.events()
    return given, {
        "tags": pa.Table.from_pylist(list(_tags(revision, settings)), schema=_TAGS),
        "numbers": pa.Table.from_pylist(list(_numbered(settings)), schema=_NUMBERS),
        "latest": _numbered_table(history.last(numbers)),
        "tail": to_table(history.tail),
        "events": pa.Table.from_pylist([_event(event) for event in events], schema=_EVENTS),
        "gaps": pa.Table.from_pylist([_gap(event) for event in events if event.kind is EventKind.GAP], schema=_GAPS),
        "unseen": pa.Table.from_pylist(list(_unseen(history, revision)), schema=_UNSEEN),
        "lost": pa.Table.from_pylist(list(_lost(history, revision)), schema=_LOST),
    }


def views(revision: Revision) -> list[View]:
    """What can be asked of this plant."""
    settings = sorted(revision.tags, key=lambda setting: setting.tag.path)
    return [*VIEWS, *(of_assets(view) for view in asset_views(revision, settings))]


def _numbers(setting: TagSetting) -> tuple[int, ...]:
    return (setting.tag.number, *(former.number for former in setting.formers))


def _numbered_table(table: pa.Table) -> pa.Table:
    return table.rename_columns(["number", *table.column_names[1:]])


def _tags(revision: Revision, settings: Sequence[TagSetting]) -> Iterator[dict[str, Any]]:
    types = {asset.path: asset.type for asset in revision.assets}
    for setting in settings:
        tag, asset = setting.tag, _asset(setting.tag.path, types)
        low, high = setting.range or (None, None)
        yield {
            "tag": tag.path,
            "number": tag.number,
            "unit": tag.unit,
            "type": str(tag.type),
            "stepped": tag.stepped or tag.type in _HOLDS,
            "system": setting.system,
            "low": low,
            "high": high,
            "asset": asset,
            "name": tag.path[len(asset) + 1 :] if asset else tag.path,
            "asset_type": types.get(asset, ""),
            "description": setting.description,
            "names": list(setting.labels.items()),
        }


def _asset(path: str, types: Mapping[str, str]) -> str:
    """The asset a tag belongs to: the longest path above it that is one; empty for none."""
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in types:
            return path
    return ""


def _numbered(settings: Sequence[TagSetting]) -> Iterator[dict[str, Any]]:
    """Every number that is read: today's and the earlier ones, with how their values become today's."""
    systems = {system: place for place, system in enumerate(_systems(settings))}
    for place, setting in enumerate(settings):
        tag = setting.tag
        common = {
            "tag": tag.path,
            "place": place,
            "watch": systems[setting.system],
            "wide": tag.type is DataType.UNSIGNED,
            "holds": tag.stepped or tag.type in _HOLDS,
            "names": list(setting.labels.items()),
        }
        yield {**common, "number": tag.number, "scale": 1.0, "shift": 0.0, "same": True}
        for former in setting.formers:
            same = former.scale == 1.0 and former.offset == 0.0 and former.type == tag.type
            yield {**common, "number": former.number, "scale": former.scale, "shift": former.offset, "same": same}


def _event(event: Event) -> dict[str, Any]:
    return {
        "time": event.at,
        "kind": str(event.kind),
        "severity": str(event.severity),
        "source": event.source,
        "message": event.message,
        "details": msgspec.json.encode(event.details).decode(),
        "id": event.id,
    }


def _gap(event: Event) -> dict[str, Any]:
    details = event.details
    return {
        "source": event.source,
        "first": details.get("first"),
        "last": details.get("last"),
        "count": details.get("count"),
        "message": event.message,
        "time": event.at,
    }


def _unseen(history: History, revision: Revision) -> Iterator[dict[str, int]]:
    for place, system in enumerate(_systems(revision.tags)):
        found = watch(history, system, revision.of_system(system))
        yield from ({"watch": place, "first": _begin(gap)} for gap in found.told)
        if found.until is not None:
            yield {"watch": place, "first": found.until}


def _lost(history: History, revision: Revision) -> Iterator[dict[str, int]]:
    gaps = history.gaps()
    for place, system in enumerate(_systems(revision.tags)):
        for gap in gaps:
            if gap.source in (system, LOG):
                low, high = gap.details.get("first_tag"), gap.details.get("last_tag")
                some = (low, high) if isinstance(low, int) and isinstance(high, int) else (0, 2**32 - 1)
                yield {"watch": place, "first": _begin(gap), "low": some[0], "high": some[1]}


def _begin(gap: Event) -> int:
    """When the gap begins; where nobody knows, when it ends."""
    first, last = gap.details.get("first"), gap.details.get("last")
    return first if isinstance(first, int) else last + 1 if isinstance(last, int) else gap.at


def _systems(settings: Iterable[TagSetting]) -> list[str]:
    return sorted({setting.system for setting in settings})


def asset_views(revision: Revision, settings: Sequence[TagSetting]) -> Iterator[AssetView]:
    """One view per asset type, whatever its versions, in order of their names."""
    types = {asset.path: asset.type.partition("@")[0] for asset in revision.assets}
    members: dict[str, dict[str, list[tuple[int, TagSetting]]]] = {}
    for place, setting in enumerate(settings):
        asset = _asset(setting.tag.path, types)
        if types.get(asset):
            members.setdefault(types[asset], {}).setdefault(asset, []).append((place, setting))
    taken = {*NAMES_OF_VIEWS, *RESERVED}
    for name in sorted(members):
        yield _asset_view(_free(name, taken), members[name])


def _asset_view(name: str, members: Mapping[str, Sequence[tuple[int, TagSetting]]]) -> AssetView:
    assets = sorted(members)
    found: dict[str, list[tuple[int, int, DataType]]] = {}
    for i, asset in enumerate(assets):
        for place, setting in members[asset]:
            found.setdefault(setting.tag.path[len(asset) + 1 :], []).append((i, place, setting.tag.type))
    taken = {"asset", "time", *RESERVED}
    columns = (
        Column(_free(tag, taken), _common({type_ for _, _, type_ in tags}), tuple((i, place) for i, place, _ in tags))
        for tag, tags in sorted(found.items())
    )
    return AssetView(name, tuple(assets), tuple(columns))


def _common(types: set[DataType]) -> str:
    if len(types) == 1:
        return str(types.pop())
    return str(DataType.TEXT if DataType.TEXT in types else DataType.FLOAT)


def _free(name: str, taken: set[str]) -> str:
    """The name as SQL takes it without quotes, and unlike those taken already."""
    plain = re.sub(r"\W", "_", name).lower()
    plain = f"_{plain}" if plain[:1].isdigit() else plain
    while plain in taken:
        plain += "_"
    taken.add(plain)
    return plain
