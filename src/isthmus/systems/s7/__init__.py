# SPDX-License-Identifier: Apache-2.0
"""Siemens S7: data blocks, inputs, outputs and memory of a controller, read in coalesced pieces on a schedule."""

from __future__ import annotations

from typing import Any

from isthmus.core.errors import IsthmusError
from isthmus.systems.contract import Kind, Replay, Surroundings
from isthmus.systems.s7.address import PATTERN, check_address, parse
from isthmus.systems.s7.spec import S7Spec

_TEST = """\
memory: {db10.0: 42 c8 00 00 00 00 00 11 01, i0: "08"}
"""


def _connect(spec: S7Spec, surroundings: Surroundings) -> Any:
    from isthmus.systems.s7.source import S7Source

    return S7Source(spec, surroundings)


def _fit(spec: S7Spec, text: str) -> None:
    from isthmus.systems.s7.blocks import Room

    size, most = parse(text).size, Room(spec.message, spec.gap).longest
    if size > most:
        hint = f"give the system a longer message, or read fewer than its {size} bytes"
        raise IsthmusError(
            f"{text!r} is longer than what one message holds ({most} bytes of {spec.message})", hint=hint
        )


def _replay() -> Replay:
    from isthmus.systems.s7.replay import Memory, begin

    return Replay(Memory, begin, _TEST)


KIND = Kind(
    name="s7",
    title="Siemens S7 controller",
    spec=S7Spec,
    connect=_connect,
    check_address=check_address,
    check_fit=_fit,
    powers=("reads",),
    replay=_replay,
    tested=("python-snap7's server", "frames of the protocol, byte by byte; no controller of Siemens yet"),
    pattern=PATTERN,
    addresses="""\
An address is one line, area, first byte and type:

| address | is |
| --- | --- |
| `db1.0:real` | the bytes 0 to 3 of data block 1 as a float; also `lreal` in eight |
| `db1.4.0:bool` | bit 0 of byte 4: what Siemens writes DB1.DBX4.0 |
| `db1.6:int` | a number with sign in two bytes; also `sint` (one), `dint` (four), `lint` (eight) |
| `m10:word` | memory (M), without sign; also `byte`, `usint`, `uint`, `dword`, `udint`, `lword`, `ulint` |
| `i0.0:bool`, `q2:byte` | an input (I, in German E), an output (Q, in German A) |
| `db1.20:time` | a TIME: a number of milliseconds |
| `db1.30:string20` | a STRING[20], which takes 22 bytes; `wstring20` takes 44, `char8` is 8 characters |
| `db1.60:dtl`, `db1.72:dt`, `db1.80:date` | DTL, DATE_AND_TIME, DATE as text in ISO 8601, without a zone |

Offsets are those that TIA Portal shows in the column *Offset* of the block. **A block with optimised access has none
and cannot be read this way**: the controller answers that there is no such block, or nothing at that place, and the
event says so. Clear *Optimized block access* in the block's attributes, or use the controller's OPC UA server
(`kind: opcua`). An S7-1200 or S7-1500 must also *Permit access with PUT/GET communication*; without it every address
is BadUserAccessDenied, and the event says that too. PUT/GET knows no users: whoever reaches the controller can read
and write it, so let only Isthmus reach it.

S7 sends no time and no quality with a value: samples have the time at which the answer came, and are Good. What the
controller refuses is BadNodeIdUnknown (no such block, or nothing there), BadUserAccessDenied, BadNotSupported or
BadDeviceFailure, no answer is BadTimeout, and one that does not fit its question is BadDecodingError, its bytes in
quarantine. So is a text whose length is longer than itself, and a time that is none. An address that the controller
refuses harms only itself: it is named in an event and tried again every 30 s.

Addresses whose bytes are near to each other are read as one piece, up to 20 pieces with one question, as many as fit
into the messages the controller agrees to. Nothing is written. Whether two values that one question reads are of
the same cycle of the controller is up to the controller.
""",
    example="""\
systems:
  packer:
    kind: s7
    host: 10.20.0.41
    slot: 1
    every: 500ms

assets:
  packing/packer-1:
    system: packer
    tags:
      speed: {address: "db10.0:real", unit: 1/min}
      packs: {address: "db10.4:udint", type: unsigned}
      running: {address: "db10.8.0:bool", type: boolean}
      recipe: {address: "db10.10:string20", type: text}
      door-open: {address: "i0.3:bool", type: boolean}
""",
)
