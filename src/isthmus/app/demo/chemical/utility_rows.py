# SPDX-License-Identifier: Apache-2.0
"""What is known of the utilities: boiler house, cooling water, compressed air, water treatment, weather, meters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from isthmus.app.demo.chemical.faces import REGISTERS, SIZES, small
from isthmus.app.demo.chemical.process import Process
from isthmus.app.demo.chemical.reaction_rows import of_flows, of_process
from isthmus.app.demo.chemical.rows import loop_rows, pump_rows
from isthmus.app.demo.chemical.tag import Place, Read, Row
from isthmus.app.demo.pieces.fluid import ATMOSPHERE, GRAVITY, WATER, ZERO_CELSIUS, steam_temperature
from isthmus.app.demo.pieces.reactor import gauge
from isthmus.app.demo.pieces.treatment import Treatment
from isthmus.app.demo.pieces.utilities import AirReceiver, CoolingTower, SteamHeader
from isthmus.core.tag import DataType

_UNIT = "Plant/Utilities"


def rows() -> Iterator[Row]:
    """All rows of the utilities."""
    yield from placed(1, _steam(Place("U400", "utilities/steam", "utilities")))
    yield from placed(2, _tower(Place("U400", "utilities/cooling-water", "utilities")))
    yield from placed(3, _air(Place("U400", "utilities/compressed-air", "utilities")))
    yield from placed(4, _electricity(Place("U400", "utilities/electricity", "utilities")))
    pump = Place("P411", "utilities/cooling-water-pump", "B", f"{_UNIT}/Cooling Water/Pump P-411")
    yield from pump_rows(pump, of_tower(_basin), WATER, 22.0)
    yield from _weather(Place("U400", "utilities/weather", "B", f"{_UNIT}/Weather Station"))
    yield from _treatment("utilities/water-treatment")
    yield from _energy("utilities/energy")


def placed(unit: int, rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of a Modbus device, behind one another in its registers and inputs."""
    register, bit = 0, 0
    for row in rows:
        type_ = REGISTERS.get(small(row.tag))
        address = f"{unit}/holding.{register}:{type_}" if type_ else f"{unit}/discrete.{bit}"
        register, bit = (register + SIZES[type_], bit) if type_ else (register, bit + 1)
        yield replace(row, tag=replace(row.tag, address=address))


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
    meters = Place("EM", place.asset, "B", f"{_UNIT}/Energy Meters")  # its maker put it there
    yield meters.told("XA400", "frost-warning", DataType.BOOLEAN, "", None, "outside below freezing",
                      of_process(lambda p: float(p.weather.dry < ZERO_CELSIUS)))  # fmt: skip


def _electricity(place: Place) -> Iterator[Row]:
    yield place.measured("JT450", "power", "power", "kW", (0, 150), "boiler, tower, pump and compressors",
                         of_process(lambda p: p.services))  # fmt: skip
    yield place.told("JQ450", "energy", DataType.FLOAT, "kW.h", (0, 1e9), "boiler, tower, pump and compressors",
                     of_process(_register("services")))  # fmt: skip


def of_treatment(read: Callable[[Treatment], float]) -> Read:
    return lambda state: read(state.process.plant.treatment)


def _treatment(asset: str) -> Iterator[Row]:
    water, dosing, drain = (Place("T450", asset, "treatment", f"water-treatment/{topic}")
                            for topic in ("analysis", "dosing", "blow-down"))  # fmt: skip
    yield water.measured("QT451", "conductivity", "analyser", "uS/cm", (0, 5000), "of the basin, at 25 Cel",
                         of_treatment(lambda t: t.conductivity))  # fmt: skip
    yield water.measured(
        "QT452", "acidity", "analyser", "[pH]", (0, 14), "of the basin", of_treatment(lambda t: t.acidity)
    )
    yield water.measured("QT453", "inhibitor", "analyser", "[ppm]", (0, 100), "in the basin",
                         of_treatment(lambda t: t.inhibitor))  # fmt: skip
    yield dosing.measured("FT451", "dosing-rate", "flow", "g/h", (0, 450), "inhibitor to the basin",
                          of_treatment(lambda t: t.dosed))  # fmt: skip
    yield dosing.measured("LT451", "level", "level", "%", (0, 100), "of the inhibitor's tank",
                          of_treatment(lambda t: t.level))  # fmt: skip
    yield drain.told("XS451", "open", DataType.BOOLEAN, "", None, "the valve of blow-down is open",
                     of_treatment(lambda t: float(t.open)))  # fmt: skip
    yield drain.measured("FT452", "flow", "flow", "m3/h", (0, 5), "blow-down to the drain",
                         of_treatment(lambda t: t.drained))  # fmt: skip
    yield drain.told("QIC451.SP", "setpoint", DataType.FLOAT, "uS/cm", (0, 5000), "conductivity to hold",
                     of_treatment(lambda t: t.wanted))  # fmt: skip


def _energy(asset: str) -> Iterator[Row]:
    electricity, heat, flows = (Place("EM", asset, "meters", f"antwerp/energy/{device}")
                                for device in ("electricity", "heat", "flows"))  # fmt: skip

    def total(place: Place, isa: str, what: str, unit: str, about: str, meter: str) -> Row:
        return place.told(isa, what, DataType.FLOAT, unit, (0, 1e9), about, of_process(_register(meter)))

    yield electricity.measured("JT400", "site-power", "power", "kW", (0, 300), "whole site",
                               of_process(lambda p: p.electricity))  # fmt: skip
    yield total(electricity, "JQ400", "electricity-total", "kW.h", "whole site", "electricity")
    yield total(electricity, "JQ401", "pumps-electricity-total", "kW.h", "all pumps", "pumps")
    yield electricity.told("JQ402", "electricity-day", DataType.FLOAT, "kW.h", (0, 1e5), "whole site, today",
                           lambda s: s.books.power.since)  # fmt: skip
    yield total(heat, "JQ410", "cooling-total", "kW.h", "heat to the cooling water", "cooling")
    yield total(heat, "JQ420", "reaction-total", "kW.h", "set free in the reactors, calculated", "reaction")
    yield total(flows, "FQ400", "steam-total", "[lb_av]", "steam used", "steam")
    yield total(flows, "FQ410", "gas-total", "[lb_av]", "natural gas burnt", "fuel")
    yield total(flows, "FQ420", "air-total", "[lb_av]", "compressed air used", "air")
    yield total(flows, "FQ430", "makeup-total", "[lb_av]", "town water to the tower", "makeup")


def _register(meter: str) -> Callable[[Process], float]:
    return lambda process: process.meters[meter].total
