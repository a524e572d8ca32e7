# SPDX-License-Identifier: Apache-2.0
"""Kinds of outputs are found through the entry-point group `isthmus.outputs`, ours through the same door."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Final

from isthmus.outputs.contract import OutputKind
from isthmus.systems.registry import find_kinds

GROUP: Final = "isthmus.outputs"


def delivers(kind: str) -> bool:
    """Whether something is handed over to outputs of a kind; of one that is not installed that is to be found out."""
    known = output_kinds().get(kind)
    return known is None or not known.shown


@cache
def output_kinds() -> Mapping[str, OutputKind]:
    """Every kind of output installed here, by the word in the plant file."""
    return MappingProxyType(find_kinds(entry_points(group=GROUP), OutputKind, "output"))
