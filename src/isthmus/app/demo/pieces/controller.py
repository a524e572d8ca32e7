# SPDX-License-Identifier: Apache-2.0
"""A PID controller without wind-up or bumps, for cascades too, tuned from a model of what it controls.

Tuning by Skogestad's rules (SIMC: "Simple analytic rules for model reduction and PID controller tuning", J. Process
Control 13 (2003) 291). The step counts as dead time, so a controller that runs at long steps is tuned more softly and
stays stable. Form, anti-windup and bumplessness: Astrom and Hagglund, Advanced PID Control, 2006, ch. 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from isthmus.app.demo.pieces.limits import clamp, finite, not_negative, positive


class Mode(IntEnum):
    """Who moves the output or the setpoint."""

    MANUAL = 0
    AUTOMATIC = 1
    CASCADE = 2


class Tuning(NamedTuple):
    """Gain in output per measurement, times in s."""

    gain: float
    integral: float
    derivative: float = 0.0


@dataclass(frozen=True, slots=True)
class Response:
    """How the measurement answers the output: gain/(lag s + 1) e^(-delay s), or gain/s e^(-delay s) when `lag` is 0."""

    gain: float
    """Measurement per output; per second when it integrates. Negative: the measurement falls when the output rises."""
    lag: float
    delay: float
    closed: float
    """s, wanted time constant of the closed loop."""

    def __post_init__(self) -> None:
        finite(gain=self.gain)
        if self.gain == 0:
            raise ValueError("gain must not be 0: nothing would be controlled")
        not_negative(lag=self.lag, delay=self.delay)
        positive(closed=self.closed)

    def tuned(self, dt: float) -> Tuning:
        """SIMC for this response sampled every `dt` s."""
        delay = self.delay + dt
        closed = max(self.closed, delay)
        if self.lag == 0:
            return Tuning(1.0 / (self.gain * (closed + delay)), 4 * (closed + delay))
        integral = min(self.lag, 4 * (closed + delay))
        return Tuning(self.lag / (self.gain * (closed + delay)), integral)


@dataclass(slots=True)
class Controller:
    """One loop. The sign of the tuning's gain is the sign of the response's, so no direct/reverse switch is needed."""

    tuning: Response | Tuning
    low: float = 0.0
    high: float = 1.0
    """Limits of the output."""
    setpoint: float = 0.0
    output: float = 0.0
    mode: Mode = Mode.AUTOMATIC
    rate: float = math.inf
    """Fastest change of the output, 1/s."""
    saturated: int = 0
    """-1 at the low limit, 1 at the high one."""
    measured: float = math.nan
    _integral: float = math.nan
    _tuned: dict[int, Tuning] = field(default_factory=dict)
    _octave: int = 0

    def __post_init__(self) -> None:
        finite(low=self.low, high=self.high, setpoint=self.setpoint, output=self.output)
        if self.low >= self.high:
            raise ValueError(f"low must be below high, not {self.low!r} and {self.high!r}")
        if isinstance(self.tuning, Tuning):
            finite(gain=self.tuning.gain)
            positive(integral=self.tuning.integral)
            not_negative(derivative=self.tuning.derivative)

    def update(self, dt: float, measured: float) -> float:
        """One step of `dt` s; returns the output. A measurement that is not a number holds the output."""
        if not math.isfinite(measured):
            return self.output
        slope = 0.0 if math.isnan(self.measured) else (measured - self.measured) / dt
        self.measured = measured
        if self.mode is Mode.MANUAL:
            self._integral = math.nan
            return self.output
        return self._act(dt, self._settings(dt), measured, slope)

    def _act(self, dt: float, tuning: Tuning, measured: float, slope: float) -> float:
        error = self.setpoint - measured
        kick = tuning.gain * (error - tuning.derivative * slope)
        if math.isnan(self._integral):  # taking over: the output goes on from where it stands
            self._integral = self.output - kick
        more = tuning.gain * dt / tuning.integral * error
        wanted = self._integral + more + kick
        most = self.rate * dt
        limited = clamp(clamp(wanted, self.output - most, self.output + most), self.low, self.high)
        self.saturated = (wanted > self.high) - (wanted < self.low)
        if (wanted - limited) * more <= 0:  # what the output cannot show is not added up (conditional integration)
            self._integral += more
        self.output = limited
        return limited

    def manual(self, output: float) -> None:
        """A person (or an interlock) holds the output."""
        finite(output=output)
        self.mode, self.output = Mode.MANUAL, clamp(output, self.low, self.high)
        self._integral = math.nan

    def automatic(self, setpoint: float | None = None, mode: Mode = Mode.AUTOMATIC) -> None:
        """Takes over without a bump."""
        if self.mode is Mode.MANUAL:
            self._integral = math.nan
        self.mode = mode
        if setpoint is not None:
            finite(setpoint=setpoint)
            self.setpoint = setpoint

    def track(self, output: float) -> None:
        """Follows what is really in force below (external reset): a master whose slave is not listening."""
        self.output = clamp(output, self.low, self.high)
        self._integral = math.nan

    def _settings(self, dt: float) -> Tuning:
        """Tuned for about this step; when the step changes, the output goes on without a bump."""
        if isinstance(self.tuning, Tuning):
            return self.tuning
        octave = round(math.log2(dt))
        if octave not in self._tuned:
            self._tuned[octave] = self.tuning.tuned(2.0**octave)
        if octave != self._octave:
            self._octave, self._integral = octave, math.nan
        return self._tuned[octave]
