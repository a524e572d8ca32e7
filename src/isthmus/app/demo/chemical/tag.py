# SPDX-License-Identifier: Apache-2.0
"""A tag of the plant as the system that has it offers it, and what lies behind it: truth, unit, sensor.

A is the reactors' control system: short names (`R1.TT201`), metric units, floats. B came with the column: long browse
paths, American units, many values as integers with an implied decimal point. The utilities behind their Modbus gateway
are of B's maker. Meters, water treatment, laboratory and quality have each their own way to name things.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from isthmus.app.demo.pieces.sensor import Sensor
from isthmus.core.tag import DataType

if TYPE_CHECKING:
    from isthmus.app.demo.chemical.state import State


Letter = Literal["A", "B", "utilities", "meters", "treatment", "laboratory", "quality"]
"""Which system has a tag: the control systems by their letters, the others by their names in the plant file."""


@dataclass(frozen=True, slots=True)
class PlantTag:
    """One tag, static. A value v on the wire means `v * scale` of `unit`."""

    name: str
    """Short and unique in the plant: `R1.TT201`."""
    server: Letter
    address: str
    """Identifier on A, browse path from the objects folder on B, elsewhere as the plant file has it."""
    asset: str
    """Place in the plant: `reaction/reactor-1`."""
    property: str
    """What it is of the asset: `temperature`."""
    unit: str
    """UCUM, empty for none."""
    range: tuple[float, float] | None
    """In `unit`."""
    type: DataType
    description: str
    scale: float = 1.0
    stepped: bool = False
    labels: Mapping[int, str] = field(default_factory=dict)


class Unit(NamedTuple):
    """A value in SI becomes one in this unit by `value * factor + offset`."""

    factor: float
    offset: float = 0.0


UNITS: Final[Mapping[str, Unit]] = {
    "": Unit(1.0),
    "1": Unit(1.0),
    "%": Unit(100.0),
    "Cel": Unit(1.0, -273.15),
    "[degF]": Unit(1.8, -459.67),
    "bar": Unit(1e-5),
    "kPa": Unit(1e-3),
    "[psi]": Unit(1 / 6894.757293168),
    "kg/h": Unit(3600.0),
    "[lb_av]/h": Unit(3600 / 0.45359237),
    "[gal_us]/min": Unit(60 / 3.785411784e-3 / 997.0),
    "kg": Unit(1.0),
    "t": Unit(1e-3),
    "[lb_av]": Unit(1 / 0.45359237),
    "W": Unit(1.0),
    "kW": Unit(1e-3),
    "[Btu_IT]/h": Unit(3600 / 1055.05585262),
    "kW.h": Unit(1 / 3.6e6),
    "A": Unit(1.0),
    "mm/s": Unit(1e3),
    "[in_i]/s": Unit(1 / 0.0254),
    "h": Unit(1 / 3600),
    "/min": Unit(60.0),
    "[ppm]": Unit(1e6),
    "g/h": Unit(3.6e6),
    "m3/h": Unit(3600 / 997.0),
    "uS/cm": Unit(1e4),
    "[pH]": Unit(1.0),
    "kg/m3": Unit(1.0),
}
"""UCUM code → from SI; percent from fractions, volumes of water from its mass."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of transmitter is like; noise, resolution and cut-off as shares of its span, times in s."""

    lag: float = 0.0
    noise: float = 0.0
    resolution: float = 0.0
    period: float = 0.0
    cutoff: float = 0.0


KINDS: Final[Mapping[str, Kind]] = {
    "temperature": Kind(6.0, 4e-4, 1e-4),
    "flow": Kind(1.0, 1.5e-3, 1e-4, cutoff=0.01),
    "level": Kind(2.0, 6e-4, 1e-4),
    "position": Kind(0.5, 3e-4, 1e-4, cutoff=0.005),
    "pressure": Kind(0.5, 5e-4, 1e-4),
    "vibration": Kind(2.0, 4e-3, 1e-3, cutoff=0.02),
    "power": Kind(0.5, 1e-3, 1e-4, cutoff=0.005),
    "analyser": Kind(60.0, 8e-4, 1e-4, 30.0),
    "slow": Kind(20.0, 2e-4, 1e-4, 5.0),
    "exact": Kind(),
}

