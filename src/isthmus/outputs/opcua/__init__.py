# SPDX-License-Identifier: Apache-2.0
"""The kind `opcua`: the plant on an OPC UA server of our own."""

from __future__ import annotations

from typing import Final

from isthmus.outputs.contract import OutputKind
from isthmus.outputs.opcua.server import OpcUaServer
from isthmus.outputs.opcua.spec import OpcUaServerSpec

_EXAMPLE: Final = """\
outputs:
  opcua:
    kind: opcua
    listen: 127.0.0.1:4840
    users: !secret opcua-users
"""

_ABOUT: Final = """\
"""

KIND: Final = OutputKind(
    name="opcua",
    title="OPC UA server",
    spec=OpcUaServerSpec,
    connect=OpcUaServer,
    example=_EXAMPLE,
    secrets=("users",),
    about=_ABOUT,
)
