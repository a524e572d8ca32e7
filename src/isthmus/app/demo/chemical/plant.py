# SPDX-License-Identifier: Apache-2.0
"""The living plant behind its tags: stepped by a clock, read as arrays, spoiled by faults, back-filled for the past."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.app.demo.chemical import column_rows, product_rows, reaction_rows, utility_rows
from isthmus.app.demo.chemical.books import Books
from isthmus.app.demo.chemical.controls import LOOPS, Controls
from isthmus.app.demo.chemical.equipment import Equipment
from isthmus.app.demo.chemical.instruments import Instruments
from isthmus.app.demo.chemical.laboratory import Laboratory
from isthmus.app.demo.chemical.logistics import Logistics
from isthmus.app.demo.chemical.operation import CAMPAIGN, Operation, Stage
from isthmus.app.demo.chemical.process import Process, streams
from isthmus.app.demo.chemical.quality import Quality
from isthmus.app.demo.chemical.state import State
from isthmus.app.demo.chemical.tag import PlantTag, Row
from isthmus.app.demo.chemical.weather import Weather
from isthmus.app.demo.chemical.wrongs import effects
from isthmus.app.demo.pieces.fault import Fault, Faults, Truth
from isthmus.app.demo.pieces.limits import not_negative, positive
from isthmus.app.demo.pieces.sensor import SensorBank
from isthmus.core.quality import GOOD

FINE: Final = 1.0
"""s, longest integration step while a step of the plant is at most `_FINE_UP_TO`."""
COARSE: Final = 15.0
"""s, longest integration step otherwise: back-fill and high tempo."""
_COARSEST: Final = 30.0
_FINE_UP_TO: Final = 5.0
_BLOCK: Final = 512
_LONGEST: Final = 32 * 86_400.0
"""s of the process in one step."""
_EXTRA_SIGNALS: Final = ("C301.FT300",)
_NS: Final = 1_000_000_000
_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Values:
    """What every tag is, in the order of `Plant.tags`, as its server puts it on the wire."""

    value: NDArray[np.float64]
    """(n,) NaN for text; integers and booleans as whole numbers."""
    quality: NDArray[np.uint32]
    """(n,) OPC UA StatusCode."""
    at: NDArray[np.int64]
    """(n,) when it was sampled, ns since 1970-01-01 UTC on the plant's clock."""
    text: Mapping[int, str]
    """Position → value of the text tags."""


