# SPDX-License-Identifier: Apache-2.0
"""The physics of the plant: one step takes every piece from one moment to the next, with the same flows at both ends.

Order of a step: valves move, flows are found, vessels advance, pumps feel their flows, meters add up. Nothing here
measures or controls.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from isthmus.app.demo.chemical.equipment import LIQUID, Equipment
from isthmus.app.demo.chemical.flows import Flows, solve
from isthmus.app.demo.chemical.logistics import Logistics
from isthmus.app.demo.chemical.weather import Weather
from isthmus.app.demo.pieces.account import Account
from isthmus.app.demo.pieces.column import Column
from isthmus.app.demo.pieces.fluid import GRAVITY, WATER, Stream, steam_latent_heat
from isthmus.app.demo.pieces.meter import Meter
from isthmus.app.demo.pieces.reactor import Reactor
from isthmus.app.demo.pieces.tank import Tank

_METERS = ("fresh", "catalyst", "product", "recycle", "steam", "fuel", "air", "makeup", "electricity", "cooling",
           "reaction", "pumps", "services")  # fmt: skip
_TOWN = 284.0
"""K of the town main."""


@dataclass(slots=True)
class Process:
    """All equipment with its weather, its lorries, its meters and its boundary."""

    plant: Equipment
    weather: Weather
    logistics: Logistics
    flows: Flows = field(default_factory=Flows)
    preheated: float = 290.0
    """K of the fresh reactant after the economiser."""
    cooled: float = 305.0
    """K of the distillate after its cooler."""
    returned: float = 310.0
    """K of the bottoms after the economiser."""
    electricity: float = 0.0
    """W of the whole site."""
    services: float = 0.0
    """W of boiler, cooling tower, cooling-water pump and compressors."""
    air_demand: float = 0.05
    """kg/s of the instruments."""
    meters: dict[str, Meter] = field(default_factory=lambda: {name: Meter() for name in _METERS})
    moment: float = 0.0
    """s since 1970-01-01 UTC of the process."""
    weight: Account = field(default_factory=Account)
    heat: Account = field(default_factory=Account)
    """What crossed the plant's fence: kg of reactant and product, J of everything."""

    @property
    def hour(self) -> float:
        """Of the day, UTC."""
        return self.moment / 3600.0 % 24.0

    @property
    def mass(self) -> float:
        """kg of reactant and product inside."""
        plant = self.plant
        vessels: list[Tank | Reactor | Column] = [*plant.tanks.values(), *plant.reactors.values(), plant.column]
        return sum(vessel.mass for vessel in vessels)

    @property
    def energy(self) -> float:
        """J inside, of liquids, jackets and cooling water."""
        plant = self.plant
        held = sum(tank.energy for tank in plant.tanks.values()) + plant.column.energy + plant.tower.energy
        return held + sum(reactor.energy + reactor.jacket.energy for reactor in plant.reactors.values())

    def step(self, dt: float) -> None:
        """`dt` s, at most 30."""
        plant = self.plant
        air = min(max((plant.air.pressure - 3.5e5) / 1.5e5, 0.0), 1.0)
        for valve in plant.valves.values():
            valve.air = air
            valve.step(dt)
        self.moment += dt
        self.weather.step(dt, self.moment)
        self.flows = solve(plant)
        self._advance(dt)
        self._turn(dt)
        self._meter(dt)
        self.logistics.step(dt, plant.tanks, self.hour)

    def _advance(self, dt: float) -> None:
        """The vessels, from their states at the start of the step."""
        plant, flows, ambient = self.plant, self.flows, self.weather.dry
        tanks, latent = plant.tanks, steam_latent_heat(plant.steam.pressure)
        fresh, catalyst = (self.logistics.incoming(name, dt, ambient) for name in ("T101", "T102"))
        shipped = tanks["T401"].outlet(self.logistics.outgoing(dt))
        bottoms, distillate = self._exchange()
        streams = self._between()
        tanks["T101"].step(dt, [fresh], flows.fresh, ambient)
        tanks["T102"].step(dt, [catalyst], flows.catalyst, ambient)
        tanks["T103"].step(dt, [bottoms], flows.recycle, ambient)
        tanks["T401"].step(dt, [distillate], shipped.flow, ambient)
        warmed = self._react(dt, streams, latent)
        plant.column.step(dt, streams[-1], flows.reflux, flows.distillate, flows.bottoms, flows.reboiler * latent,
                          flows.condenser_water, plant.tower.temperature, ambient)  # fmt: skip
        warmed += plant.column.condenser.duty + plant.cooler.duty
        drained = plant.treatment.step(dt, plant.tower.held, plant.tower.makeup, plant.tower.temperature)
        plant.tower.step(dt, flows.water, warmed, self.weather.wet, _TOWN, drained)
        self.meters["cooling"].step(dt, warmed)
        plant.air.step(dt, self.air_demand)
        self._fence(dt, [fresh, catalyst], shipped, flows.steam * latent)
        plant.steam.step(dt, flows.steam)

    def _exchange(self) -> tuple[Stream, Stream]:
        """Bottoms warm the fresh reactant; cooling water cools the distillate. What goes on to the tanks."""
        plant, flows, capacity = self.plant, self.flows, LIQUID.heat_capacity
        bottoms, distillate = plant.column.bottoms(flows.bottoms), plant.column.distillate(flows.distillate)
        cold = plant.tanks["T101"].temperature
        plant.economiser.exchange(bottoms.flow, bottoms.temperature, capacity, flows.fresh, cold, capacity)
        water = plant.tower.temperature
        plant.cooler.exchange(
            distillate.flow, distillate.temperature, capacity, flows.cooler_water, water, WATER.heat_capacity
        )
        self.preheated, self.returned = plant.economiser.cold_out, plant.economiser.hot_out
        self.cooled = plant.cooler.hot_out
        return bottoms._replace(temperature=self.returned), distillate._replace(temperature=self.cooled)

    def _between(self) -> list[Stream]:
        """Fresh reactant, catalyst, recycle, R1 to R2, R2 to column."""
        tanks, reactors, flows = self.plant.tanks, self.plant.reactors, self.flows
        return [
            tanks["T101"].outlet(flows.fresh)._replace(temperature=self.preheated),
            tanks["T102"].outlet(flows.catalyst),
            tanks["T103"].outlet(flows.recycle),
            reactors["R1"].outlet(flows.between),
            reactors["R2"].outlet(flows.feed),
        ]

    def _react(self, dt: float, streams: list[Stream], latent: float) -> float:
        """Both reactors with their jackets; returns W that the cooling water took."""
        flows, water, warmed = self.flows, self.plant.tower.temperature, 0.0
        feeds, leaving = (streams[:3], streams[3:4]), (flows.between, flows.feed)
        for i, reactor in enumerate(self.plant.reactors.values()):
            coolant = flows.jacket_water[i]
            duty = reactor.jacket.step(dt, reactor.temperature, coolant, water, flows.jacket_steam[i] * latent)
            warmed += coolant * WATER.heat_capacity * (reactor.jacket.temperature - water)
            reactor.step(dt, feeds[i], leaving[i], duty, self.weather.dry)
        return warmed

    def _fence(self, dt: float, brought: list[Stream], shipped: Stream, steam: float) -> None:
        """Books what crossed the plant's fence in this step."""
        plant = self.plant
        tanks, reactors, tower = plant.tanks.values(), plant.reactors.values(), plant.tower
        lost = sum(tank.lost for tank in tanks)
        dissipated = sum(tank.dissipated for tank in tanks) + sum(reactor.dissipated for reactor in reactors)
        dissipated += plant.column.dissipated
        added = sum(LIQUID.carried(stream) for stream in brought) + sum(reactor.stirred for reactor in reactors)
        added += steam + tower.makeup * WATER.enthalpy(_TOWN, 0.0)
        self.weight.book(dt * sum(stream.flow for stream in brought), dt * (shipped.flow + lost))
        self.heat.book(dt * added, dt * (LIQUID.carried(shipped) + dissipated + tower.rejected + tower.carried))

    def _turn(self, dt: float) -> None:
        """Pumps with the flow and the suction head they have."""
        plant, flows, ambient = self.plant, self.flows, self.weather.dry
        reactors, weight = plant.reactors, LIQUID.density * GRAVITY
        suction = {
            "P101": (flows.fresh, self._npsh("T101")),
            "P102": (flows.catalyst, self._npsh("T102")),
            "P103": (flows.recycle, self._npsh("T103")),
            "P201": (flows.between, reactors["R1"].pad / weight + 2.0 * reactors["R1"].level),
            "P202": (flows.feed, reactors["R2"].pad / weight + 2.0 * reactors["R2"].level),
            "P301": (flows.reflux, 4.0 + 1.2 * plant.column.drum_level),
            "P302": (flows.distillate, 4.0 + 1.2 * plant.column.drum_level),
            "P303": (flows.bottoms, 3.5 + 1.5 * plant.column.sump_level),
            "P411": (flows.water, 10.3 + 2.0 * plant.tower.level),
        }
        for name, (flow, npsh) in suction.items():
            plant.pumps[name].step(dt, flow, npsh, ambient + 6.0)

    def _npsh(self, tank: str) -> float:
        """m above vapour pressure at a tank's outlet."""
        vessel = self.plant.tanks[tank]
        vapour = LIQUID.vapour_pressure(vessel.product, vessel.temperature)
        return (vessel.head - vapour) / (LIQUID.density * GRAVITY)

    def _meter(self, dt: float) -> None:
        plant, flows = self.plant, self.flows
        pumps = sum(pump.power for pump in plant.pumps.values())
        stirring = sum(reactor.agitator_power for reactor in plant.reactors.values())
        lights = 14e3 if 6 <= self.hour < 20 else 21e3
        blower = 4.5e3 * plant.steam.fire
        self.services = plant.pumps["P411"].power + plant.tower.fan_power + sum(plant.air.power) + blower
        self.electricity = self.services + pumps - plant.pumps["P411"].power + stirring + lights
        released = sum(reactor.released for reactor in plant.reactors.values())
        rates = {
            "fresh": flows.fresh, "catalyst": flows.catalyst, "product": flows.distillate, "recycle": flows.recycle,
            "steam": flows.steam, "fuel": plant.steam.fuel, "air": plant.air.drawn, "makeup": plant.tower.makeup,
            "electricity": self.electricity, "reaction": released, "pumps": pumps,
            "services": self.services,
        }  # fmt: skip
        for name, rate in rates.items():
            self.meters[name].step(dt, rate)


def streams(seed: int) -> tuple[np.random.Generator, ...]:
    """Independent random streams of one seed: weather, lorries, laboratory, instruments' air."""
    return tuple(np.random.default_rng([seed, 7, use]) for use in range(4))
