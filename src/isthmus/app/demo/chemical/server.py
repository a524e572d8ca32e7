# SPDX-License-Identifier: Apache-2.0
"""One of the plant's OPC UA servers, in Python: it offers what the simulation says.

`python -m isthmus.app.demo.chemical.server --system dcs --port N ...`, started by `isthmus demo chemical`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from asyncua import Node as UaNode
from asyncua import Server, ua

from isthmus.app.demo.chemical.desk import Change, Opening
from isthmus.app.demo.chemical.faces import SERVERS, Face, Node
from isthmus.app.demo.chemical.following import AGAIN, follow, opening
from isthmus.app.run import lifeline
from isthmus.app.run.service import Diary
from isthmus.core import time
from isthmus.core.errors import IsthmusError

AWAY: Final = 0x8031_0000
"""BadNoCommunication: the server lives, its plant does not answer."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNECE: Final[Mapping[str, tuple[str, str]]] = {
    "%": ("%", "P1"), "Cel": ("°C", "CEL"), "bar": ("bar", "BAR"), "kPa": ("kPa", "KPA"), "kg/h": ("kg/h", "E93"),
    "kg": ("kg", "KGM"), "t": ("t", "TNE"), "kW": ("kW", "KWT"), "A": ("A", "AMP"), "mm/s": ("mm/s", "C16"),
    "h": ("h", "HUR"), "[ppm]": ("ppm", "59"), "kg/m3": ("kg/m³", "KMQ"), "1": ("1", "C62"),
}  # fmt: skip
"""UCUM → what people read, code of UNECE Recommendation 20."""


@dataclass(slots=True)
class Offer:
    """A server's variables, and what each last said."""

    server: Server
    nodes: Sequence[Node]
    index: int
    _ids: list[ua.NodeId] = field(init=False)
    _types: list[ua.VariantType] = field(init=False)

    def __post_init__(self) -> None:
        self._ids = [ua.NodeId(node.id, self.index) for node in self.nodes]
        self._types = [getattr(ua.VariantType, node.type) for node in self.nodes]

    async def build(self) -> None:
        """Adds every variable below the objects of its path."""
        folders: dict[tuple[str, ...], UaNode] = {(): self.server.nodes.objects}
        for i, node in enumerate(self.nodes):
            for depth in range(1, len(node.path)):
                await self._folder(folders, node.path[:depth])
            name = ua.QualifiedName(node.path[-1], self.index)
            start = ua.Variant("" if node.type == "String" else _converted(node.type, 0.0), self._types[i])
            made = await folders[node.path[:-1]].add_variable(self._ids[i], name, start)
            await _describe(made, node)
        await self.away(self.nodes)

    async def _folder(self, folders: dict[tuple[str, ...], UaNode], path: tuple[str, ...]) -> None:
        if path not in folders:
            id_, name = ua.NodeId("/".join(path), self.index), ua.QualifiedName(path[-1], self.index)
            folders[path] = await folders[path[:-1]].add_object(id_, name)

    async def show(self, changes: Sequence[Change]) -> None:
        """Writes what changed, with the time the plant gave it."""
        for change in changes:
            at = _EPOCH + timedelta(microseconds=change.at)
            value = _converted(self.nodes[change.position].type, change.value)
            variant = ua.Variant(value, self._types[change.position])
            said = ua.DataValue(variant, ua.StatusCode(change.quality), SourceTimestamp=at)
            await self.server.write_attribute_value(self._ids[change.position], said)

    async def away(self, nodes: Sequence[Node]) -> None:
        """Says of every variable that its plant does not answer."""
        at = datetime.now(UTC)
        for node in nodes:
            said = ua.DataValue(None, ua.StatusCode(AWAY), SourceTimestamp=at)
            await self.server.write_attribute_value(ua.NodeId(node.id, self.index), said)


def _converted(type_: str, value: float | str) -> bool | int | float | str:
    if isinstance(value, str):
        return value
    if type_ in ("Double", "Float"):
        return value
    return bool(value) if type_ == "Boolean" else int(value)


async def _describe(made: UaNode, node: Node) -> None:
    """Description, and where the maker says them unit, range and names of states (Part 8, 5.3.2 and 5.3.3)."""
    text = ua.DataValue(ua.Variant(ua.LocalizedText(node.description)))
    await made.write_attribute(ua.AttributeIds.Description, text)
    if node.unit:
        shown, code = _UNECE[node.unit]
        information = ua.EUInformation(
            NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
            UnitId=int.from_bytes(code.encode(), "big"),
            DisplayName=ua.LocalizedText(shown),
        )
        await made.add_property(0, "EngineeringUnits", information)
    if node.range is not None:
        await made.add_property(0, "EURange", ua.Range(*map(float, node.range)))
    if node.labels:
        await made.add_property(0, "EnumStrings", [ua.LocalizedText(label) for label in node.labels])


async def serve(face: Face, port: int, folder: Path, diary: Diary) -> None:
    """Serves until SIGTERM what the simulation says."""
    keeping = asyncio.create_task(diary.keep())
    said = await opening(folder, face.system)
    server = await _server(face, said, port)
    offer = Offer(server, said.nodes, await server.register_namespace(face.namespace))
    await offer.build()
    async with server:
        following = asyncio.create_task(_follow(face, folder, offer, diary))
        await diary.stop.wait()
        for task in (following, keeping):
            task.cancel()
        await asyncio.wait((following, keeping))


async def _server(face: Face, said: Opening, port: int) -> Server:
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}{face.path}")
    server.set_server_name(said.title)
    await server.set_application_uri(f"{said.namespace}:server")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    return server


async def _follow(face: Face, folder: Path, offer: Offer, diary: Diary) -> None:
    """Shows what the simulation says; while it is away, says that."""
    while True:
        with suppress(IsthmusError):
            async with aclosing(follow(folder, face.system)) as scans:
                async for scan in scans:
                    if isinstance(scan, Opening):
                        continue
                    await offer.show(scan.changes)
                    diary.ready()
        await offer.away(offer.nodes)
        await asyncio.sleep(AGAIN)


async def _main(arguments: Any) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    face = SERVERS[arguments.system]
    serving = asyncio.create_task(
        serve(face, arguments.port, arguments.folder, Diary(arguments.status, face.system, stop, time.now()))
    )
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():  # the simulation has perhaps never been there
        await asyncio.wait((serving,), timeout=3.0)
        serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


def main() -> None:
    parser = argparse.ArgumentParser(
        description="An OPC UA server of the chemical plant, started by `isthmus demo chemical`."
    )
    parser.add_argument("--system", choices=SERVERS, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--status", type=Path, required=True)
    parser.add_argument(lifeline.PARENT, type=int, required=True)
    arguments = parser.parse_args()
    lifeline.end_with(arguments.parent)
    logging.basicConfig(level=logging.CRITICAL)  # asyncua calls every session that ends with its client an error
    try:
        asyncio.run(_main(arguments))
    except OSError as error:
        sys.exit(f"isthmus: {arguments.system} cannot listen: {error.strerror or error}")


if __name__ == "__main__":
    main()
