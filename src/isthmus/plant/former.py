# SPDX-License-Identifier: Apache-2.0
"""Where a plant file would have to say `was`, and what, so that a tag goes on under the path it has now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from isthmus.plant.models import Model
    from isthmus.plant.nodes import Scalar

_HOLE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Named:
    """Where the file says each name in the path of one tag."""

    path: str
    keys: tuple[Scalar, ...]
    """The asset, the parts around the tag from the outermost on (in their types), the tag in its asset."""
    model: Model | None
    """The type that the tag belongs to; None where the asset says itself what it means."""
    short: bool
    """It is written as an address alone, without a mapping to add a key to."""
    template: Scalar | None = None
    """The key of the template that the asset is an instance of."""


class Saying(msgspec.Struct, frozen=True):
    """One `was:` that is missing."""

    at: str
    """`file:line:column` of the name it belongs to."""
    name: str
    was: str
    short: bool = False
    """That name has an address alone beside it so far."""

    def __str__(self) -> str:
        key = f"was: {_quoted(self.was)}"
        return f"{self.at}: in `{self.name}` write `{'{address: ..., ' + key + '}' if self.short else key}`"


def sayings(named: Named, old: str, plant: str) -> Iterator[Saying]:
    """What has to be said so that the tag of `named` is the one that was called `old`."""
    depth = len(named.keys) - 1
    former, *inner = old.rsplit("/", depth)
    asset, *names = named.path.rsplit("/", depth)
    if former != asset and len(inner) == depth:
        key, was = named.keys[0], former.removeprefix(f"{plant}/")
        yield _saying(key, was) if named.template is None else _of_template(named.template, key.text, was)
    for key, was, name in zip(named.keys[1:], inner, names, strict=False):
        if was == name:
            continue
        tag = key is named.keys[-1]
        in_type = tag and named.model is not None and was not in named.model.tags
        if in_type and named.model is not None:
            yield _saying(named.model.spots[name], was)
        else:
            yield _saying(key, was, short=tag and named.short)


def _saying(key: Scalar, was: str, *, short: bool = False) -> Saying:
    return Saying(f"{key.file}:{key.line}:{key.column}", key.text, was, short)


def _of_template(template: Scalar, text: str, was: str) -> Saying:
    """What a template has to say for its instance `text`: with its placeholder, where the value of that shows."""
    holes = list(_HOLE.finditer(template.text))
    if len(holes) == 1:
        (hole,) = holes
        value = text[hole.start() : len(text) - (len(template.text) - hole.end())]
        before, found, after = was.rpartition(value)
        was = f"{before}{{{_name(hole[1])}}}{after}" if found else was
    return _saying(template, was)


def _name(hole: str) -> str:
    """What a placeholder of a key is called in values: `1..3` → `n`, `line:1..3` → `line`, `column` → `column`."""
    name, colon, _ = hole.partition(":")
    return name if colon or ".." not in hole else "n"


def together(said: Iterable[Saying]) -> list[Saying]:
    """Each place once."""
    places: dict[str, Saying] = {}
    for one in said:
        places.setdefault(one.at, one)
    return list(places.values())


def _quoted(text: str) -> str:
    return f'"{text}"' if "{" in text else text
