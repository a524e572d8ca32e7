# SPDX-License-Identifier: Apache-2.0
"""An OPC UA server (asyncua) with history that a test drives over its standard input; see opcua_server.js."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import Server, ua
from asyncua.common.node import Node

logging.disable(logging.CRITICAL)
URI = "urn:isthmus:plant"


class Peer:
    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.server = config, Server()
        self.nodes: dict[str, Node] = {}
        self.index = 0

    async def start(self) -> None:
        server = self.server
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self.config['port']}/plant")
        if self.config.get("secure"):
            await server.load_certificate(self.config["certificate"])
            await server.load_private_key(self.config["key"])
            server.set_security_policy([getattr(ua.SecurityPolicyType, name) for name in self.config["secure"]])
        for uri in self.config.get("before", ()):
            await server.register_namespace(uri)
        self.index = await server.register_namespace(self.config.get("uri", URI))
        self.folder = await server.nodes.objects.add_folder(ua.NodeId("Plant", self.index), "Plant")
        for node in self.config.get("nodes", ()):
            await self.add(**node)
        many = self.config.get("many", {})
        for i in range(many.get("count", 0)):
            await self.add(f"{many.get('prefix', 't')}{i}")
        await server.start()
        for node in self.config.get("nodes", ()):
            if node.get("history"):
                await server.historize_node_data_change(
                    self.nodes[node["name"]], period=timedelta(days=1), count=node["history"]
                )

    async def add(self, name: str, type: str = "Double", value: Any = 0, **_: Any) -> None:  # noqa: A002
        kind = getattr(ua.VariantType, type)
        value = float(value) if type in ("Double", "Float") else value
        variable = await self.folder.add_variable(ua.NodeId(name, self.index), name, value, kind)
        await variable.set_writable()
        self.nodes[name] = variable

    async def set(
        self,
        name: str,
        value: Any,
        type: str = "Double",  # noqa: A002  (the word of the commands)
        status: str = "Good",
        time: str | None = None,
        then: int = 0,
    ) -> None:
        at = (
            datetime.now(UTC)
            if time is None
            else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(time) // 10)
        )
        value = float(value) if type in ("Double", "Float") else value
        code = ua.StatusCode(getattr(ua.StatusCodes, status))
        await self.nodes[name].write_value(
            ua.DataValue(ua.Variant(value, getattr(ua.VariantType, type)), code, SourceTimestamp=at)
        )
        await asyncio.sleep(then / 1000)

    async def burst(self, name: str, count: int, first: int = 0, time: str | None = None) -> None:
        for i in range(count):
            await self.set(name, first + i, time=time)

    async def remove(self, name: str) -> None:
        await self.server.delete_nodes([self.nodes.pop(name)])

    async def drop(self) -> None:
        for client in list(self.server.bserver.clients):
            client.transport.abort()


def answer(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


async def main() -> None:
    peer = Peer(json.loads(sys.argv[1]))
    await peer.start()
    answer({"ready": True, "index": peer.index})
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        command = json.loads(line)
        try:
            result = await getattr(peer, command.pop("do"))(**command)
            answer({"ok": True, **(result or {})})
        except Exception as error:  # told to the test, which fails
            answer({"ok": False, "error": repr(error)})


asyncio.run(main())
