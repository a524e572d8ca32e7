# SPDX-License-Identifier: Apache-2.0
"""The tank farm's OPC UA server, a process of its own: `python -m isthmus.app.demo.tankfarm.server --port N`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from asyncua import Node, Server, ua

from isthmus.app.demo.tankfarm.simulation import Simulation
from isthmus.app.run import lifeline, status
from isthmus.core import time
from isthmus.core.samples import Value

NAMESPACE: Final = "urn:isthmus:tank-farm"
PERIOD: Final = 0.5
"""s between two values of a tag"""

BAD_SENSOR: Final = 0x808C_0000


@dataclass(frozen=True, slots=True)
class Variable:
    """A tag as the server offers it."""

    type: ua.VariantType
    unit: tuple[str, int, str] | None = None
    """(what people read, UNECE code as OPC UA Part 8, 5.6.3 packs it, description)"""
    range: tuple[float, float] | None = None


def _unece(code: str) -> int:
    """The number OPC UA makes of a UNECE code: its characters as bytes, the first one highest (Part 8, 5.6.3.3)."""
    return int.from_bytes(code.encode(), "big")


_UNITS: Final = {
    "mm": ("mm", _unece("MMT"), "millimetre"),
    "°C": ("°C", _unece("CEL"), "degree Celsius"),
    "°F": ("°F", _unece("FAH"), "degree Fahrenheit"),
    "m³/h": ("m³/h", _unece("MQH"), "cubic metre per hour"),
    "r/min": ("r/min", _unece("RPM"), "revolutions per minute"),
    "%": ("%", _unece("P1"), "percent"),
    "kW": ("kW", _unece("KWT"), "kilowatt"),
    "W·h": ("W·h", _unece("WHR"), "watt hour"),
    "l": ("l", _unece("LTR"), "litre"),
}
_DOUBLE: Final = ua.VariantType.Double

VARIABLES: Final[Mapping[str, Variable]] = {
    **{f"Tank{n}.Level": Variable(_DOUBLE, _UNITS["mm"], (0, 3000)) for n in range(1, 5)},
    **{f"Tank{n}.Temperature": Variable(_DOUBLE, _UNITS["°C"], (0, 95)) for n in range(1, 4)},
    "Tank4.Temperature": Variable(_DOUBLE, _UNITS["°F"], (32, 203)),
    "Inlet.Open": Variable(ua.VariantType.Boolean),
    "TransferPump.Running": Variable(ua.VariantType.Boolean),
    "TransferPump.Speed": Variable(ua.VariantType.Float, _UNITS["r/min"], (0, 3000)),
    "TransferPump.Flow": Variable(ua.VariantType.Float, _UNITS["m³/h"], (0, 30)),
    "TransferPump.Starts": Variable(ua.VariantType.UInt32),
    "LevelValve.Position": Variable(ua.VariantType.Float, _UNITS["%"], (0, 100)),
    "Heater.Power": Variable(ua.VariantType.Float, _UNITS["kW"], (0, 550)),
    "Heater.Energy": Variable(ua.VariantType.UInt64, _UNITS["W·h"]),
    "Heater.Mode": Variable(ua.VariantType.Int32),
    "Bay1.Flow": Variable(ua.VariantType.Float, _UNITS["m³/h"], (0, 40)),
    "Bay1.Truck": Variable(ua.VariantType.String),
    "Bay1.Loaded": Variable(ua.VariantType.Int32, _UNITS["l"]),
}


class Broadcast:
    """The server's nodes, and the last value each was given: only what changed is written."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._last: dict[str, Value] = {}

    async def send(self, values: Mapping[str, Value]) -> None:
        now = datetime.now(UTC)
        for name, value in values.items():
            if name in self._last and self._last[name] == value:
                continue
            self._last[name] = value
            await self._nodes[name].write_value(data_value(VARIABLES[name].type, value, now))


def data_value(type_: ua.VariantType, value: Value, at: datetime) -> ua.DataValue:
    """What the server sends; None is a sensor that does not work."""
    if value is None:
        return ua.DataValue(None, StatusCode=ua.StatusCode(BAD_SENSOR), SourceTimestamp=at)
    return ua.DataValue(ua.Variant(value, type_), SourceTimestamp=at)


