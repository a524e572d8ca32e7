# SPDX-License-Identifier: Apache-2.0
"""Kinds of systems are found through the entry-point group `isthmus.systems`, ours through the same door."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final, Generic, Protocol, TypeVar

from isthmus.systems.contract import Kind

GROUP: Final = "isthmus.systems"


class BrokenKind(UserWarning):
    """An installed package offers a kind of system or output that cannot be used; the others can."""


class Named(Protocol):
    """A kind of anything."""

    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=Named)


class _Kinds(Mapping[str, N], Generic[N]):
    """Name → kind; a kind's module is imported when it is first asked for."""

    def __init__(self, found: Iterable[EntryPoint], class_: type[N], noun: str) -> None:
        self._found = {point.name: point for point in found}
        self._kinds: dict[str, N] = {}
        self._class, self._noun = class_, noun

    def __getitem__(self, name: str) -> N:
        if name not in self._kinds:
            kind = _loaded(self._found[name], self._class, self._noun)
            if kind is None:
                del self._found[name]
                raise KeyError(name)
            self._kinds[name] = kind
        return self._kinds[name]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in sorted(self._found) if self.get(name) is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None


def _loaded(point: EntryPoint, class_: type[N], noun: str) -> N | None:
    """The kind behind an entry point, or None with a warning that names what is wrong with it."""
    try:
        kind = point.load()
    except Exception as error:  # somebody else's code: whatever it raises harms only itself
        _broken(point, noun, f"{type(error).__name__}: {error}")
        return None
    if not isinstance(kind, class_):
        _broken(point, noun, f"{point.value} is not a{'n' if class_.__name__[0] in 'AEIOU' else ''} {class_.__name__}")
    elif kind.name != point.name:
        _broken(point, noun, f"it calls itself {kind.name!r}")
    else:
        return kind
    return None


def _broken(point: EntryPoint, noun: str, why: str) -> None:
    package = point.dist.name if point.dist else "an unknown package"
    warnings.warn(f"the kind of {noun} {point.name!r} from {package} is left out: {why}", BrokenKind, stacklevel=2)


def find_kinds(points: Iterable[EntryPoint], class_: type[N], noun: str) -> Mapping[str, N]:
    """The kinds behind `points`; of two with one name the first counts. Nothing is imported before it is asked for."""
    unique: dict[str, EntryPoint] = {}
    for point in points:
        if point.name not in unique:
            unique[point.name] = point
        elif unique[point.name].value != point.value:
            _broken(point, noun, f"the name is taken by {unique[point.name].value}")
    return _Kinds(unique.values(), class_, noun)


def find(points: Iterable[EntryPoint]) -> Mapping[str, Kind]:
    """The kinds of systems behind `points`."""
    return find_kinds(points, Kind, "system")


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind of system installed here, by the word in the plant file."""
    return MappingProxyType(find(entry_points(group=GROUP)))
