# SPDX-License-Identifier: Apache-2.0
"""Where in a JSON payload something stands: a JSON Pointer (RFC 6901), read into steps and followed."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from pydantic import AfterValidator

from isthmus.core.errors import IsthmusError

_LEVEL: Final = msgspec.json.Decoder(dict[str, msgspec.Raw] | list[msgspec.Raw])


class Nothing(Exception):
    """The payload has nothing at that place."""


def steps(pointer: str) -> tuple[str, ...]:
    """The steps of a JSON Pointer, none for the whole; raises IsthmusError when it is none."""
    if not pointer:
        return ()
    if not pointer.startswith("/") or "~" in pointer.replace("~0", "").replace("~1", ""):
        hint = "write #/temperature, #/values/0; ~1 stands for / in a name and ~0 for ~"
        raise IsthmusError(f"{pointer[:80]!r} is no JSON Pointer", hint=hint)
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


def found(payload: Any, path: tuple[str, ...]) -> Any:
    """What a payload has at a place; raises Nothing when it has nothing there.

    One that is `opened` is opened further on the way.
    """
    for step in path:
        place: Any = step
        if isinstance(payload, list) and step.isascii() and step.isdigit() and int(step) < len(payload):
            place = int(step)
        elif not isinstance(payload, dict) or step not in payload:
            raise Nothing
        if isinstance(payload[place], msgspec.Raw):
            payload[place] = _opened_within(payload[place])
        payload = payload[place]
    return payload


def opened(text: bytes | msgspec.Raw) -> Any:
    """JSON whose uppermost object or list is opened and no more: what is in it stays as it is written (msgspec.Raw).

    All of it is looked through, and no objects are made of what nobody asks for: that takes a tenth of the time or
    less. Whether texts are UTF-8 and numbers are not too large is seen only where they are opened. Raises
    msgspec.DecodeError.
    """
    try:
        return _LEVEL.decode(text)
    except msgspec.ValidationError:  # neither an object nor a list
        return msgspec.json.decode(text)


def _opened_within(text: msgspec.Raw) -> Any:
    try:
        return opened(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Nothing from error


def _pointer(text: str) -> str:
    try:
        steps(text)
    except IsthmusError as error:
        raise ValueError(f"{error.what}; {error.hint}") from error
    return text


Pointer = Annotated[str, AfterValidator(_pointer)]
"""A JSON Pointer in a Spec."""
