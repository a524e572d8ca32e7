# SPDX-License-Identifier: Apache-2.0
"""Lengths of time in a Spec: written `250ms`, `1s`, `2h`, kept as written, within the bounds a field gives."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from isthmus.core import time
from isthmus.core.errors import IsthmusError


def _duration(text: str) -> str:
    try:
        ns = time.duration(text)
    except IsthmusError as error:
        raise ValueError(str(error)) from error
    if text.strip().startswith("-"):
        raise ValueError(f"{text!r} lies in the past; write a length of time: 250ms, 1s, 2h")
    return time.to_text(ns) if ns else "0s"


Duration = Annotated[str, AfterValidator(_duration), Field(examples=["250ms", "1s", "2h"])]


def between(shortest: str, longest: str) -> Any:
    """For `Annotated[Duration, between(...)]`: refuses what is shorter or longer."""

    def check(text: str) -> str:
        if not time.duration(shortest) <= time.duration(text) <= time.duration(longest):
            raise ValueError(f"{text} is not from {shortest} to {longest}")
        return text

    return AfterValidator(check)


def seconds(text: str) -> float:
    """The length in seconds."""
    return time.duration(text) / time.SECOND
