# SPDX-License-Identifier: Apache-2.0
"""What server B offers of the utilities: boiler house, cooling water, compressed air, weather, energy meters."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from isthmus.app.demo.chemical.process import Process
from isthmus.app.demo.chemical.reaction_rows import of_flows, of_process
from isthmus.app.demo.chemical.rows import loop_rows, pump_rows
from isthmus.app.demo.chemical.tag import Place, Read, Row
from isthmus.app.demo.pieces.fluid import ATMOSPHERE, GRAVITY, WATER, ZERO_CELSIUS, steam_temperature
from isthmus.app.demo.pieces.reactor import gauge
from isthmus.app.demo.pieces.utilities import AirReceiver, CoolingTower, SteamHeader
from isthmus.core.tag import DataType

_UNIT = "Plant/Utilities"


def rows() -> Iterator[Row]:
    """All rows of the utilities."""
    yield from _steam(Place("U400", "utilities/steam", "B", f"{_UNIT}/Boiler House"))
    yield from _tower(Place("U400", "utilities/cooling-water", "B", f"{_UNIT}/Cooling Water"))
    pump = Place("P411", "utilities/cooling-water-pump", "B", f"{_UNIT}/Cooling Water/Pump P-411")
    yield from pump_rows(pump, of_tower(_basin), WATER, 22.0)
    yield from _air(Place("U400", "utilities/compressed-air", "B", f"{_UNIT}/Compressed Air"))
    yield from _weather(Place("U400", "utilities/weather", "B", f"{_UNIT}/Weather Station"))
    yield from _energy(Place("EM", "utilities/energy", "B", f"{_UNIT}/Energy Meters"))


def _basin(tower: CoolingTower) -> float:
    return ATMOSPHERE + WATER.density * GRAVITY * 2.0 * tower.level


def of_tower(read: Callable[[CoolingTower], float]) -> Read:
    return lambda state: read(state.process.plant.tower)


def of_steam(read: Callable[[SteamHeader], float]) -> Read:
    return lambda state: read(state.process.plant.steam)


def of_air(read: Callable[[AirReceiver], float]) -> Read:
    return lambda state: read(state.process.plant.air)


def _oxygen(header: SteamHeader) -> float:
    """Fraction in the flue gas: more excess air at low fire."""
    return 0.028 + 0.045 * (1 - header.fire) ** 2 if header.fire > 0.03 else 0.209


def _steam(place: Place) -> Iterator[Row]:
    yield place.measured("PT401", "header-pressure", "pressure", "[psi]", (0, 200), "absolute",
                         of_steam(lambda h: h.pressure), scale=0.1)  # fmt: skip
    yield place.measured("TT401", "header-temperature", "temperature", "[degF]", (100, 450), "saturated",
                         of_steam(lambda h: steam_temperature(h.pressure)))  # fmt: skip
    yield place.measured("FT401", "steam-flow", "flow", "[lb_av]/h", (0, 10000), "from the boiler",
                         of_steam(lambda h: h.made))  # fmt: skip
    yield place.measured("FT402", "gas-flow", "flow", "[lb_av]/h", (0, 600), "natural gas",
                         of_steam(lambda h: h.fuel))  # fmt: skip
    yield place.measured("ST401", "firing-rate", "power", "%", (0, 100), "burner", of_steam(lambda h: h.fire), 0.1)
    yield place.measured("AT401", "flue-oxygen", "analyser", "%", (0, 25), "in the flue gas", of_steam(_oxygen))
    yield place.measured("TT402", "flue-temperature", "temperature", "[degF]", (30, 700), "after the economiser",
                         of_steam(lambda h: 393.0 + 75.0 * h.fire), scale=0.1)  # fmt: skip
    yield from loop_rows(place, "PIC401", "header-pressure", "[psi]", (0, 200))


def _tower(place: Place) -> Iterator[Row]:
    yield place.measured("TT411", "supply-temperature", "temperature", "[degF]", (30, 130), "to the plant",
                         of_tower(lambda t: t.temperature), scale=0.1)  # fmt: skip
    yield place.measured("TT412", "return-temperature", "temperature", "[degF]", (30, 180), "from the plant",
                         of_tower(lambda t: t.returned), scale=0.1)  # fmt: skip
    yield place.measured("FT411", "supply-flow", "flow", "[gal_us]/min", (0, 700), "to the plant",
                         of_flows(lambda f: f.water))  # fmt: skip
    yield place.measured("PT411", "supply-pressure", "pressure", "[psi]", (0, 80), "gauge, header",
                         of_flows(lambda f: gauge(f.header)))  # fmt: skip
    yield place.measured("LT411", "basin-level", "level", "%", (0, 110), "basin", of_tower(lambda t: t.level))
    yield place.measured("FT412", "makeup-flow", "flow", "[gal_us]/min", (0, 30), "town water",
                         of_tower(lambda t: t.makeup))  # fmt: skip
    yield place.measured("ST411", "fan-speed", "power", "%", (0, 100), "of the tower", of_tower(lambda t: t.fan), 0.1)
    yield place.measured("JT412", "fan-power", "power", "kW", (0, 30), "of the tower", of_tower(lambda t: t.fan_power))
    yield from loop_rows(place, "TIC411", "supply-temperature", "[degF]", (30, 130))


def _air(place: Place) -> Iterator[Row]:
    yield place.measured("PT421", "receiver-pressure", "pressure", "[psi]", (0, 160), "gauge",
                         of_air(lambda a: gauge(a.pressure)), scale=0.1)  # fmt: skip
    yield place.measured("FT421", "air-flow", "flow", "[lb_av]/h", (0, 1500), "to the plant", of_air(lambda a: a.drawn))
    yield place.measured("MT421", "dew-point", "slow", "[degF]", (-80, 60), "after the dryer",
                         of_air(lambda a: 233.0 + 90.0 * a.drawn))  # fmt: skip
    for i in (0, 1):
        yield place.told(f"XS42{i + 1}", f"compressor-{i + 1}-loaded", DataType.BOOLEAN, "", None, "loaded, else idle",
                         of_air(_loaded(i)))  # fmt: skip
        yield place.measured(f"JT42{i + 1}", f"compressor-{i + 1}-power", "power", "kW", (0, 45), "from the mains",
                             of_air(_power(i)))  # fmt: skip
        yield place.told(f"KQ42{i + 1}", f"compressor-{i + 1}-hours", DataType.FLOAT, "h", (0, 1e6), "hours run",
                         of_air(_run(i)))  # fmt: skip


def _loaded(i: int) -> Callable[[AirReceiver], float]:
    return lambda air: float(air.loaded[i])


def _power(i: int) -> Callable[[AirReceiver], float]:
    return lambda air: air.power[i]


def _run(i: int) -> Callable[[AirReceiver], float]:
    return lambda air: air.seconds_run[i]


def _weather(place: Place) -> Iterator[Row]:
    yield place.measured("TT001", "outside-temperature", "slow", "[degF]", (-40, 120), "dry bulb",
                         of_process(lambda p: p.weather.dry))  # fmt: skip
    yield place.measured("TT002", "wet-bulb-temperature", "slow", "[degF]", (-40, 120), "wet bulb",
                         of_process(lambda p: p.weather.wet))  # fmt: skip
    yield place.measured("MT001", "humidity", "slow", "%", (0, 100), "relative",
                         of_process(lambda p: p.weather.humidity))  # fmt: skip


def _energy(place: Place) -> Iterator[Row]:
    def total(isa: str, what: str, unit: str, about: str, meter: str) -> Row:
        return place.told(isa, what, DataType.FLOAT, unit, (0, 1e9), about, of_process(_register(meter)))

    yield place.measured("JT400", "site-power", "power", "kW", (0, 300), "whole site",
                         of_process(lambda p: p.electricity))  # fmt: skip
    yield total("JQ400", "electricity-total", "kW.h", "whole site", "electricity")
    yield total("JQ401", "pumps-electricity-total", "kW.h", "all pumps", "pumps")
    yield total("JQ410", "cooling-total", "kW.h", "heat to the cooling water", "cooling")
    yield total("JQ420", "reaction-heat-total", "kW.h", "set free in the reactors, calculated", "reaction")
    yield total("FQ400", "steam-total", "[lb_av]", "steam used", "steam")
    yield total("FQ410", "gas-total", "[lb_av]", "natural gas burnt", "fuel")
    yield total("FQ420", "air-total", "[lb_av]", "compressed air used", "air")
    yield total("FQ430", "makeup-total", "[lb_av]", "town water to the tower", "makeup")
    yield place.told("JQ402", "electricity-day", DataType.FLOAT, "kW.h", (0, 1e5), "whole site, today",
                     lambda s: s.books.power.since)  # fmt: skip
    yield place.told("XA400", "frost-warning", DataType.BOOLEAN, "", None, "outside below freezing",
                     of_process(lambda p: float(p.weather.dry < ZERO_CELSIUS)))  # fmt: skip


def _register(meter: str) -> Callable[[Process], float]:
    return lambda process: process.meters[meter].total
