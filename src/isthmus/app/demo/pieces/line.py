# SPDX-License-Identifier: Apache-2.0
"""What flows through a line: the flow at which the pump's lift equals static head, friction and the valve's drop."""

from __future__ import annotations

import math

from isthmus.app.demo.pieces.fluid import GRAVITY
from isthmus.app.demo.pieces.limits import clamp
from isthmus.app.demo.pieces.pump import Pump
from isthmus.app.demo.pieces.valve import Valve


def driven(pump: Pump, valve: Valve, density: float, suction: float, discharge: float, friction: float) -> float:
    """kg/s from `suction` to `discharge` (Pa at the pump's height); a check valve lets nothing back.

    Inertia of the liquid is left out: it settles within tenths of a second. friction: Pa per (kg/s)2.
    """
    drive = density * GRAVITY * pump.lift() + suction - discharge
    resistance = valve.resistance(density)
    if drive <= 0 or resistance == math.inf or pump.speed < 0.05:
        return 0.0
    return math.sqrt(drive / (density * GRAVITY * (pump.curve + pump.suction_loss()) + friction + resistance))


def room(level: float) -> float:
    """Share of a flow that a vessel still takes: none when it is full of liquid, all below 95 %."""
    return clamp((1.0 - level) / 0.05, 0.0, 1.0)
