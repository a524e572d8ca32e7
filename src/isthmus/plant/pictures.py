# SPDX-License-Identifier: Apache-2.0
"""Reading pictures: every name in them stands for equipment that there is, every spot lies on the screen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from isthmus.core.errors import IsthmusError
from isthmus.plant import forms
from isthmus.plant.findings import Findings, nearest
from isthmus.plant.forms import WHOLE_PLANT
from isthmus.plant.grammar import PICTURE
from isthmus.plant.load import Loaded
from isthmus.plant.models import Models, shown_type
from isthmus.plant.nodes import List, Map, Node, Scalar
from isthmus.plant.picture import ITSELF, Flow, Picture, Spot
from isthmus.plant.reading import read

MOST_PLACED: Final = 200
MOST_FLOWS: Final = 400
LONGEST_FLOW: Final = 50
FARTHEST: Final = 100.0
"""Columns and rows of the largest picture."""

Resolve = Callable[[str], str | None]
"""A name in a picture → what it stands for; None where there is no such thing."""


def read_pictures(
    loaded: Loaded, models: Models, plant: str, assets: Iterable[str], findings: Findings
) -> tuple[Picture, ...]:
    """Every picture of the plant; `assets` are the whole paths of all assets. Reports what is wrong with them."""
    places = _places(plant, assets)
    pictures = [*_of_types(loaded, models, findings), *_of_places(loaded, plant, places, findings)]
    return tuple(picture for picture in pictures if picture.place or picture.flows)


def _places(plant: str, assets: Iterable[str]) -> set[str]:
    """All assets and what they lie in."""
    found = {plant}
    for asset in assets:
        path = asset
        while path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found


def _of_types(loaded: Loaded, models: Models, findings: Findings) -> Iterable[Picture]:
    for name, (key, node) in loaded.types.items():
        said = node.get("picture") if isinstance(node, Map) else None
        if said is None or name not in models:
            continue
        parts = {part: part for part in (ITSELF, *_parts(models, name))}
        wrong = f"{shown_type(name)} has no part"
        sketch = _Sketch(f"types.{key.text}.picture", parts.get, parts, wrong, findings)
        yield sketch.picture(name, said)


def _parts(models: Models, name: str, before: str = "") -> Iterable[str]:
    for part in models[name].parts.values():
        yield f"{before}{part.name}"
        yield from _parts(models, part.type, f"{before}{part.name}/")


def _of_places(loaded: Loaded, plant: str, places: Collection[str], findings: Findings) -> Iterable[Picture]:
    for name, (key, node) in loaded.pictures.items():
        of = plant if name == WHOLE_PLANT else f"{plant}/{name}"
        if of not in places:
            hint = nearest(name, _below(plant, places))
            findings.problem(key, f"pictures.{name}", f"there is no place {name!r} in this plant", hint)
            continue
        resolve = _resolver(of, plant, places)
        known = [*_below(of, places), *_below(plant, places)]
        yield _Sketch(f"pictures.{name}", resolve, known, "there is no place", findings).picture(of, node)


def _resolver(of: str, plant: str, places: Collection[str]) -> Resolve:
    """Names below the picture's place go before names from the whole plant."""

    def resolve(word: str) -> str | None:
        if word == ITSELF:
            return of if of != plant else None
        return next((path for path in (f"{of}/{word}", f"{plant}/{word}") if path in places), None)

    return resolve


def _below(of: str, places: Iterable[str]) -> list[str]:
    return [path[len(of) + 1 :] for path in places if path.startswith(f"{of}/")]


@dataclass(frozen=True, slots=True)
class _Sketch:
    """One picture as it is being read."""

    said: str
    """Where in the file: `pictures.feed`."""
    resolve: Resolve
    known: Collection[str]
    wrong: str
    """What to say of a name that stands for nothing; the name follows."""
    findings: Findings

    def picture(self, of: str, node: Node) -> Picture:
        values = read(node, PICTURE, self.said, self.findings)
        placed, flows = values.get("place"), values.get("flows")
        spots = self._spots(placed) if placed is not None else {}
        return Picture(of, spots, tuple(self._flows(flows)) if flows is not None else ())

    def _spots(self, node: Map) -> dict[str, Spot]:
        spots: dict[str, Spot] = {}
        taken: dict[Spot, str] = {}
        for word, (key, value) in node.entries.items():
            path = f"{self.said}.place.{word}"
            name, spot = self._name(key, path), self._spot(value, path)
            if name is None or spot is None:
                continue
            if taken.setdefault(spot, word) != word:
                self.findings.problem(value, path, f"stands where {taken[spot]!r} stands")
            spots[name] = spot
        if len(spots) > MOST_PLACED:
            self.findings.problem(node, f"{self.said}.place", f"{len(spots)} symbols", f"at most {MOST_PLACED}")
        return spots

    def _spot(self, node: Node, path: str) -> Spot | None:
        try:
            return _spot(node)
        except IsthmusError as error:
            self.findings.problem(node, path, error.what, error.hint)
            return None

    def _name(self, node: Scalar, path: str) -> str | None:
        found = self.resolve(node.text)
        if found is None:
            self.findings.problem(node, path, f"{self.wrong} {node.text[:80]!r}", nearest(node.text, self.known))
        return found

    def _flows(self, node: List) -> Iterable[Flow]:
        if len(node.items) > MOST_FLOWS:
            self.findings.problem(node, f"{self.said}.flows", f"{len(node.items)} flows", f"at most {MOST_FLOWS}")
        for count, item in enumerate(node.items[:MOST_FLOWS]):
            path = f"{self.said}.flows[{count}]"
            try:
                name, through = _named(item)
            except IsthmusError as error:
                self.findings.problem(item, path, error.what, error.hint)
                continue
            stations = [self._station(one, path) for one in through.items]
            if None not in stations:
                yield Flow(tuple(one for one in stations if one is not None), name)

    def _station(self, node: Node, path: str) -> str | Spot | None:
        """Equipment, or a spot at which the line bends."""
        if isinstance(node, List):
            return self._spot(node, path)
        if isinstance(node, Scalar) and not node.empty:
            return self._name(node, path)
        self.findings.problem(node, path, "wants the name of equipment, or [column, row] where the line bends")
        return None


def _spot(node: Node) -> Spot:
    if not isinstance(node, List) or len(node.items) != 2:
        raise IsthmusError("wants a column and a row", hint="write [2, 1]; parts of them count: [2.5, 1]")
    column, row = (forms.NUMBER.read(item) for item in node.items)
    if not (0 <= column <= FARTHEST and 0 <= row <= FARTHEST):
        raise IsthmusError(
            f"[{column:g}, {row:g}] is out of bounds", hint=f"from [0, 0] to [{FARTHEST:g}, {FARTHEST:g}]"
        )
    return column, row


def _named(node: Node) -> tuple[str, List]:
    """A flow's name, empty for none, and what it goes through; raises IsthmusError for anything else."""
    name = ""
    if isinstance(node, Map) and len(node.entries) == 1:
        key, node = next(iter(node.entries.values()))
        name = forms.LINE.read(key)
    if not isinstance(node, List):
        raise IsthmusError("wants what it flows through", hint="write - [tank-1, pump-1], or - water: [tank-1, pump-1]")
    if not 2 <= len(node.items) <= LONGEST_FLOW:
        raise IsthmusError(f"goes through {len(node.items)}", hint=f"from 2 to {LONGEST_FLOW}: where from, where to")
    if not all(isinstance(end, Scalar) for end in (node.items[0], node.items[-1])):
        raise IsthmusError("begins or ends at no equipment", hint="bends stand between two names")
    return name, node
