# SPDX-License-Identifier: Apache-2.0
"""A DataValue of a test goes into the bytes in which a server sends it, and is read from those."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary
from pydantic import Field, field_validator, model_validator

from isthmus.core import quality, time
from isthmus.core.errors import IsthmusError
from isthmus.core.tag import DataType
from isthmus.plant.findings import one_of
from isthmus.systems.captured import Hexadecimal
from isthmus.systems.contract import Address, Readings, Spec
from isthmus.systems.opcua import columns, rows, wire
from isthmus.systems.opcua.address import check_address
from isthmus.systems.opcua.remarks import Remarks
from isthmus.systems.opcua.spec import OpcUaSpec

_TYPES: Final = {
    "boolean": "Boolean", "sbyte": "SByte", "byte": "Byte", "int16": "Int16", "uint16": "UInt16", "int32": "Int32",
    "uint32": "UInt32", "int64": "Int64", "uint64": "UInt64", "float": "Float", "double": "Double", "string": "String",
}  # fmt: skip
_USUAL: Final = {
    DataType.BOOLEAN: "boolean",
    DataType.INTEGER: "int64",
    DataType.UNSIGNED: "uint64",
    DataType.ENUMERATION: "int32",
    DataType.TEXT: "string",
    DataType.FLOAT: "double",
}


class Value(Spec):
    """A value of a node, as a test writes it."""

    address: str = Field(description="The node's address, as in the plant file.")
    value: bool | int | float | str | list[Any] | None = Field(None, description="The value; none: a status alone.")
    type: str | None = Field(
        None, description="Its OPC UA type, `Double`, `Int16`, `String`; without it the one usual for the tag."
    )
    status: str = Field("Good", description="The StatusCode: its name, or its number as `Bad(0x80340000)`.")
    time: str | None = Field(None, description="The source time, ISO 8601; none: the server gave none.")
    bytes: Hexadecimal | None = Field(
        None, description="The whole DataValue as the server encoded it: quarantine has such bytes."
    )

    @field_validator("type")
    @classmethod
    def _known(cls, text: str | None) -> str | None:
        if text is not None and text.lower() not in _TYPES:
            raise ValueError(f"there is no type {text[:40]!r}; {one_of(text, _TYPES.values())}")
        return text

    @field_validator("status")
    @classmethod
    def _coded(cls, text: str) -> str:
        if quality.code(text) is None:
            raise ValueError(f"{text[:60]!r} is no StatusCode; write Good, BadSensorFailure, Bad(0x80340000)")
        return text

    @field_validator("time")
    @classmethod
    def _timed(cls, text: str | None) -> str | None:
        try:
            if text is not None:
                time.from_iso(text)
        except IsthmusError as error:
            raise ValueError(str(error)) from error
        return text

    @model_validator(mode="after")
    def _whole(self) -> Value:
        if self.bytes is not None and (self.value is not None or self.time is not None or self.type is not None):
            raise ValueError("say bytes, or value with type, status and time")
        return self


def begin(spec: OpcUaSpec, system: str, addresses: Sequence[Address]) -> Callable[[Value], Readings]:
    """Reads values of a test one after the other."""
    remarks = Remarks(system)

    def read(value: Value) -> Readings:
        text = check_address(value.address)
        positions = [position for position, address in enumerate(addresses) if address.text == text]
        if not positions:
            raise IsthmusError(f"no tag is read from {text!r}", hint=one_of(text, [one.text for one in addresses]))
        encoded = _encoded(value, addresses[positions[0]].type)
        body = b"".join(position.to_bytes(4, "little") + encoded for position in positions)
        seen = time.now()
        try:
            found, _ = columns.read(body, 0, len(positions))
        except wire.Malformed as error:
            raise IsthmusError(f"these bytes are no DataValue: {error}") from error
        oddities = remarks.oddities(found, addresses, seen)
        return rows.readings(found, found.at(), seen, (), oddities, lambda: None)

    return read


def _encoded(value: Value, type_: DataType) -> bytes:
    """The DataValue as Part 6, 5.2.2.17 writes it."""
    if value.bytes is not None:
        return bytes.fromhex(value.bytes)
    status = quality.code(value.status) or 0
    mask, parts = 0, []
    if value.value is not None:
        mask |= wire.VALUE
        parts.append(_variant(value, type_))
    if status:
        mask |= wire.STATUS
        parts.append(status.to_bytes(4, "little"))
    if value.time is not None:
        mask |= wire.SOURCE_TIME
        ticks = time.from_iso(value.time) // 100 + wire.TICKS_TO_1970
        parts.append(ticks.to_bytes(8, "little", signed=True))
    return bytes((mask,)) + b"".join(parts)


def _variant(value: Value, type_: DataType) -> bytes:
    name = _TYPES[(value.type or _USUAL[type_]).lower()]
    if value.type is None and isinstance(value.value, str):
        name = "String"
    try:
        said = math.nan if value.value == "nan" and name in ("Float", "Double") else value.value
        encoded: bytes = variant_to_binary(ua.Variant(said, ua.VariantType[name]))
    except Exception as error:  # asyncua's encoder raises what struct, str and it itself raise
        raise IsthmusError(f"{value.value!r} cannot be an OPC UA {name}") from error
    return encoded
