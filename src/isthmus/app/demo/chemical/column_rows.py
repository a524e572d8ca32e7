# SPDX-License-Identifier: Apache-2.0
"""What server B offers of the distillation unit: column, its pumps, condenser, reboiler, product cooler."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from isthmus.app.demo.chemical.equipment import LIQUID
from isthmus.app.demo.chemical.flows import Flows
from isthmus.app.demo.chemical.reaction_rows import of_flows, of_process
from isthmus.app.demo.chemical.rows import loop_rows, pump_rows, valve_row
from isthmus.app.demo.chemical.tag import Place, Read, Row
from isthmus.app.demo.pieces.column import Column
from isthmus.app.demo.pieces.fluid import GRAVITY
from isthmus.app.demo.pieces.reactor import gauge
from isthmus.core.tag import DataType

_UNIT = "Plant/Distillation Unit"


def rows() -> Iterator[Row]:
    """All rows of the distillation unit."""
    place = Place("C301", "distillation/column", "B", f"{_UNIT}/Column C-301")
    yield from _temperatures()
    yield from _pressures(place)
    yield from _flows(place)
    yield from _loops(place)
    yield from _cooler()
    drum, sump = of_column(_drum_head), of_column(_sump_head)
    for number, what, suction, power in (
        ("P301", "Reflux", drum, 2.5), ("P302", "Distillate", drum, 2.0), ("P303", "Bottoms", sump, 1.0),
    ):  # fmt: skip
        pump = Place(number, f"distillation/{what.lower()}-pump", "B", f"{_UNIT}/{what} Pump P-{number[1:]}")
        yield from pump_rows(pump, suction, LIQUID, power)


def of_column(read: Callable[[Column], float]) -> Read:
    return lambda state: read(state.process.plant.column)


def _drum_head(column: Column) -> float:
    return column.top_pressure + LIQUID.density * GRAVITY * 4.0


def _sump_head(column: Column) -> float:
    return column.top_pressure + column.drop + LIQUID.density * GRAVITY * 3.5


def _temperatures() -> Iterator[Row]:
    names = ["Reflux Drum", *(f"Tray {i:02d}" for i in range(1, 13)), "Sump"]
    for i, name in enumerate(names):
        place = Place("C301", "distillation/column", "B", f"{_UNIT}/Column C-301/{name}")
        what = f"{name.lower().replace(' ', '-')}-temperature"
        row = place.measured(f"TT{300 + i}", what, "temperature", "[degF]", (30, 330), f"liquid, {name.lower()}",
                             of_column(_temperature(i)), scale=0.1)  # fmt: skip
        yield row


def _temperature(i: int) -> Callable[[Column], float]:
    return lambda column: column.temperatures[i]


def _pressures(place: Place) -> Iterator[Row]:
    yield place.measured("PT301", "top-pressure", "pressure", "[psi]", (0, 30), "absolute, above the top tray",
                         of_column(lambda c: c.top_pressure), scale=0.01)  # fmt: skip
    yield place.measured("PT302", "bottom-pressure", "pressure", "[psi]", (-5, 25), "gauge, below the last tray",
                         of_column(lambda c: gauge(c.top_pressure + c.drop)))  # fmt: skip
    yield place.measured("PDT301", "pressure-drop", "pressure", "[psi]", (0, 3), "over all trays",
                         of_column(lambda c: c.drop), scale=0.001)  # fmt: skip
    yield place.measured("LT301", "drum-level", "level", "%", (0, 100), "reflux drum",
                         of_column(lambda c: c.drum_level), scale=0.1)  # fmt: skip
    yield place.measured("LT302", "sump-level", "level", "%", (0, 100), "sump",
                         of_column(lambda c: c.sump_level), scale=0.1)  # fmt: skip
    yield place.measured("AT301", "distillate-product", "analyser", "%", (80, 100), "product, gas chromatograph",
                         of_column(lambda c: c.liquid[0]))  # fmt: skip


def _flows(place: Place) -> Iterator[Row]:
    def pounds(isa: str, what: str, most: float, about: str, read: Callable[[Flows], float]) -> Row:
        return place.measured(isa, what, "flow", "[lb_av]/h", (0, most), about, of_flows(read))

    yield pounds("FT300", "feed-flow", 20000, "from reactor 2", lambda f: f.feed)
    yield pounds("FT301", "reflux-flow", 25000, "to the top tray", lambda f: f.reflux)
    yield pounds("FT302", "distillate-flow", 15000, "to storage", lambda f: f.distillate)
    yield pounds("FT303", "bottoms-flow", 8000, "to the recycle tank", lambda f: f.bottoms)
    yield pounds("FT304", "steam-flow", 6000, "to the reboiler", lambda f: f.reboiler)
    yield place.measured("FT305", "condenser-water-flow", "flow", "[gal_us]/min", (0, 900), "cooling water",
                         of_flows(lambda f: f.condenser_water))  # fmt: skip
    yield place.measured("TT315", "condenser-water-outlet", "temperature", "[degF]", (30, 230), "cooling water",
                         of_column(lambda c: c.condenser.water_out))  # fmt: skip
    yield place.told("JY301", "condenser-duty", DataType.FLOAT, "[Btu_IT]/h", (0, 6e6), "calculated",
                     of_column(lambda c: c.condenser.duty))  # fmt: skip
    yield place.told("JY302", "reboiler-duty", DataType.FLOAT, "[Btu_IT]/h", (0, 6e6), "calculated",
                     of_column(lambda c: c.reboil))  # fmt: skip


def _loops(place: Place) -> Iterator[Row]:
    yield from loop_rows(place, "FIC301", "reflux-flow", "[lb_av]/h", (0, 25000))
    yield from loop_rows(place, "FIC304", "steam-flow", "[lb_av]/h", (0, 6000))
    yield from loop_rows(place, "TIC301", "tray-09-temperature", "[degF]", (30, 330))
    yield from loop_rows(place, "PIC301", "top-pressure", "[psi]", (0, 30))
    yield from loop_rows(place, "LIC301", "drum-level", "%", (0, 100))
    yield from loop_rows(place, "LIC302", "sump-level", "%", (0, 100))
    for valve, what in (
        ("FV301", "reflux-valve"), ("LV301", "distillate-valve"), ("LV302", "bottoms-valve"),
        ("FV304", "steam-valve"), ("PV301", "condenser-valve"),
    ):  # fmt: skip
        yield valve_row(place, valve, what)


def _cooler() -> Iterator[Row]:
    place = Place("E302", "distillation/product-cooler", "B", f"{_UNIT}/Product Cooler E-302")

    def fahrenheit(isa: str, what: str, about: str, read: Read) -> Row:
        return place.measured(isa, what, "temperature", "[degF]", (30, 230), about, read)

    yield fahrenheit("TT321", "product-inlet", "distillate before", of_column(lambda c: c.temperatures[0]))
    yield fahrenheit("TT322", "product-outlet", "distillate after", of_process(lambda p: p.cooled))
    yield fahrenheit("TT323", "water-inlet", "cooling water before", of_process(lambda p: p.plant.tower.temperature))
    yield fahrenheit("TT324", "water-outlet", "cooling water after", of_process(lambda p: p.plant.cooler.cold_out))
    yield place.measured("FT321", "water-flow", "flow", "[gal_us]/min", (0, 200), "cooling water",
                         of_flows(lambda f: f.cooler_water))  # fmt: skip
    yield place.measured("PDT321", "product-pressure-drop", "pressure", "[psi]", (0, 30), "of the distillate",
                         of_process(lambda p: p.plant.cooler.drop(p.flows.distillate, 0.85)), scale=0.01)  # fmt: skip
    yield from loop_rows(place, "TIC302", "product-outlet", "[degF]", (30, 230))
    yield valve_row(place, "TV302", "water-valve")
