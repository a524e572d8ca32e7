# SPDX-License-Identifier: Apache-2.0
"""A payload of one message or answer becomes readings: the value of each address in it, its time and its quality."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, tzinfo
from decimal import Decimal
from math import inf
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from isthmus.core import quality as codes
from isthmus.core import time as clock
from isthmus.core.errors import IsthmusError
from isthmus.core.event import Event
from isthmus.core.tag import DataType
from isthmus.systems.contract import Form, Found, Oddity, Readings, nothing
from isthmus.systems.pointer import Nothing, found, opened

UNITS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""Unit of a time that is a number → ns."""

PLAIN: Final = object()
"""In the place of a payload that is no JSON, or is not looked at as such."""

LARGE: Final = 256 << 10
"""Bytes from which on a payload is opened only where something is asked for. To make objects of all of it takes
milliseconds, in which the whole collector stands still: no thread helps, for the decoder holds Python's lock."""


class Target(NamedTuple):
    """One address that a payload gives a value to."""

    position: int
    path: tuple[str, ...]
    type: DataType
    text: str

    @property
    def structured(self) -> bool:
        """The payload has to be looked at as JSON."""
        return bool(self.path) or self.type is not DataType.TEXT


class Reading(NamedTuple):
    """One value, as a row of `Readings`."""

    position: int
    at: int
    quality: int
    form: int
    value: float
    integer: int
    text: str | None


def unreadable(position: int) -> Reading:
    """The reading of an address whose payload cannot be read."""
    return Reading(position, clock.UNKNOWN, codes.BAD_TYPE_MISMATCH, Form.NONE, np.nan, 0, None)


def decoded(raw: bytes) -> Any:
    """The payload as JSON; PLAIN when it is none."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return PLAIN


def _asked(raw: bytes) -> Any:
    """The payload as JSON to look for single values in; PLAIN when it is none."""
    if len(raw) < LARGE:
        return decoded(raw)
    try:
        if not raw.isascii():
            raw.decode()  # only what is opened would be looked at for that
        return opened(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return PLAIN


@dataclass(frozen=True, slots=True)
class Stamps:
    """Where payloads say their time and their quality."""

    time: tuple[str, ...]
    """Steps to the time; none: they have none."""
    unit: int
    """ns in one of a time that is a number."""
    quality: tuple[str, ...]
    """Steps to the quality; none: they have none."""
    zone: tzinfo = UTC
    """Of times that do not say theirs."""

    def moment(self, payload: Any) -> int:
        """Its time, UNKNOWN where it has none; raises IsthmusError when what stands there is no time."""
        if not self.time or payload is PLAIN:
            return clock.UNKNOWN
        try:
            said = found(payload, self.time)
        except Nothing:
            return clock.UNKNOWN
        with suppress(IsthmusError):
            if isinstance(said, str):
                return clock.from_iso(said, self.zone)
            if isinstance(said, int | float) and not isinstance(said, bool):
                ns = int(Decimal(repr(said)) * self.unit)  # a float's product is off by 100 ns
                if clock.EARLIEST <= ns <= clock.LATEST:
                    return ns
        raise IsthmusError("its time is none")

    def status(self, payload: Any) -> int:
        """Its quality, Good where it has none; raises IsthmusError when what stands there is no quality."""
        if not self.quality or payload is PLAIN:
            return codes.GOOD
        try:
            said = found(payload, self.quality)
        except Nothing:
            return codes.GOOD
        if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= 0xFFFF_FFFF:
            return said
        if isinstance(said, str) and (code := codes.code(said)) is not None:
            return code
        raise IsthmusError("its quality is none")

    def results(self, raw: bytes, targets: Sequence[Target], unknown: int = codes.GOOD) -> Iterator[Reading | str]:
        """The reading of each target, or why there is none, in few different words: they are remembered.

        `unknown` is the quality of a payload that says neither a time nor a bad quality.
        """
        payload = _asked(raw) if any(target.structured for target in targets) else PLAIN
        try:
            at, status = self.moment(payload), self.status(payload)
        except IsthmusError as error:
            yield from (error.what for _ in targets)
            return
        if at == clock.UNKNOWN and status == codes.GOOD:
            status = unknown
        for target in targets:
            yield _result(target, raw, payload, at, status)


def _result(target: Target, raw: bytes, payload: Any, at: int, status: int) -> Reading | str:
    """One target's reading, or why there is none."""
    if payload is PLAIN or not target.structured:
        if target.path:
            return "the payload is no JSON"
        try:
            value: Any = raw.decode("utf-8")
        except UnicodeDecodeError:
            return "the payload is no text"
    else:
        try:
            value = found(payload, target.path)
        except Nothing:
            return "the payload has nothing there"
    if isinstance(value, dict | list):
        if target.type is not DataType.TEXT:
            return "it is not a single value"
        try:
            value = _written(value, again=len(raw) >= LARGE)
        except (msgspec.DecodeError, RecursionError):
            return "the payload is no JSON"
    return Reading(target.position, at, *_valued(value, status))