async def _add(server: Server, values: Mapping[str, Value]) -> dict[str, Node]:
    index = await server.register_namespace(NAMESPACE)
    farm = await server.nodes.objects.add_object(ua.NodeId("TankFarm", index), ua.QualifiedName("TankFarm", index))
    folders: dict[str, Node] = {}
    nodes = {}
    for name, variable in VARIABLES.items():
        thing, property_ = name.split(".")
        if thing not in folders:
            folders[thing] = await farm.add_object(ua.NodeId(thing, index), ua.QualifiedName(thing, index))
        node = await folders[thing].add_variable(
            ua.NodeId(name, index), ua.QualifiedName(property_, index), ua.Variant(values[name], variable.type)
        )
        await _describe(node, variable)
        nodes[name] = node
    return nodes


async def _describe(node: Node, variable: Variable) -> None:
    """Unit and range as properties, the way Part 8 wants them on analogue items."""
    if variable.unit is not None:
        shown, code, description = variable.unit
        information = ua.EUInformation(
            NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
            UnitId=code,
            DisplayName=ua.LocalizedText(shown),
            Description=ua.LocalizedText(description),
        )
        await node.add_property(0, "EngineeringUnits", information)
    if variable.range is not None:
        await node.add_property(0, "EURange", ua.Range(*map(float, variable.range)))


async def serve(port: int, seed: int, file: Path | None, *, by_hand: bool = False) -> None:
    """Serves the farm until SIGTERM, in step with the wall clock; started by hand until Ctrl-C too."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if by_hand:
        loop.add_signal_handler(signal.SIGINT, stop.set)
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    simulation = Simulation(seed)
    server = Server()
    await server.init()
    server.set_endpoint(url := f"opc.tcp://127.0.0.1:{port}/tank-farm")
    server.set_server_name("Isthmus tank farm")
    await server.set_application_uri("urn:isthmus:tank-farm:server")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    broadcast = Broadcast(await _add(server, simulation.values()))
    async with server:
        if by_hand:
            sys.stdout.write(f"A tank farm at {url}. Ctrl-C stops.\n")
            sys.stdout.flush()
        await _go_on(simulation, broadcast, stop, Heart(file))


class Heart:
    """The status file of this process, where one is wanted."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._started, self._last = path, time.now(), 0

    def beat(self) -> None:
        """Writes the file, at most every two seconds."""
        now = time.now()
        if self._path is not None and now - self._last >= status.EVERY * time.SECOND:
            self._last = now
            said = status.Status(
                service="simulation", pid=os.getpid(), started=self._started, heartbeat=now, ready=True
            )
            status.write(self._path, said)


async def _go_on(simulation: Simulation, broadcast: Broadcast, stop: asyncio.Event, heart: Heart) -> None:
    loop = asyncio.get_running_loop()
    began, ahead = loop.time(), simulation.time
    while not stop.is_set():
        simulation.advance(min(loop.time() - began + ahead - simulation.time, 10.0))
        await broadcast.send(simulation.values())
        heart.beat()
        try:
            async with asyncio.timeout(PERIOD - (loop.time() - began) % PERIOD):
                await stop.wait()
        except TimeoutError:
            continue


def main() -> None:
    parser = argparse.ArgumentParser(
        description="The tank farm's OPC UA server, a process of its own that `isthmus demo tank-farm` starts.",
        epilog="By hand, until Ctrl-C: python -m isthmus.app.demo.tankfarm.server --port 4840",
    )
    parser.add_argument("--port", type=int, required=True, help="listen on this port of 127.0.0.1")
    parser.add_argument("--seed", type=int, default=1, help="another number is another story of the same plant")
    parser.add_argument("--status", type=Path, help="write here every two seconds that it lives; without it nowhere")
    parser.add_argument(lifeline.PARENT, type=int, help="end when the process of this id does; without it never")
    arguments: Any = parser.parse_args()
    if arguments.parent is not None:
        lifeline.end_with(arguments.parent)
    logging.basicConfig(level=logging.CRITICAL)  # asyncua calls every session that ends with its client an error
    try:
        asyncio.run(serve(arguments.port, arguments.seed, arguments.status, by_hand=arguments.parent is None))
    except OSError as error:
        sys.exit(f"isthmus: the simulated plant cannot listen: {error.strerror or error}")


if __name__ == "__main__":
    main()
