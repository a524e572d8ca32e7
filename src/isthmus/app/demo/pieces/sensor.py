# SPDX-License-Identifier: Apache-2.0
"""A bank of sensors turns truth into signals: lag, noise, resolution, sampling, limits, and faults of the sensors.

All sensors are computed at once as numpy columns. Each has random streams of its own, seeded by the bank's seed and its
name, so another sensor more or less does not change what it says.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.app.demo.pieces.limits import finite, not_negative

_BLOCK: Final = 256
BELOW, ABOVE = 0.0125, 0.03125
"""How far a transmitter's signal goes beyond its span: 3.8 and 20.5 mA (NAMUR NE 43)."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """What one sensor does to the truth, in the unit of what it measures."""

    name: str
    low: float = -np.inf
    high: float = np.inf
    """Span of the transmitter; without one the signal has no limits."""
    lag: float = 0.0
    """s, first order."""
    noise: float = 0.0
    """Standard deviation."""
    resolution: float = 0.0
    period: float = 0.0
    """s between samples; 0: at every step."""
    cutoff: float = 0.0
    """Signals smaller than this read 0 (low-flow cut-off)."""

    def __post_init__(self) -> None:
        not_negative(lag=self.lag, noise=self.noise, resolution=self.resolution, period=self.period)
        not_negative(cutoff=self.cutoff)
        if not self.low < self.high:
            raise ValueError(f"{self.name}: low must be below high, not {self.low!r} and {self.high!r}")

    @property
    def span(self) -> float:
        """Of a sensor without limits: 1."""
        span = self.high - self.low
        return span if np.isfinite(span) else 1.0


class SensorBank:
    """n sensors in order; `signals` and `sampled` are their columns after `sense`."""

    def __init__(self, sensors: Sequence[Sensor], seed: int) -> None:
        self.sensors = tuple(sensors)
        self.names = {sensor.name: i for i, sensor in enumerate(self.sensors)}
        if len(self.names) != len(self.sensors):
            raise ValueError("two sensors have the same name")
        self._seed, n = seed, len(self.sensors)
        self._low, self._high = self._column("low"), self._column("high")
        self._lag, self._noise, self._period = self._column("lag"), self._column("noise"), self._column("period")
        self._span = self._column("span")
        self._limits = self._low - BELOW * self._span, self._high + ABOVE * self._span
        resolution = self._column("resolution")
        self._coarse = np.flatnonzero(resolution)
        self._grain = resolution[self._coarse]
        cutoff = self._column("cutoff")
        self._cut = np.flatnonzero(cutoff)
        self._cutoff = cutoff[self._cut]
        self._noisy = np.flatnonzero(self._noise)
        self._streams = [np.random.default_rng(self._seeded(self.sensors[i].name, 0)) for i in self._noisy]
        self._left, self._block = 0, np.zeros((len(self._noisy), _BLOCK))
        self._bias, self._factor = np.zeros(n), np.ones(n)
        self._frozen, self._spikes = np.zeros(n, bool), dict[int, tuple[float, np.random.Generator]]()
        self._lagged = np.full(n, np.nan)
        self._wait, self._steps = np.full(n, np.nan), dict[float, NDArray[np.float64]]()
        self.signals: NDArray[np.float64] = np.zeros(n)
        """(n,) what each sensor says."""
        self.sampled: NDArray[np.bool_] = np.ones(n, bool)
        """(n,) which of them took a sample in the last step."""
        self.saturated: NDArray[np.bool_] = np.zeros(n, bool)
        """(n,) which of them are at a limit of their signal."""

    def sense(self, dt: float, truth: NDArray[np.float64]) -> None:
        """One step of `dt` s; `truth` is (n,) in the sensors' order."""
        self._follow(dt, truth)
        raw = self._lagged * self._factor + self._bias * self._span
        raw[self._noisy] += self._drawn() * self._noise[self._noisy]
        steps = np.rint(raw[self._coarse] / self._grain)
        raw[self._coarse] = np.round(steps * self._grain, 9)  # 951 steps of 0.05 are shown as 47.55
        raw[self._cut] = np.where(np.abs(raw[self._cut]) < self._cutoff, 0.0, raw[self._cut])
        for i, (often, stream) in self._spikes.items():
            if stream.random() < -np.expm1(-often * dt):
                raw[i] += stream.choice((-1.0, 1.0)) * stream.uniform(0.2, 0.6) * self._span[i]
        limited = np.clip(raw, *self._limits)
        self._wait = np.where(np.isnan(self._wait), 0.0, self._wait - dt)
        self.sampled = (self._wait <= 1e-9) & ~self._frozen
        self._wait = np.where(self._wait <= 1e-9, np.maximum(self._wait + self._period, 0.0), self._wait)
        np.copyto(self.signals, limited, where=self.sampled)
        np.copyto(self.saturated, limited != raw, where=self.sampled)

    def drift(self, name: str, share: float) -> None:
        """Adds `share` of the span to what the sensor says; 0 ends it."""
        finite(share=share)
        self._bias[self._at(name)] = share

    def scale(self, name: str, factor: float) -> None:
        """Multiplies what the sensor says; 1 ends it."""
        finite(factor=factor)
        self._factor[self._at(name)] = factor

    def freeze(self, name: str, frozen: bool) -> None:
        """Holds the last signal, which still looks good."""
        self._frozen[self._at(name)] = frozen

    def spike(self, name: str, often: float) -> None:
        """Throws in spikes of 20 to 60 % of the span, `often` times a second on average; 0 ends it."""
        not_negative(often=often)
        i = self._at(name)
        if not often:
            self._spikes.pop(i, None)
            return
        stream = self._spikes[i][1] if i in self._spikes else np.random.default_rng(self._seeded(name, 1))
        self._spikes[i] = (often, stream)

    def _at(self, name: str) -> int:
        if name not in self.names:
            raise ValueError(f"there is no sensor {name!r}")
        return self.names[name]

    def _column(self, what: str) -> NDArray[np.float64]:
        return np.array([getattr(sensor, what) for sensor in self.sensors], float)

    def _seeded(self, name: str, use: int) -> list[int]:
        return [self._seed, zlib.crc32(name.encode()), use]

    def _follow(self, dt: float, truth: NDArray[np.float64]) -> None:
        if dt not in self._steps:
            if len(self._steps) > 16:
                self._steps.clear()
            with np.errstate(divide="ignore"):
                self._steps[dt] = np.where(self._lag > 0, -np.expm1(-dt / self._lag), 1.0)
        fresh = np.isnan(self._lagged)
        if fresh.any():
            np.copyto(self._lagged, truth, where=fresh)
        self._lagged += self._steps[dt] * (truth - self._lagged)

    def _drawn(self) -> NDArray[np.float64]:
        """The next normal number of each noisy sensor's own stream."""
        if not self._left:
            for row, stream in zip(self._block, self._streams, strict=True):
                stream.standard_normal(out=row)
            self._left = _BLOCK
        self._left -= 1
        return self._block[:, _BLOCK - 1 - self._left]