@dataclass(frozen=True, slots=True)
class Past:
    """m moments of all n tags, oldest first."""

    clock: NDArray[np.int64]
    """(m,) ns since 1970-01-01 UTC."""
    value: NDArray[np.float64]
    """(m, n)."""
    quality: NDArray[np.uint32]
    """(m, n)."""
    at: NDArray[np.int64]
    """(m, n) when each was sampled: the same as the row before where nothing new was."""
    text: Mapping[int, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Memory:
    """All that makes this plant at this moment: a plant that takes it up goes on as this one would have."""

    now: int
    born: int
    state: State
    banks: tuple[SensorBank, SensorBank]
    """Of the instruments that steer, and of those that watch."""
    sampled: tuple[NDArray[np.int64], NDArray[np.int64]]
    air: np.random.Generator
    faults: tuple[list[Truth], dict[int, Fault], dict[int, float], int]


class Plant:
    """The chemical plant. The same seed and the same steps give the same values."""

    def __init__(
        self,
        *,
        seed: int = 1,
        tempo: float = 1.0,
        start: int = 1_793_491_200 * _NS,
        campaign: Sequence[Stage] = CAMPAIGN,
        settle: float = 6.0,
        coarse: float = COARSE,
    ) -> None:
        """`start`: ns since 1970 on the plant's clock; `settle`: hours run before it, so that nothing swings at first.

        tempo: how many seconds of the process pass in one second of the clock. coarse: s, longest integration step of
        back-fill and high tempo, up to 30. Raises ValueError for numbers without physical sense.
        """
        positive(tempo=tempo, coarse=coarse)
        not_negative(seed=seed, settle=settle, start=start)
        if tempo > 3600:
            raise ValueError(f"tempo must be at most 3600, not {tempo!r}")
        if coarse > _COARSEST:
            raise ValueError(f"coarse must be at most {_COARSEST:g} s, not {coarse!r}: the model is not stable beyond")
        self.tempo, self._coarse, self.now = float(tempo), float(coarse), int(start)
        self.born = self.now
        """When this plant's life began: what its faults' numbers belong to."""
        weather, lorries, laboratory, self._air = streams(seed)
        process = Process(Equipment(), Weather(weather), Logistics(lorries), moment=start / _NS - settle * 3600)
        self.state = State(process, Controls(), Operation(campaign), Laboratory(laboratory), Books(), Quality())
        self._rows = tuple(rows())
        self.tags: tuple[PlantTag, ...] = tuple(row.tag for row in self._rows)
        self._wire(seed)
        self._aged(np.random.default_rng([seed, 8]))
        self._settle(settle)

    def step(self, dt: float) -> None:
        """Lets `dt` s pass on the clock, `dt * tempo` s in the process."""
        positive(dt=dt)
        passing = dt * self.tempo
        if passing > _LONGEST:
            raise ValueError(f"dt must be at most {_LONGEST / self.tempo:g} s at this tempo, not {dt!r}")
        count = math.ceil(passing / (FINE if passing <= _FINE_UP_TO else self._coarse) - 1e-9)
        part, before = passing / count, self.now
        for i in range(1, count + 1):
            self.now = before + round(dt * _NS * i / count)
            self._advance(part)
        self._watching.sense(passing, self.state, self.now)

    def values(self) -> Values:
        """What the servers show now."""
        value = np.full(len(self.tags), np.nan)
        quality = np.full(len(self.tags), GOOD, np.uint32)
        at = np.full(len(self.tags), self.now, np.int64)
        for instruments in (self._steering, self._watching):
            instruments.show(value, quality, at)
        for i, taken in self._own:
            at[i] = self._clock(taken(self.state))
        return Values(value, quality, at, {i: text(self.state) for i, text in self._texts})

    def past(self, start: int, end: int, step: float) -> Iterator[Past]:
        """Lives from `start` to `end` (ns), giving all tags every `step` s, in blocks; leaves the clock at the end.

        The process runs from its present state, in steps of at most `coarse` s whatever `step` is.
        """
        positive(step=step)
        stride = round(step * _NS)
        if end <= start or stride < 1:
            raise ValueError("past needs an end after its start and a step above 0")
        self.set_clock(start)
        moments = np.arange(start + stride, end + 1, stride, dtype=np.int64)
        for first in range(0, len(moments), _BLOCK):
            yield self._lived(moments[first : first + _BLOCK])
        if self.now < end:
            self.step((end - self.now) / _NS)

    def order(self, stage: Stage) -> None:
        """Has the operators make this grade, or stop, now and for its hours; then the campaign goes on."""
        self.state.operation.order(stage)

    def inject(self, fault: Fault) -> int:
        """Lets something go wrong now or at the fault's start; returns the number to `clear` it by."""
        return self.faults.inject(fault, self.now)

    def clear(self, number: int) -> None:
        """Repairs a fault."""
        self.faults.clear(number, self.now)

    def remember(self) -> Memory:
        """What `take_up` needs. It shares everything with this plant: keep it as bytes, or let this plant rest."""
        steering, watching = self._steering, self._watching
        banks, sampled = (steering.bank, watching.bank), (steering.sampled, watching.sampled)
        return Memory(self.now, self.born, self.state, banks, sampled, self._air, self.faults.remember())

    def take_up(self, memory: Memory) -> None:
        """Becomes the plant that `memory` is of, at its moment."""
        self.now, self.born, self.state, self._air = memory.now, memory.born, memory.state, memory.air
        for instruments, bank, sampled in zip(
            (self._steering, self._watching), memory.banks, memory.sampled, strict=True
        ):
            instruments.bank, instruments.sampled = bank, sampled
        self.faults = Faults(effects(self.state.process.plant, memory.banks))
        self.faults.take_up(memory.faults)

    def set_clock(self, now: int) -> None:
        """Goes on at another moment (ns): in between, the plant stood still. What has been sampled keeps its age."""
        moved = now - self.now
        self.now = now
        self._steering.shift(moved)
        self._watching.shift(moved)
        self.state.process.moment += moved / _NS
        self.state.laboratory.shift(moved / _NS)
        self.state.quality.shift(moved / _NS)

    @property
    def truth(self) -> tuple[Truth, ...]:
        """Every fault that has begun, with its true start and end on the plant's clock."""
        return tuple(self.faults.truth)

    def _wire(self, seed: int) -> None:
        """The instruments that steer, those that watch, and the handles of the faults."""
        steering = {loop.measures for loop in LOOPS.values()} | set(_EXTRA_SIGNALS)
        with_sensor = [i for i, row in enumerate(self._rows) if row.sensor is not None]
        self._steering = Instruments(
            self._rows, [i for i in with_sensor if self.tags[i].name in steering], seed, self.now
        )
        self._watching = Instruments(
            self._rows, [i for i in with_sensor if self.tags[i].name not in steering], seed, self.now
        )
        self._texts = [(i, row.text) for i, row in enumerate(self._rows) if row.text is not None]
        self._own = [(i, row.taken) for i, row in enumerate(self._rows) if row.taken is not None]
        self.faults = Faults(effects(self.state.process.plant, (self._steering.bank, self._watching.bank)))

    def _aged(self, stream: np.random.Generator) -> None:
        """Nothing is new on the first day."""
        for pump in self.state.process.plant.pumps.values():
            pump.seconds_run = float(stream.uniform(2e3, 20e3)) * 3600.0
        self.state.process.plant.air.seconds_run = [float(stream.uniform(5e3, 30e3)) * 3600.0 for _ in range(2)]

    def _settle(self, hours: float) -> None:
        self.state.laboratory.step(self.state.process)
        self.state.quality.step(self.state.laboratory, self.state.books)
        self._steering.sense(self._coarse, self.state, self.now)
        for _ in range(round(hours * 3600 / self._coarse)):
            self._advance(self._coarse)
            self.state.operation.in_stage = 0.0
        self._watching.sense(self._coarse, self.state, self.now)

    def _advance(self, dt: float) -> None:
        """One integration step: faults, operators, controllers, physics, books, and the instruments that steer.

        Those that only watch look once at the end of a longer step.
        """
        state = self.state
        process, plant = state.process, state.process.plant
        bank = self._steering.bank
        signals = dict(zip(bank.names, bank.signals.tolist(), strict=True))
        self.faults.step(dt, self.now)
        state.operation.step(dt, signals, plant, state.controls)
        state.controls.step(dt, signals, plant)
        kept = math.exp(-dt / 120.0)
        kick = math.sqrt(1 - kept**2) * float(self._air.standard_normal())
        process.air_demand = max(0.055 + kept * (process.air_demand - 0.055) + 0.012 * kick, 0.01)
        process.step(dt)
        state.books.step(dt, process, state.operation)
        state.laboratory.step(process)
        state.quality.step(state.laboratory, state.books)
        self._steering.sense(dt, state, self.now)

    def _clock(self, moment: float) -> int:
        """A moment of the process on the clock, ns; to the millisecond, which is what a float can tell apart."""
        passed = (self.state.process.moment - moment) / self.tempo
        return round((self.now - passed * _NS) / _MS) * _MS

    def _lived(self, moments: NDArray[np.int64]) -> Past:
        shape = len(moments), len(self.tags)
        value, quality, at = np.empty(shape), np.empty(shape, np.uint32), np.empty(shape, np.int64)
        text: dict[int, list[str]] = {i: [] for i, _ in self._texts}
        for row, moment in enumerate(moments.tolist()):
            self.step((moment - self.now) / _NS)
            self.now = moment
            now = self.values()
            value[row], quality[row], at[row] = now.value, now.quality, now.at
            for i, words in now.text.items():
                text[i].append(words)
        return Past(moments, value, quality, at, text)


def rows() -> Iterator[Row]:
    """Every tag of the plant with what feeds it."""
    yield from reaction_rows.rows()
    yield from column_rows.rows()
    yield from utility_rows.rows()
    yield from product_rows.rows()
