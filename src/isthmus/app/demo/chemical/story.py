# SPDX-License-Identifier: Apache-2.0
"""Which past a plant is to get: planned in its folder before it is lived, so that one that was cut short can go on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from isthmus.app.demo.chemical.demo import folder
from isthmus.app.demo.chemical.plant import Plant
from isthmus.app.demo.chemical.simulator import PLANS
from isthmus.app.demo.pieces.fault import Fault
from isthmus.app.run.place import Place

STRIDE: Final = 30.0
"""s, longest integration step of a past: the longest that the model bears, for a month is to be lived in a minute."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """The same story gives the same samples."""

    seed: int
    plan: str
    start: int
    """ns"""
    end: int
    faults: tuple[Fault, ...] = ()

    def plant(self) -> Plant:
        """As it was at the start. Raises ValueError for a fault that cannot be."""
        plant = Plant(seed=self.seed, start=self.start, campaign=PLANS[self.plan], coarse=STRIDE)
        for fault in self.faults:
            plant.inject(fault)
        return plant


def planned(place: Place) -> Story | None:
    """The past that was begun here, whether it was ended or not."""
    with suppress(FileNotFoundError):
        return msgspec.json.decode((folder(place) / "past.json").read_bytes(), type=Story)
    return None


def plan(place: Place, story: Story) -> None:
    """Says what past it is to be, before it is lived. Raises ValueError for a fault that cannot be."""
    story.plant()
    folder(place).mkdir(mode=0o700, exist_ok=True)
    path = folder(place) / "past.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(story))
    temporary.replace(path)


def lived(place: Place) -> bool:
    """There is a plant here that has lived already."""
    return (folder(place) / "state").exists()


def recorded(place: Place) -> bool:
    """There is a history here already."""
    return (place.history / "manifest.db").exists()


def command(place: Place) -> Sequence[str]:
    """What starts `main` for a data directory whose past is planned."""
    module = "isthmus.app.demo.chemical.past"
    return [sys.executable, "-m", module, "--data", str(place.root)]