Read = Callable[["State"], float]
ReadText = Callable[["State"], str]


@dataclass(frozen=True, slots=True)
class Row:
    """A tag with what feeds it."""

    tag: PlantTag
    read: Read | None
    """Truth in SI; None for text."""
    text: ReadText | None = None
    sensor: Sensor | None = None
    taken: Read | None = None
    """When its value was taken, s since 1970-01-01 UTC of the process; None: at each look."""

    @property
    def from_si(self) -> Unit:
        """What makes of an SI value the one on the wire."""
        unit = UNITS[self.tag.unit]
        return Unit(unit.factor / self.tag.scale, unit.offset / self.tag.scale)


@dataclass(frozen=True, slots=True)
class Place:
    """Where tags hang: asset, server, and the habits of naming there."""

    unit: str
    """`R1`."""
    asset: str
    server: Letter = "A"
    path: str = ""
    """Browse path of the equipment on B; elsewhere what addresses begin with."""

    def measured(self, isa: str, what: str, kind: str, unit: str, span: tuple[float, float], about: str,
                 read: Read, scale: float = 1.0) -> Row:  # fmt: skip
        """A measurement; `span` in `unit`. With a scale other than 1 the wire carries integers."""
        type_ = DataType.FLOAT if scale == 1.0 else DataType.INTEGER
        tag = self._tag(isa, what, unit, span, type_, about, scale)
        factor, offset = UNITS[unit]
        low, high = ((end - offset) / factor for end in span)
        made, width = KINDS[kind], high - low
        sensor = Sensor(tag.name, low, high, made.lag, made.noise * width, made.resolution * width, made.period,
                        made.cutoff * width)  # fmt: skip
        return Row(tag, read, sensor=sensor if kind != "exact" else Sensor(tag.name))

    def told(self, isa: str, what: str, type_: DataType, unit: str, span: tuple[float, float] | None, about: str,
             read: Read, labels: Mapping[int, str] | None = None, taken: Read | None = None) -> Row:  # fmt: skip
        """Something the control system knows without a sensor: a setpoint, a state, a count, a laboratory value."""
        stepped = type_ is not DataType.FLOAT or taken is not None
        tag = self._tag(isa, what, unit, span, type_, about, 1.0, stepped, labels or {})
        return Row(tag, read, sensor=Sensor(tag.name), taken=taken)

    def written(self, isa: str, what: str, about: str, read: ReadText, taken: Read | None = None) -> Row:
        """A text."""
        tag = self._tag(isa, what, "", None, DataType.TEXT, about, 1.0, True)
        return Row(tag, None, text=read, taken=taken)

    def _tag(self, isa: str, what: str, unit: str, span: tuple[float, float] | None, type_: DataType, about: str,
             scale: float, stepped: bool = False, labels: Mapping[int, str] | None = None) -> PlantTag:  # fmt: skip
        name = f"{self.unit}.{isa}"
        return PlantTag(name, self.server, self._address(name, what, scale), self.asset, what, unit, span, type_,
                        about, scale, stepped, labels or {})  # fmt: skip

    def _address(self, name: str, what: str, scale: float) -> str:
        match self.server:
            case "A":
                return name
            case "B":
                return f"{self.path}/{self._titled(what, scale)}"
            case "treatment":
                return f"{self.path}#/{what.replace('-', '_')}"
            case "meters":
                return f"{self.path}:{what.replace('-', ' ').capitalize()}"
            case "laboratory":
                return what if what == self.path else f"{self.path}[analysis={what}]"
            case "quality":
                return f"{self.path}.{what.replace('-', '_')}"
        return self.path  # of registers: they are counted where all of a device are known

    def _titled(self, what: str, scale: float) -> str:
        """`tray-05-temperature` as B's maker writes it below `Tray 05`: `Temperature`, for integers `(x10)`."""
        title = what.replace("-", " ").title().removeprefix(self.path.rsplit("/", 1)[-1] + " ")
        return title if scale == 1.0 else f"{title} (x{round(1 / scale)})"
