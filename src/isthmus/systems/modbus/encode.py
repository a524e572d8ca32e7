# SPDX-License-Identifier: Apache-2.0
"""A value becomes registers: which of their bits are its own, and what these are to be; `decode` turned around."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final

from isthmus.core import quality
from isthmus.core.samples import Value
from isthmus.systems.modbus.address import Place
from isthmus.systems.modbus.decode import Spot

_FLOATS: Final = {"<f4": "<f", "<f8": "<d"}
WHOLE: Final = 0xFFFF


class Unfit(Exception):
    """A value that the address cannot hold; nothing is to be sent."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(quality.name(status))


@dataclass(frozen=True, slots=True)
class Words:
    """What registers (n) are to hold."""

    bits: tuple[int, ...]
    mask: tuple[int, ...]
    """The bits of each that are the value's own; the others belong to somebody else."""

    @property
    def whole(self) -> bool:
        """Nobody else has a bit in them."""
        return all(mask == WHOLE for mask in self.mask)

    def over(self, words: tuple[int, ...]) -> tuple[int, ...]:
        """The registers, which hold `words`, once the value is among them."""
        return tuple(w & ~m | b for w, b, m in zip(words, self.bits, self.mask, strict=True))

    def held_by(self, words: tuple[int, ...]) -> bool:
        """They hold the value."""
        return all(w & m == b for w, b, m in zip(words, self.bits, self.mask, strict=True))


def encode(place: Place, order: str, value: Value) -> Words:
    """What the registers of `place` are to hold; raises Unfit."""
    spot = Spot(0, place, order, 0)
    own, said = _own(spot), _said(spot, value)
    mask, bits = bytearray(2 * place.size), bytearray(2 * place.size)
    for at, one, byte in zip(spot.taken(), own, said, strict=True):
        mask[at], bits[at] = one, byte
    words = struct.Struct(f">{place.size}H")
    return Words(words.unpack(bits), words.unpack(mask))


def bit(value: Value) -> bool:
    """The value of a coil; raises Unfit."""
    if value not in (0, 1):
        raise Unfit(quality.BAD_OUT_OF_RANGE if isinstance(value, int | float) else quality.BAD_TYPE_MISMATCH)
    return bool(value)


def _own(spot: Spot) -> bytes:
    """The bits of each of its bytes that are the value's own."""
    if spot.kind in ("bit", "bits"):
        return (spot.mask << spot.shift).to_bytes(len(spot.taken()), "little")
    return b"\xff" * len(spot.taken())


def _said(spot: Spot, value: Value) -> bytes:
    """The value in its bytes, in the order of `Spot.taken`."""
    length = len(spot.taken())
    if spot.kind == "text":
        return _text(value, length)
    if spot.kind in _FLOATS:
        return _float(_FLOATS[spot.kind], value)
    if spot.kind == "bit":
        return (bit(value) << spot.shift).to_bytes(length, "little")
    if spot.kind == "bits":
        return (_whole(value, 0, spot.mask) << spot.shift).to_bytes(length, "little")
    signed = spot.kind[1] == "i"
    least, most = (-(1 << 8 * length - 1), (1 << 8 * length - 1) - 1) if signed else (0, (1 << 8 * length) - 1)
    return _whole(value, least, most).to_bytes(length, "little", signed=signed)


def _text(value: Value, length: int) -> bytes:
    if not isinstance(value, str):
        raise Unfit(quality.BAD_TYPE_MISMATCH)
    data = value.encode()
    if len(data) > length or "\0" in value:
        raise Unfit(quality.BAD_OUT_OF_RANGE)
    return data.ljust(length, b"\0")


def _number(value: Value) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit(quality.BAD_TYPE_MISMATCH)
    if not math.isfinite(value):
        raise Unfit(quality.BAD_OUT_OF_RANGE)
    return value


def _float(form: str, value: Value) -> bytes:
    try:
        return struct.pack(form, _number(value))
    except (OverflowError, struct.error):
        raise Unfit(quality.BAD_OUT_OF_RANGE) from None


def _whole(value: Value, least: int, most: int) -> int:
    number = _number(value)
    if number != int(number):
        raise Unfit(quality.BAD_TYPE_MISMATCH)
    if not least <= number <= most:
        raise Unfit(quality.BAD_OUT_OF_RANGE)
    return int(number)
