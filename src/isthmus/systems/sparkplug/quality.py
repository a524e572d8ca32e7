# SPDX-License-Identifier: Apache-2.0
"""Sparkplug's property `Quality` as an OPC UA StatusCode, and back.

The specification knows three qualities: 192 good, 0 bad, 500 stale (6.4.16). Devices also send the quality byte of OPC
DA, whose codes 192 and 0 are, and Ignition its own codes, which have the highest bit set when they are bad.
"""

from __future__ import annotations

from typing import Any, Final

from isthmus.core import quality

GOOD: Final = 192
BAD: Final = 0
STALE: Final = 500

QUALITY: Final = "Quality"
STATUS: Final = "StatusCode"
"""A property of our own beside it: the OPC UA StatusCode to the last bit."""

_DA: Final = {
    0x00: quality.BAD,
    0x04: quality.BAD_CONFIGURATION,
    0x08: quality.BAD_NOT_CONNECTED,
    0x0C: quality.BAD_DEVICE_FAILURE,
    0x10: 0x808C_0000,
    0x14: quality.BAD_NO_COMMUNICATION,
    0x18: quality.BAD_COMMUNICATION,
    0x1C: 0x808D_0000,
    0x20: 0x8032_0000,
    0x40: quality.UNCERTAIN,
    0x44: 0x4090_0000,
    0x50: 0x4093_0000,
    0x54: 0x4094_0000,
    0x58: 0x4095_0000,
    0xC0: quality.GOOD,
    0xD8: 0x0096_0000,
}
"""OPC DA's quality and substatus (Data Access 3.0, 6.8) → StatusCode; the two lowest bits are limits."""

_SEVERITY: Final = (quality.BAD, quality.UNCERTAIN, quality.BAD, quality.GOOD)
"""By the two highest bits of the byte."""

_IGNITION: Final = (quality.GOOD, quality.UNCERTAIN, quality.BAD, quality.BAD)
"""By the two highest of 32 bits."""


def status(code: int) -> int:
    """The StatusCode of a `Quality`, as 32 bits."""
    if code < 0x100:
        return _DA.get(code & 0xFC, _SEVERITY[code >> 6])
    if code & 0xFFFF == STALE:
        return quality.BAD_NO_COMMUNICATION
    if not code & 0xFFFF:  # a StatusCode already
        return code
    return _IGNITION[code >> 30]


def code(status_: int) -> int:
    """The `Quality` of a StatusCode: what is not good is bad, and what nobody heard of is stale."""
    if status_ < quality.UNCERTAIN:
        return GOOD
    return STALE if status_ & 0xFFFF_0000 == quality.BAD_NO_COMMUNICATION else BAD


def of(properties: Any) -> int:
    """The StatusCode in a metric's properties; good where they say nothing of it."""
    keys = list(properties.keys)
    for key in (STATUS, QUALITY):
        if key in keys[: len(properties.values)]:
            found = properties.values[keys.index(key)]
            number = found.long_value if found.WhichOneof("value") == "long_value" else found.int_value
            number &= 0xFFFF_FFFF
            return number if key == STATUS else status(number)
    return quality.GOOD
