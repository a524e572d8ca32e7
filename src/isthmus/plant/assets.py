# SPDX-License-Identifier: Apache-2.0
"""The assets of a plant file, each with its parts and the tags that are read from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from isthmus.core.path import LONGEST
from isthmus.plant.classes import check_class
from isthmus.plant.doors import Door
from isthmus.plant.findings import Findings, nearest, one_of
from isthmus.plant.former import Named
from isthmus.plant.grammar import ASSET, ASSET_PART, ASSET_TAG, OWN_TAG, TYPE_TAG, Entries, Shape
from isthmus.plant.load import Loaded
from isthmus.plant.models import Model, Models, TagModel, meaning, shown_type, unknown_type
from isthmus.plant.nodes import Map, Node, Scalar
from isthmus.plant.placing import Placed
from isthmus.plant.reading import as_map, below, entries, read
from isthmus.plant.retention import Retention
from isthmus.plant.revision import NOWHERE, AssetSetting, Place, TagSetting
from isthmus.plant.wiring import Wire, wired

MOST_TAGS: Final = 500_000

Progress = Callable[[str, int, int], None]
"""Told (what is being done, how far, of how many)."""


@dataclass(slots=True)
class Floor:
    """Everything the assets of a plant come to."""

    assets: list[AssetSetting] = field(default_factory=list)
    tags: list[TagSetting] = field(default_factory=list)
    """With the number 0: numbers are the ledger's to give."""
    renames: dict[str, tuple[str, Scalar | Map]] = field(default_factory=dict)
    """Tag path → the path it says it had before, and where it says so."""
    unread: Counter[str] = field(default_factory=Counter)
    """`type.tag` → how many assets of the type do not say where it is found."""
    named: dict[str, Named] = field(default_factory=dict)
    """Tag path → where the file says each name in it."""
    taken: dict[str, Scalar] = field(default_factory=dict)
    """Asset path → where it stands."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in the plant one is: an asset or a part of one."""

    path: str
    """The whole path."""
    former: str
    """The whole path it had before; the same where it had no other."""
    said: str
    """Where in the file: `assets.mixing/reactor-1.parts.jacket`."""
    door: Door | None
    """The system its tags are read from unless they say otherwise."""
    doubtful: bool
    """Its system is named and does not exist: reported once, not again for each tag."""
    keys: tuple[Scalar, ...]
    """Where the file names the asset and each part down to here."""
    template: Scalar | None
    """The key of the template that the asset is an instance of."""
    keep: str = ""
    """The class of history of its tags unless they choose one; empty: the default one."""


