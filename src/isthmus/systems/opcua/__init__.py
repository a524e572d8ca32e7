# SPDX-License-Identifier: Apache-2.0
"""OPC UA servers: subscriptions decoded to columns, acknowledged when kept; recalled history; browsing."""

from __future__ import annotations

from typing import Any

from isthmus.systems.contract import Kind, Replay, Surroundings
from isthmus.systems.opcua.address import check_address, warn_address
from isthmus.systems.opcua.spec import OpcUaSpec

_TEST = """\
address: "nsu=urn:acme:dcs;s=R1.TT101"
value: 81.5
status: UncertainSensorNotAccurate
time: "2026-11-23T06:30:00Z"
"""


def _connect(spec: OpcUaSpec, surroundings: Surroundings) -> Any:
    from isthmus.systems.opcua.source import OpcUaSource  # asyncua takes most of a second to import

    return OpcUaSource(spec, surroundings)


def _replay() -> Replay:
    from isthmus.systems.opcua.replay import Value, begin

    return Replay(Value, begin, _TEST)


KIND = Kind(
    name="opcua",
    title="OPC UA server",
    spec=OpcUaSpec,
    connect=_connect,
    check_address=check_address,
    warn_address=warn_address,
    powers=("reads", "browses"),
    secrets=("password",),
    replay=_replay,
    tested=("node-opcua", "asyncua's server (its client side carries our sessions)"),
    addresses="""\
An address is a NodeId: `nsu=urn:acme:dcs;s=R1.TT101`, with the URI of its namespace, and `i=`, `g=` or `b=` in place of
`s=` for numbers, GUIDs and bytes in Base64. `ns=2;s=R1.TT101`, with the namespace's index, works but is warned of: a
server may number its namespaces anew at a restart.

Time and quality are the server's own. What an outage cost is read back from its history where it keeps one.
""",
    example="""\
systems:
  dcs:
    kind: opcua
    url: [opc.tcp://10.20.0.5:4840, opc.tcp://10.20.0.6:4840]
    security: Basic256Sha256/SignAndEncrypt
    user: isthmus
    password: !secret dcs

assets:
  mixing/line-1/reactor-1:
    system: dcs
    tags:
      temperature: {address: "nsu=urn:acme:dcs;s=R1.TT101", unit: Cel, every: 1s}
      pressure: {address: "nsu=urn:acme:dcs;s=R1.PT101", unit: bar}
""",
)
