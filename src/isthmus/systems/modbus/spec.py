# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of a Modbus TCP device or gateway."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from isthmus.systems.contract import Spec
from isthmus.systems.durations import Duration, between, seconds
from isthmus.systems.hosts import Host
from isthmus.systems.modbus.address import REGISTERS

PORT = 502


class ModbusSpec(Spec):
    """A Modbus TCP device, or a gateway with several units behind it: one connection, one request in flight."""

    host: Host = Field(description="Where it is: a name or an IP address.")
    port: int = Field(default=PORT, ge=1, le=65_535, description="The TCP port it listens on.")
    unit: int = Field(
        default=1, ge=0, le=255, description="The unit of addresses that name none; many devices want 1, some 255."
    )
    every: Annotated[Duration, between("10ms", "1d")] = Field(
        default="1s", description="How often a tag is read that says nothing else with `every`."
    )
    changes: bool = Field(
        default=False,
        description="`true`: a sample only where value or quality has changed. Otherwise each reading of a tag is one, "
        "unless it has a `deadband`.",
    )
    first: Literal[0, 1] = Field(
        default=0,
        description="What the device's manual calls its first register, coil or input: 0, as on the wire, or 1.",
    )
    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] = Field(
        default="ABCD",
        description="Where the bytes of a 32-bit number (A the most significant) stand in its registers, unless its "
        "address says: CDAB has the low register first, BADC the bytes of each swapped, DCBA both. Wider numbers, "
        "16-bit ones and texts follow it.",
    )
    block: int = Field(
        default=REGISTERS,
        ge=1,
        le=REGISTERS,
        description="The most registers read in one request; of coils and discrete inputs 16 times as many.",
    )
    gap: int = Field(
        default=16,
        ge=0,
        le=REGISTERS,
        description="The most registers that nobody asked for between two that are read in one request; of coils and "
        "discrete inputs 16 times as many. A device that refuses them is asked for each part by itself.",
    )
    timeout: Annotated[Duration, between("50ms", "1m")] = Field(
        default="1s", description="How long an answer may take, and a connection to be made."
    )
    pause: Annotated[Duration, between("0s", "5s")] = Field(
        default="0s", description="How long to wait between an answer and the next request, for slow serial lines."
    )

    def seconds(self, name: str) -> float:
        """The duration in field `name`, in seconds."""
        return seconds(getattr(self, name))
