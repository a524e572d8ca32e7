# SPDX-License-Identifier: Apache-2.0
"""What the plant file may say of an S7 controller."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from isthmus.systems.contract import Spec
from isthmus.systems.durations import Duration, between, seconds
from isthmus.systems.hosts import Host

PORT = 102
Tsap = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{2}\.[0-9A-Fa-f]{2}$", examples=["02.00"])]


class S7Spec(Spec):
    """A Siemens S7 controller, or one that speaks as they do: one connection, one question in flight."""

    host: Host = Field(description="Where it is: a name or an IP address.")
    port: int = Field(default=PORT, ge=1, le=65_535, description="The TCP port it listens on.")
    rack: int = Field(default=0, ge=0, le=7, description="The rack of the processor: nearly always 0.")
    slot: int = Field(
        default=1,
        ge=0,
        le=31,
        description="Its slot: 1 of an S7-1200 or S7-1500 (some take 0), 2 of an S7-300; of an S7-400 as plugged in.",
    )
    connection: Literal["pg", "op", "basic"] = Field(
        default="pg",
        description="Whose kind of connection is used: a programming device's, an operator panel's, or any other's. "
        "A controller has few of each.",
    )
    tsap: Tsap | None = Field(
        default=None,
        description="The far end's TSAP in hexadecimal, in place of connection, rack and slot: `02.00` of a LOGO!.",
    )
    local_tsap: Tsap = Field(default="01.00", description="Our own TSAP, which most controllers ignore.")
    every: Annotated[Duration, between("10ms", "1d")] = Field(
        default="1s", description="How often a tag is read that says nothing else with `every`."
    )
    changes: bool = Field(
        default=False,
        description="`true`: a sample only where value or quality has changed. Otherwise each reading of a tag is one, "
        "unless it has a `deadband`.",
    )
    message: int = Field(
        default=960,
        ge=240,
        le=960,
        description="The longest message asked for, in bytes; the controller answers with what it takes: 240 of most "
        "S7-300 and S7-1200, 480 or 960 of larger ones.",
    )
    gap: int = Field(
        default=16,
        ge=0,
        le=512,
        description="The most bytes that nobody asked for between two that are read as one piece.",
    )
    timeout: Annotated[Duration, between("50ms", "1m")] = Field(
        default="2s", description="How long an answer may take, and a connection to be made."
    )

    def seconds(self, name: str) -> float:
        """The duration in field `name`, in seconds."""
        return seconds(getattr(self, name))

    @property
    def local(self) -> bytes:
        """Our TSAP."""
        return bytes.fromhex(self.local_tsap.replace(".", ""))

    @property
    def remote(self) -> bytes:
        """The far end's TSAP: the kind of connection, then rack and slot in one byte."""
        if self.tsap is not None:
            return bytes.fromhex(self.tsap.replace(".", ""))
        return bytes((("pg", "op", "basic").index(self.connection) + 1, self.rack << 5 | self.slot))
