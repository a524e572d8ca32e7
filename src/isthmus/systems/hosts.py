# SPDX-License-Identifier: Apache-2.0
"""A host in a Spec: a name or an IP address alone; the port is a field of its own."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final

from pydantic import AfterValidator, Field

_LOOPBACK: Final = "127.0.0.1"


def _host(text: str) -> str:
    if "://" in text or "/" in text or any(character.isspace() for character in text):
        raise ValueError(f"{text!r} is not a host; write its name or IP address alone: 10.20.0.31")
    if text.count(":") == 1:
        name, _, port = text.partition(":")
        raise ValueError(f"{text!r} holds a port; write host: {name}" + (f" and port: {port}" if port else ""))
    return text


def known_as(host: str) -> str:
    """One name for a host that can be written in several ways: capitals, IPv6 zeros, `localhost`."""
    name = host.lower().strip("[]").rstrip(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _LOOPBACK if name == "localhost" else name
    return _LOOPBACK if address == ipaddress.IPv6Address("::1") else str(address)


Host = Annotated[str, Field(min_length=1, max_length=253), AfterValidator(_host)]
