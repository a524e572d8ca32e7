# SPDX-License-Identifier: Apache-2.0
"""The OPC UA server: CPU per changed value with three clients, against asyncua's own way of changing values."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from bench.figures import Figure, Topic
from bench.opcua_output import URI
from tests.peers.opcua_peer import HERE, free_port, need_node

TAGS, CLIENTS, SECONDS = 1000, 3, 5
SETTLING = 6.0
"""Seconds that a client takes to subscribe, with a processor that others use too."""
PREFIX = "bench/plant/"


def measure() -> Topic:
    """CPU per change and values received."""
    how = (
        f"{TAGS:,} tags change every 100 ms, and {CLIENTS} clients (node-opcua) have subscribed to all of them at 100 "
        f"ms with queues of 10. CPU of the server's process in {SECONDS} s, per changed value. The baseline is "
        "asyncua's server with its own `write_attribute_value`, the same clients, the same rate as far as it comes."
    )
    ours, library = _measured("ours"), _measured("library")
    return Topic(
        "OPC UA server",
        how,
        [
            Figure(
                "server's CPU, three clients", ours["cpu"] / ours["changes"] * 1e6, "µs/change", "asyncua",
                library["cpu"] / library["changes"] * 1e6, "0.1",
            ),
            Figure("share of a core", ours["cpu"] / ours["seconds"] * 100, "%", "", None, "50"),
            Figure(
                "changes made", ours["changes"] / ours["seconds"], "changes/s", "asyncua",
                library["changes"] / library["seconds"],
            ),
            Figure(
                "values received by all clients", ours["received"], "values/s", "asyncua", library["received"],
            ),
        ],
    )  # fmt: skip


def _measured(kind: str) -> dict[str, float]:
    port = free_port()
    words = [sys.executable, "-m", "bench.opcua_output", kind, str(port), str(TAGS), str(SECONDS)]
    with ExitStack() as stack:
        server = stack.enter_context(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        stack.callback(server.terminate)
        assert server.stdin and server.stdout
        _said(server, "ready")
        clients = [_client(stack, port) for _ in range(CLIENTS)]
        for client in clients:
            assert client.stdout
            _said(client, "subscribed")
        server.stdin.write("go\n")
        server.stdin.flush()
        found = _said(server, "changes")
        values = [_said(client, "values") for client in clients]
        return {**found, "received": sum(one["values"] / one["seconds"] for one in values)}


def _client(stack: ExitStack, port: int) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("opcua_client.js")
    words = [need_node(), str(script), f"opc.tcp://127.0.0.1:{port}", URI, str(TAGS), str(SECONDS), "100", PREFIX]
    environment = {"NODE_PATH": str(HERE / "node_modules"), "PATH": "/usr/bin:/bin"}
    client = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment))
    stack.callback(client.kill)
    return client


def _said(process: subprocess.Popen[str], key: str) -> dict[str, float]:
    """The next JSON object with this key that a process prints."""
    assert process.stdout
    for line in process.stdout:
        if line.startswith("{") and key in (said := json.loads(line)):
            found: dict[str, float] = said
            return found
    raise RuntimeError("it ended")
