# SPDX-License-Identifier: Apache-2.0
"""Quality is the OPC UA StatusCode as the device gave it; a mark is our own remark beside it.

StatusCodes and their layout: OPC UA Part 4 (1.05), 7.39; Part 6, A.2.
"""

from __future__ import annotations

import re
from enum import IntFlag
from typing import Final

import numpy as np
from numpy.typing import NDArray

GOOD: Final = 0x0000_0000
UNCERTAIN: Final = 0x4000_0000
BAD: Final = 0x8000_0000
BAD_UNEXPECTED: Final = 0x8001_0000
BAD_RESOURCE_UNAVAILABLE: Final = 0x8004_0000
BAD_COMMUNICATION: Final = 0x8005_0000
BAD_DECODING: Final = 0x8007_0000
BAD_ENCODING_LIMITS: Final = 0x8008_0000
BAD_TIMEOUT: Final = 0x800A_0000
BAD_USER_ACCESS_DENIED: Final = 0x801F_0000
BAD_NO_COMMUNICATION: Final = 0x8031_0000
BAD_NODE_ID_INVALID: Final = 0x8033_0000
BAD_NODE_ID_UNKNOWN: Final = 0x8034_0000
BAD_NOT_WRITABLE: Final = 0x803B_0000
BAD_OUT_OF_RANGE: Final = 0x803C_0000
BAD_NOT_SUPPORTED: Final = 0x803D_0000
BAD_TYPE_MISMATCH: Final = 0x8074_0000
BAD_CONFIGURATION: Final = 0x8089_0000
BAD_NOT_CONNECTED: Final = 0x808A_0000
BAD_DEVICE_FAILURE: Final = 0x808B_0000
BAD_NO_DATA: Final = 0x809B_0000
UNCERTAIN_INITIAL: Final = 0x4092_0000

SEVERITY: Final = 0xC000_0000
OVERFLOW: Final = 0x0000_0480
"""InfoType DataValue (bits 10-11 = 01) with the Overflow bit (7): the far end's queue lost values before this one."""


class Mark(IntFlag):
    """Our own remarks on a sample, beside its quality. Stored as one byte."""

    NONE = 0
    OUT_OF_RANGE = 1
    """Outside the range the plant file gives; kept as it is, never clamped."""
    FUTURE = 2
    """The device's time lay ahead of ours; stored under `seen`, never the latest value by that time."""
    HISTORICAL = 4
    """Back-filled: live view, alarms, rules and commands ignore it."""
    WRONG_TYPE = 8
    """Not of the tag's data type, and no exact conversion exists."""
    SUBSTITUTED = 16
    """Not measured: typed in or calculated in place of a measurement."""
    CORRECTED = 32
    """In place of all other samples of its tag at its time, which stay kept; of several the one seen last counts."""


def marks(mark: int) -> str:
    """`out of range, future`; empty for none."""
    return ", ".join((bit.name or "").lower().replace("_", " ") for bit in Mark if mark & bit)


def is_good(quality: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Where the severity bits say Good. Shape in = shape out."""
    good: NDArray[np.bool_] = (quality & np.uint32(SEVERITY)) == 0
    return good


def is_bad(quality: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Where the severity bits say Bad (or the reserved 11, which is to be read as Bad)."""
    return np.greater_equal(quality, np.uint32(BAD))


def overflowed(quality: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Where the far end's queue overflowed before this value (Part 4, 7.39.1: DataValue InfoBits, Overflow)."""
    lost: NDArray[np.bool_] = (quality & np.uint32(0x0C80)) == np.uint32(OVERFLOW)
    return lost


def severity(quality: int) -> str:
    """`good`, `uncertain` or `bad`."""
    return ("good", "uncertain", "bad", "bad")[quality >> 30]


NAMES: Final = {
    GOOD: "Good",
    UNCERTAIN: "Uncertain",
    BAD: "Bad",
    BAD_UNEXPECTED: "BadUnexpectedError",
    BAD_COMMUNICATION: "BadCommunicationError",
    BAD_ENCODING_LIMITS: "BadEncodingLimitsExceeded",
    BAD_NODE_ID_INVALID: "BadNodeIdInvalid",
    BAD_NODE_ID_UNKNOWN: "BadNodeIdUnknown",
    BAD_TYPE_MISMATCH: "BadTypeMismatch",
    BAD_NOT_CONNECTED: "BadNotConnected",
    BAD_NO_DATA: "BadNoData",
    UNCERTAIN_INITIAL: "UncertainInitialValue",
    BAD_RESOURCE_UNAVAILABLE: "BadResourceUnavailable",
    BAD_DECODING: "BadDecodingError",
    BAD_TIMEOUT: "BadTimeout",
    BAD_NO_COMMUNICATION: "BadNoCommunication",
    BAD_NOT_SUPPORTED: "BadNotSupported",
    BAD_OUT_OF_RANGE: "BadOutOfRange",
    BAD_CONFIGURATION: "BadConfigurationError",
    BAD_DEVICE_FAILURE: "BadDeviceFailure",
    0x8032_0000: "BadWaitingForInitialData",
    0x8085_0000: "BadRequestTimeout",
    0x803A_0000: "BadNotReadable",
    0x808C_0000: "BadSensorFailure",
    0x808D_0000: "BadOutOfService",
    0x408F_0000: "UncertainNoCommunicationLastUsableValue",
    0x4090_0000: "UncertainLastUsableValue",
    0x4091_0000: "UncertainSubstituteValue",
    0x4093_0000: "UncertainSensorNotAccurate",
    0x4094_0000: "UncertainEngineeringUnitsExceeded",
    0x4095_0000: "UncertainSubNormal",
    0x40A4_0000: "UncertainDataSubNormal",
    0x80D6_0000: "BadAggregateInvalidInputs",
    0x80D7_0000: "BadBoundNotFound",
    0x0096_0000: "GoodLocalOverride",
}
"""Names of StatusCodes without their InfoBits: those a plant meets often (OPC UA Part 6, A.2)."""


def name(quality: int) -> str:
    """The standard's name of a StatusCode where it is one a plant meets often, else severity and hexadecimal code."""
    known = NAMES.get(quality & 0xFFFF_0000)
    return known if known is not None else f"{severity(quality).capitalize()}(0x{quality:08X})"


_CODES: Final = {known.lower(): code for code, known in NAMES.items()}
_CODED: Final = re.compile(r"(?:good|uncertain|bad)\(0x([0-9a-f]{8})\)", re.IGNORECASE)


def code(text: str) -> int | None:
    """The StatusCode that `name` calls so, in capitals or not; None for any other text."""
    coded = _CODED.fullmatch(text)
    return int(coded[1], 16) if coded else _CODES.get(text.lower())
