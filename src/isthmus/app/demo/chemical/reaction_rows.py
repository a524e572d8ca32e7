# SPDX-License-Identifier: Apache-2.0
"""What server A offers: feed tanks, their pumps, economiser, both reactors, product storage, laboratory, production."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from isthmus.app.demo.chemical.equipment import LIQUID
from isthmus.app.demo.chemical.flows import Flows
from isthmus.app.demo.chemical.operation import GRADES, Phase
from isthmus.app.demo.chemical.process import Process
from isthmus.app.demo.chemical.rows import loop_rows, pump_rows, tank_rows, valve_row
from isthmus.app.demo.chemical.tag import Place, Read, Row
from isthmus.app.demo.pieces.reactor import Reactor, gauge
from isthmus.core.tag import DataType

_PHASES = {phase.value: phase.name.lower().replace("_", "-") for phase in Phase}
_GRADES = {grade.number: grade.name for grade in GRADES.values()}


def rows() -> Iterator[Row]:
    """All rows of server A."""
    yield from _feed("101", "reactant", 110, 2.0, 5000, lambda f: f.fresh)
    yield from _feed("102", "catalyst", 6, 0.5, 100, lambda f: f.catalyst)
    yield from _feed("103", "recycle", 14, 1.0, 3000, lambda f: f.recycle)
    yield from loop_rows(Place("T103", "feed/recycle-tank"), "LIC103", "level", "%", (0, 100))
    yield from _economiser()
    yield from _reactor(Place("R1", "reaction/reactor-1"), 200, 0)
    yield from _reactor(Place("R2", "reaction/reactor-2"), 210, 1)
    yield from _transfer(Place("P201", "reaction/transfer-pump"), "R1", lambda f: f.between, "reactor 1 to reactor 2")
    yield from _transfer(Place("P202", "reaction/column-feed-pump"), "R2", lambda f: f.feed, "reactor 2 to column")
    yield from tank_rows(Place("T401", "storage/product-tank"), "401", 110, _lorry("T401"))
    yield from _production(Place("PRD", "production"))


def of_process(read: Callable[[Process], float]) -> Read:
    return lambda state: read(state.process)


def of_flows(read: Callable[[Flows], float]) -> Read:
    return lambda state: read(state.process.flows)


def _lorry(tank: str) -> Read:
    return lambda state: state.process.logistics.berths[tank].now


def _head(tank: str) -> Read:
    return lambda state: state.process.plant.tanks[tank].head


def _feed(
    number: str, what: str, contents: float, power: float, most: float, flow: Callable[[Flows], float]
) -> Iterator[Row]:
    tank, pump = Place(f"T{number}", f"feed/{what}-tank"), Place(f"P{number}", f"feed/{what}-pump")
    span = (0.0, most)
    yield from tank_rows(tank, number, contents, None if number == "103" else _lorry(tank.unit))
    yield tank.measured(f"FT{number}", "outflow", "flow", "kg/h", span, f"{what} to reactor 1", of_flows(flow))
    yield from loop_rows(tank, f"FIC{number}", "outflow", "kg/h", span)
    yield valve_row(tank, f"FV{number}", "outflow-valve")
    yield from pump_rows(pump, _head(tank.unit), LIQUID, power)


def _economiser() -> Iterator[Row]:
    place, warm = Place("E101", "feed/economiser"), (0.0, 150.0)

    def celsius(isa: str, what: str, about: str, read: Callable[[Process], float]) -> Row:
        return place.measured(isa, what, "temperature", "Cel", warm, about, of_process(read))

    yield celsius("TT111", "cold-inlet-temperature", "reactant before", lambda p: p.plant.tanks["T101"].temperature)
    yield celsius("TT112", "cold-outlet-temperature", "reactant after", lambda p: p.preheated)
    yield celsius("TT113", "hot-inlet-temperature", "bottoms before", lambda p: p.plant.column.temperatures[-1])
    yield celsius("TT114", "hot-outlet-temperature", "bottoms after", lambda p: p.returned)
    yield place.measured("PDT111", "cold-pressure-drop", "pressure", "kPa", (0, 150), "of the reactant",
                         of_process(lambda p: p.plant.economiser.drop(p.flows.fresh, 0.8)))  # fmt: skip
    yield place.told("JY111", "duty", DataType.FLOAT, "kW", (0, 200), "heat passed to the reactant, calculated",
                     of_process(lambda p: p.plant.economiser.duty))  # fmt: skip


def _reactor(place: Place, base: int, which: int) -> Iterator[Row]:
    def tank(read: Callable[[Reactor], float]) -> Read:
        return lambda state: read(state.process.plant.reactors[place.unit])

    def celsius(offset: int, what: str, about: str, read: Read) -> Row:
        return place.measured(f"TT{base + offset}", what, "temperature", "Cel", (0, 150), about, read)

    yield celsius(1, "temperature", "of the contents", tank(lambda r: r.temperature))
    yield celsius(3, "temperature-b", "of the contents, second thermometer", tank(lambda r: r.temperature - 0.15))
    yield celsius(2, "jacket-temperature", "of the water in the jacket", tank(lambda r: r.jacket.temperature))
    yield celsius(
        4, "jacket-inlet-temperature", "of the cooling water", of_process(lambda p: p.plant.tower.temperature)
    )
    yield place.measured(f"PT{base + 1}", "pressure", "pressure", "bar", (0, 6), "gauge, in the head space",
                         tank(lambda r: gauge(r.pressure)))  # fmt: skip
    yield place.measured(f"LT{base + 1}", "level", "level", "%", (0, 100), "level", tank(lambda r: r.level))
    yield place.measured(f"FT{base + 2}", "jacket-water-flow", "flow", "kg/h", (0, 14000), "cooling water",
                         of_flows(lambda f: f.jacket_water[which]))  # fmt: skip
    yield place.measured(f"FT{base + 3}", "jacket-steam-flow", "flow", "kg/h", (0, 1200), "steam to the jacket",
                         of_flows(lambda f: f.jacket_steam[which]))  # fmt: skip
    yield place.measured(f"AT{base + 1}", "product-fraction", "analyser", "%", (0, 100), "product, near infrared",
                         tank(lambda r: r.product))  # fmt: skip
    yield place.measured(f"JT{base + 1}", "agitator-power", "power", "kW", (0, 5), "agitator",
                         tank(lambda r: r.agitator_power))  # fmt: skip
    yield place.told(f"XS{base + 1}", "agitator-running", DataType.BOOLEAN, "", None, "agitator runs",
                     tank(lambda r: float(r.agitator)))  # fmt: skip
    yield place.told(f"JY{base + 1}", "reaction-heat", DataType.FLOAT, "kW", (0, 500),
                     "set free by the reaction, calculated", tank(lambda r: r.released))  # fmt: skip
    yield place.told(f"JY{base + 2}", "jacket-duty", DataType.FLOAT, "kW", (-500, 500),
                     "heat from vessel to jacket, calculated", tank(lambda r: r.jacket.duty))  # fmt: skip
    yield from loop_rows(place, f"TIC{base + 1}", "temperature", "Cel", (0, 150))
    yield from loop_rows(place, f"TIC{base + 2}", "jacket-temperature", "Cel", (0, 150))
    yield from loop_rows(place, f"LIC{base + 1}", "level", "%", (0, 100))
    yield valve_row(place, f"TV{base + 1}", "cooling-valve")
    yield valve_row(place, f"TV{base + 2}", "steam-valve")


def _transfer(place: Place, reactor: str, flow: Callable[[Flows], float], about: str) -> Iterator[Row]:
    number = {"R1": "201", "R2": "211"}[reactor]
    yield place.measured(f"FT{number}", "flow", "flow", "kg/h", (0, 9000), about, of_flows(flow))
    yield valve_row(place, f"LV{number}", "level-valve")
    yield from pump_rows(place, of_process(lambda p: p.plant.reactors[reactor].head), LIQUID, 2.0)


def _production(place: Place) -> Iterator[Row]:
    def mass(isa: str, what: str, about: str, read: Read) -> Row:
        return place.told(isa, what, DataType.FLOAT, "kg", (0, 1e9), about, read)

    yield mass("FQ101", "reactant-total", "reactant used", of_process(lambda p: p.meters["fresh"].register))
    yield mass("FQ102", "catalyst-total", "catalyst used", of_process(lambda p: p.meters["catalyst"].register))
    yield mass("FQ401", "product-total", "product made", of_process(lambda p: p.meters["product"].register))
    yield mass("FQ402", "product-shift", "product made in this shift", lambda s: s.books.shift.since)
    yield mass("FQ403", "product-day", "product made today", lambda s: s.books.day.since)
    yield mass("FQ404", "product-lot", "product made of this lot", lambda s: s.books.lot.since)
    yield mass("FQ405", "good-product-day", "product within its purity, today", lambda s: s.books.good.since)
    yield place.told("NQ401", "lots", DataType.UNSIGNED, "", (0, 1e8), "lots finished",
                     lambda s: s.books.lots.register)  # fmt: skip
    yield place.told("NQ101", "lorries-in", DataType.UNSIGNED, "", (0, 1e8), "lorries of reactant unloaded",
                     of_process(lambda p: p.logistics.berths["T101"].lorries.register))  # fmt: skip
    yield place.told("NQ402", "lorries-out", DataType.UNSIGNED, "", (0, 1e8), "lorries of product loaded",
                     of_process(lambda p: p.logistics.berths["T401"].lorries.register))  # fmt: skip
    yield place.told("KQ401", "hours-producing-day", DataType.FLOAT, "h", (0, 24), "at full production today",
                     lambda s: s.books.running.since)  # fmt: skip
    yield place.told("US401", "phase", DataType.ENUMERATION, "", None, "what the plant is doing",
                     lambda s: float(s.operation.phase), _PHASES)  # fmt: skip
    yield place.told("US402", "grade-number", DataType.ENUMERATION, "", None, "grade being made",
                     lambda s: float(s.operation.grade.number), _GRADES)  # fmt: skip
    yield place.told("US403", "shift-number", DataType.ENUMERATION, "", None, "shift on duty",
                     lambda s: float(s.books.number), {1: "morning", 2: "late", 3: "night"})  # fmt: skip
    yield place.told("US404", "trips", DataType.UNSIGNED, "", (0, 1e6), "trips of the reactors since commissioning",
                     lambda s: float(s.operation.trips))  # fmt: skip
    yield place.written("UN402", "grade", "name of the grade being made", lambda s: s.operation.grade.name)
    yield place.written("UN403", "crew", "crew on duty", lambda s: s.books.crew)
    yield place.written("UN404", "lot", "number of the lot being made", lambda s: s.books.lot_name)
