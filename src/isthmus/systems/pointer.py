# SPDX-License-Identifier: Apache-2.0
"""Where in a JSON payload something stands: a JSON Pointer (RFC 6901), read into steps and followed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from isthmus.core.errors import IsthmusError


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
    """What a payload has at a place; raises Nothing when it has nothing there."""
    for step in path:
        if isinstance(payload, dict) and step in payload:
            payload = payload[step]
        elif isinstance(payload, list) and step.isascii() and step.isdigit() and int(step) < len(payload):
            payload = payload[int(step)]
        else:
            raise Nothing
    return payload


def _pointer(text: str) -> str:
    try:
        steps(text)
    except IsthmusError as error:
        raise ValueError(f"{error.what}; {error.hint}") from error
    return text


Pointer = Annotated[str, AfterValidator(_pointer)]
"""A JSON Pointer in a Spec."""
