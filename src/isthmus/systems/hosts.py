# SPDX-License-Identifier: Apache-2.0
"""A host in a Spec: a name or an IP address alone; the port is a field of its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _host(text: str) -> str:
    if "://" in text or "/" in text or any(character.isspace() for character in text):
        raise ValueError(f"{text!r} is not a host; write its name or IP address alone: 10.20.0.31")
    if text.count(":") == 1:
        name, _, port = text.partition(":")
        raise ValueError(f"{text!r} holds a port; write host: {name}" + (f" and port: {port}" if port else ""))
    return text


Host = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_host)]
