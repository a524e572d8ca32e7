# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in the plant, in words: which equipment can have it, how fast it grows, and what it will show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.app.demo.chemical.equipment import Equipment
from isthmus.app.demo.pieces.fault import FaultKind

_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of fault."""

    what: str
    shows: str
    """At the worst severity, fully grown; less in proportion."""
    targets: tuple[str, ...]
    """Empty for the faults of sensors: any measured tag can have those."""
    ramp: float
    """s in which it usually grows."""


_EQUIPMENT: Final = Equipment()
_PUMPS: Final = tuple(_EQUIPMENT.pumps)
_SENSOR: Final[tuple[str, ...]] = ()

CATALOGUE: Final[Mapping[FaultKind, Entry]] = {
    FaultKind.FOULING: Entry(
        "Deposits on a surface that passes heat",
        "less heat passed at the same flows: outlet temperatures drift together, the valve or the steam that makes up "
        "for it moves to its limit",
        ("E101", "E301", "E302", "E303", "R1", "R2"), 5 * _DAY,
    ),
    FaultKind.BEARING_WEAR: Entry(
        "A bearing of a pump wears out",
        "vibration grows first, then bearing temperature and power; flow stays",
        _PUMPS, 4 * _DAY,
    ),
    FaultKind.CAVITATION: Entry(
        "A clogged suction strainer starves a pump",
        "discharge pressure and flow fall and flutter, vibration rises, the flow's valve opens to make up for it",
        _PUMPS, 2 * _HOUR,
    ),
    FaultKind.STICTION: Entry(
        "A valve sticks and then jumps",
        "stem position moves in steps behind the controller's output; the loop swings in saw teeth",
        tuple(_EQUIPMENT.valves), 12 * _HOUR,
    ),
    FaultKind.LEAK: Entry(
        "A tank loses liquid, or the network loses compressed air",
        "the tank's level falls faster than its flows explain; compressors run longer while the air flow rises",
        (*_EQUIPMENT.tanks, "air"), 1 * _HOUR,
    ),
    FaultKind.COOLING_LOSS: Entry(
        "The cooling-water pump slows down",
        "header pressure and water flows fall, return temperature rises, reactors and condenser run hot, then trip",
        ("P411",), 600.0,
    ),
    FaultKind.CATALYST_DECAY: Entry(
        "A poison in the feed kills catalyst",
        "reaction heat and product fraction of the reactor fall, the laboratory finds less catalyst, recycle grows",
        tuple(_EQUIPMENT.reactors), 3 * _DAY,
    ),
    FaultKind.DRIFT: Entry(
        "A transmitter drifts",
        "the tag leaves its siblings and its balance; where a controller uses it, the process follows the wrong value",
        _SENSOR, 2 * _DAY,
    ),
    FaultKind.FREEZE: Entry(
        "A transmitter holds its last value", "the tag stands still with good quality", _SENSOR, 0.0
    ),
    FaultKind.SPIKES: Entry(
        "A loose contact", "single values off by 20 to 60 % of the span, once in twenty seconds", _SENSOR, 0.0
    ),
    FaultKind.SCALE_ERROR: Entry(
        "A transmitter was set to the wrong span", "the tag is off in proportion to its value", _SENSOR, 0.0
    ),
}  # fmt: skip
"""Every kind, worst effect as in `wrongs`."""
