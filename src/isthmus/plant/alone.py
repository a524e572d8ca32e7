# SPDX-License-Identifier: Apache-2.0
"""Systems and outputs that get in each other's way: two that are one device, or one client of a broker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from isthmus.plant.findings import Findings
from isthmus.plant.nodes import Scalar
from isthmus.plant.specs import Specified, guarded


class Alone(Specified, Protocol):
    """A kind of system or of output, as far as it says what only one can be."""

    @property
    def sole(self) -> Any: ...
    @property
    def sole_hint(self) -> str: ...


Said = tuple[str, str, Scalar, Alone, Mapping[str, Any]]
"""(`systems` or `outputs`, name, where it stands, kind, its own keys)"""


def check_alone(all_: Iterable[Said], findings: Findings) -> None:
    """Warns of every two that are the same to their far end."""
    known: dict[str, tuple[str, str, Scalar]] = {}
    for section, name, spot, kind, config in all_:
        for what in guarded(kind, kind.sole, config):
            first = known.setdefault(what, (section, name, spot))
            if first[:2] != (section, name):
                said = f"is {what}, and so is {first[0].removesuffix('s')} {first[1]!r}"
                findings.warning(spot, f"{section}.{name}", said, kind.sole_hint)