class Survey:
    """One walk over the assets of a plant."""

    def __init__(
        self,
        plant: str,
        loaded: Loaded,
        models: Models,
        doors: Mapping[str, Door],
        retention: Retention,
        findings: Findings,
    ) -> None:
        self.floor = Floor()
        self._retention = retention
        self._plant, self._loaded, self._models, self._doors, self._findings = plant, loaded, models, doors, findings
        self._addresses: dict[tuple[str, str], str] = {}
        self._weight = 0

    def walk(self, placed: Mapping[str, Placed], progress: Progress) -> Floor:
        """Every asset in order; stops with one problem where the plant becomes too large to hold."""
        for count, (name, asset) in enumerate(placed.items()):
            if count % 500 == 0:
                progress("checking assets", count, len(placed))
            self._findings.repeating = asset.repeating
            if not self._asset(name, asset):
                break
        self._findings.repeating = False
        self._former_assets(placed)
        self._former_tags()
        self._two_meanings()
        return self.floor

    def _asset(self, name: str, asset: Placed) -> bool:
        said = f"assets.{name}"
        values = read(asset.node, ASSET, said, self._findings)
        door, doubtful = self._door(asset.node, values, said, None, False)
        path = f"{self._plant}/{name}"
        former = f"{self._plant}/{values['was']}" if "was" in values else path
        keep = self._keep(asset.node, values, said)
        spot = Spot(path, former, said, door, doubtful, (asset.key,), asset.template, keep)
        model = self._model(asset.node, values, said)
        self._weight += model.size if model is not None else 1 + len(values.get("tags", _NOTHING).entries)
        if self._weight > MOST_TAGS:
            self._findings.problem(
                asset.key, said, f"the plant has more than {MOST_TAGS:,} tags and parts from here on"
            )
            return False
        setting = AssetSetting(
            path=path,
            type=model.name if model is not None else "",
            description=values.get("description", ""),
            owner=values.get("owner", ""),
            symbol=values.get("symbol", model.symbol if model is not None else ""),
            place=self._place(asset.key),
        )
        self._enter(setting, asset.key, said)
        if model is not None:
            self._equip(model, values, asset.key, spot)
        elif "type" not in asset.node.entries:
            self._own_tags(values, asset.node, spot)
        return True

    def _enter(self, setting: AssetSetting, key: Scalar, said: str) -> None:
        if len(setting.path) > LONGEST:
            self._findings.problem(key, said, f"a path of {len(setting.path)} characters", f"at most {LONGEST}")
        first = self.floor.taken.setdefault(setting.path, key)
        if first is not key:
            hint = f"the first is at {first.file}:{first.line}"
            self._findings.problem(key, said, f"{setting.path!r} is there twice", hint)
        self.floor.assets.append(setting)

    def _model(self, node: Map, values: dict[str, Any], said: str) -> Model | None:
        name = values.get("type")
        model = self._models.get(name) if name else None
        if name and model is None:
            unknown_type(name, self._models, node.entries["type"][1], said, self._findings)
        return model

    def _door(
        self, node: Map, values: dict[str, Any], said: str, default: Door | None, doubtful: bool
    ) -> tuple[Door | None, bool]:
        """(the system named here, or the one around it; whether a wrong one was named)."""
        if "system" not in node.entries:
            return default, doubtful
        name = values.get("system")
        door = self._doors.get(name) if name else None
        if name and door is None:
            hint = one_of(name, self._doors)
            self._findings.problem(
                node.entries["system"][1], below(said, "system"), f"there is no system {name!r}", hint
            )
        return door, door is None

    def _keep(self, node: Map, values: dict[str, Any], said: str) -> str:
        """The class of history chosen here; empty where none is."""
        keep: str = values.get("keep", "")
        if keep:
            check_class(keep, node, said, self._retention, self._findings)
        return keep

    def _equip(self, model: Model, values: dict[str, Any], key: Scalar, spot: Spot) -> None:
        """The tags and parts that the type gives, as far as the asset says where they are found."""
        given = self._held(values, ASSET, "tags", spot.said)
        for name, (where, node) in given.items():
            if name not in model.tags:
                self._unknown(where, below(spot.said, "tags"), "tag", name, model, model.tags)
            else:
                self._typed_tag(model, name, where, node, spot)
        for name in model.tags.keys() - given.keys():
            self.floor.unread[f"{shown_type(model.name)}.{name}"] += 1
        self._parts(model, values, key, spot)

    def _parts(self, model: Model, values: dict[str, Any], key: Scalar, spot: Spot) -> None:
        given = self._held(values, ASSET, "parts", spot.said)
        for name, (where, _) in given.items():
            if name not in model.parts:
                self._unknown(where, below(spot.said, "parts"), "part", name, model, model.parts)
        for part in model.parts.values():
            where, node = given.get(part.name, (key, _NOTHING))
            said = f"{spot.said}.parts.{part.name}"
            inner = read(node, ASSET_PART, said, self._findings)
            found = node if isinstance(node, Map) else _NOTHING
            door, doubtful = self._door(found, inner, said, spot.door, spot.doubtful)
            former = f"{spot.former}/{part.was or part.name}"
            keep = self._keep(found, inner, said) or spot.keep
            keys = (*spot.keys, model.spots[part.name])
            inside = Spot(f"{spot.path}/{part.name}", former, said, door, doubtful, keys, spot.template, keep)
            setting = AssetSetting(
                path=inside.path,
                type=part.type,
                description=part.description,
                symbol=self._models[part.type].symbol,
                place=self._place(where),
            )
            self._enter(setting, where, said)
            self._equip(self._models[part.type], inner, where, inside)

    def _unknown(self, where: Scalar, said: str, what: str, name: str, model: Model, known: Mapping[str, Any]) -> None:
        problem = f"{shown_type(model.name)} has no {what} {name!r}"
        hint = one_of(name, known) or nearest(name, ())
        self._findings.problem(where, below(said, name), problem, hint)

    def _typed_tag(self, model: Model, name: str, where: Scalar, node: Node, spot: Spot) -> None:
        said = f"{spot.said}.tags.{name}"
        found = as_map(node, ASSET_TAG, said, self._findings)
        if found is not None:
            type_says = f"its type says that: types.{shown_type(model.name)}.tags.{name}"
            values = read(found, ASSET_TAG, said, self._findings, elsewhere=(TYPE_TAG, type_says))
            tag = model.tags[name]
            meant = self._place(model.spots[name])
            if self._tag(tag, values.get("unit", tag.unit), values, found, where, spot, said, meant):
                self._name(name, where, found, spot, model)

    def _own_tags(self, values: dict[str, Any], node: Map, spot: Spot) -> None:
        if "parts" in values:
            hint = "write each part as an asset: reactor-1/jacket"
            self._findings.problem(
                node.key("parts"), below(spot.said, "parts"), "only an asset with a type has parts", hint
            )
        for name, (where, tag) in self._held(values, ASSET, "tags", spot.said).items():
            said = f"{spot.said}.tags.{name}"
            found = as_map(tag, OWN_TAG, said, self._findings)
            if found is not None:
                own = read(found, OWN_TAG, said, self._findings)
                model = meaning(name, own, found, said, self._findings)
                if self._tag(model, model.unit, own, found, where, spot, said):
                    self._name(name, where, found, spot, None)

    def _name(self, name: str, where: Scalar, node: Map, spot: Spot, model: Model | None) -> None:
        """Keeps where the names in the path of a tag come from."""
        alone = node.entries["address"]
        path = f"{spot.path}/{name}"
        self.floor.named[path] = Named(path, (*spot.keys, where), model, alone[0] is alone[1], spot.template)

    def _tag(
        self,
        model: TagModel,
        device: str,
        values: dict[str, Any],
        node: Map,
        where: Scalar,
        spot: Spot,
        said: str,
        meant: Place = NOWHERE,
    ) -> bool:
        """One tag that is read: its system, its address, its limits; whether all of that can be said."""
        door, doubtful = self._door(node, values, said, spot.door, spot.doubtful)
        if door is None and not doubtful:
            self._findings.problem(where, said, "has no system", "say system: NAME, here or for the whole asset")
        if door is None:
            return False
        keep = self._keep(node, values, said) or model.keep or spot.keep
        wire = Wire(f"{spot.path}/{model.name}", said, door, device, keep, self._place(where), meant)
        setting = wired(wire, model, values, node, self._findings)
        if setting is None:
            return False
        self.floor.tags.append(setting)
        former = f"{spot.former}/{values.get('was') or model.was or model.name}"
        if former != wire.path:
            self.floor.renames[wire.path] = (former, where)
        self._same_address(setting, node, said)
        return True

    def _same_address(self, setting: TagSetting, node: Map, said: str) -> None:
        first = self._addresses.setdefault((setting.system, setting.address), setting.tag.path)
        if first != setting.tag.path:
            hint = "is a {n} missing?" if self._findings.repeating else ""
            self._findings.warning(node.key("address"), said, f"reads the same address as {first}", hint)

    def _held(self, values: dict[str, Any], shape: Shape, name: str, said: str) -> dict[str, tuple[Scalar, Node]]:
        takes = shape.by_name[name].takes
        assert isinstance(takes, Entries)  # by the grammar
        right = entries(values.get(name), takes, below(said, name), self._findings)
        return {key: (where, node) for key, where, node in right}

    def _place(self, where: Scalar) -> Place:
        return Place(self._loaded.relative(where), where.line)

    def _former_assets(self, placed: Mapping[str, Placed]) -> None:
        """A former path must be free, and nobody else's."""
        claimed: dict[str, str] = {}
        for name, asset in placed.items():
            was = asset.node.get("was")
            if not isinstance(was, Scalar):
                continue
            self._findings.repeating = asset.repeating
            path = f"assets.{name}.was"
            if was.text in placed:
                hint = "a rename leaves the old path free; to swap two, go by a third"
                self._findings.problem(was, path, f"{was.text[:80]!r} is still there", hint)
            elif was.text in claimed:
                what = f"{claimed[was.text]!r} says so too"
                self._findings.problem(was, path, what, "only one can have its history")
            claimed.setdefault(was.text, name)
        self._findings.repeating = False

    def _former_tags(self) -> None:
        """The same for tags, which may be renamed one by one; what an asset's own `was` explains is said there."""
        known = {setting.tag.path for setting in self.floor.tags}
        claimed: dict[str, str] = {}
        said = self._findings.failed
        self._findings.repeating = True
        for path, (former, where) in self.floor.renames.items() if not said else ():
            if former in known:
                hint = "a rename leaves the old name free"
                self._findings.problem(where, path, f"says it was {former!r}, which is still there", hint)
            elif former in claimed:
                what = f"says it was {former!r}, and so does {claimed[former]!r}"
                self._findings.problem(where, path, what, "only one can have its history")
            claimed.setdefault(former, path)
        self._findings.repeating = False

    def _two_meanings(self) -> None:
        self._findings.repeating = True
        for setting in self.floor.tags:
            spot = self.floor.taken.get(setting.tag.path)
            if spot is not None:
                what = f"{setting.tag.path!r} is a tag and an asset"
                self._findings.problem(
                    spot, f"assets.{spot.text}", what, "one path names one thing: rename one of them"
                )
        self._findings.repeating = False


_NOTHING: Final = Map("", 0, 0, {})