def _written(value: Any, *, again: bool) -> str:
    """An object or a list as JSON; read `again` where parts of it may be as the payload had them, with its spaces."""
    text = msgspec.json.encode(value)
    return (msgspec.json.encode(msgspec.json.decode(text)) if again else text).decode()


def _valued(value: Any, status: int) -> tuple[int, int, float, int, str | None]:
    """(quality, form, value, integer, text)."""
    if type(value) is float:
        return status, Form.FLOAT, value, 0, None
    if value is None:
        return status if status >= codes.BAD else codes.BAD_NO_DATA, Form.NONE, np.nan, 0, None
    if isinstance(value, bool):
        return status, Form.BOOLEAN, float(value), 0, None
    if isinstance(value, int) and -(2**63) <= value < 2**64:
        signed = value if value < 2**63 else value - 2**64
        return status, Form.SIGNED if value < 2**63 else Form.UNSIGNED, float(value), signed, None
    if isinstance(value, str):
        return status, Form.TEXT, np.nan, 0, value
    try:
        return status, Form.FLOAT, float(value), 0, None
    except OverflowError:  # a whole number of more than 308 digits
        return status, Form.FLOAT, inf if value > 0 else -inf, 0, None


def columns(
    rows: Sequence[Reading],
    seen: int,
    events: Sequence[Event] = (),
    oddities: Sequence[Oddity] = (),
    done: Callable[[], None] = nothing,
) -> Readings:
    """Rows, at least one, as columns."""
    position, at, status, form, value, integer, text = zip(*rows, strict=True)
    return Readings(
        index=np.array(position, np.uint32),
        at=np.array(at, np.int64),
        quality=np.array(status, np.uint32),
        form=np.array(form, np.uint8),
        value=np.array(value, np.float64),
        integer=np.array(integer, np.int64),
        text=text,
        seen=seen,
        events=events,
        oddities=oddities,
        done=done,
    )


def leaves(place: str, raw: bytes) -> Iterator[Found]:
    """The single values in a payload, with their addresses: `place`, and where it is JSON `#` and a pointer."""
    payload = decoded(raw)
    if payload is PLAIN:
        payload = None if b"\0" in raw else raw.decode("utf-8", "replace")
    waiting = [("", payload)]
    while waiting:
        pointer, value = waiting.pop(0)
        if isinstance(value, dict):
            waiting += [(f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", one) for key, one in value.items()]
        elif not isinstance(value, list):
            address = f"{place}#{pointer}" if pointer else place
            yield Found(address, address.rsplit("/", 1)[-1], f"{place}{pointer}", _type(value))


def _type(value: Any) -> DataType | None:
    if isinstance(value, bool):
        return DataType.BOOLEAN
    if isinstance(value, int | float):
        return DataType.FLOAT
    return DataType.TEXT if isinstance(value, str) else None
