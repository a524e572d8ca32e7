# SPDX-License-Identifier: Apache-2.0
"""An OPC UA address is a NodeId as text (Part 6, 5.3.1.10): `nsu=urn:acme:dcs;s=R1.TT101`, `ns=2;i=7`, `i=2258`."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.core.errors import IsthmusError

STANDARD: Final = "http://opcfoundation.org/UA/"
"""The URI of namespace 0."""
LONGEST: Final = 4096
_TEXT = re.compile(r"(?:ns=(?P<ns>\d+);|nsu=(?P<nsu>[^;]*);)?(?P<kind>[isgb])=(?P<id>.*)", re.DOTALL)
_HINT: Final = "write nsu=<namespace URI>;s=<name>, or i=, g=, b= in place of s="


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """A NodeId as the plant file names it."""

    uri: str | None
    """Namespace URI; None when the address has an index instead."""
    index: int
    """Namespace index; only to be used when `uri` is None."""
    kind: str
    """`i`, `s`, `g` or `b`."""
    identifier: int | str | uuid.UUID | bytes

    def __str__(self) -> str:
        indexed = f"ns={self.index};" if self.index else ""
        space = indexed if self.uri is None else f"nsu={_escaped(self.uri)};"
        return f"{space}{self.kind}={_written(self.identifier)}"

    def resolve(self, namespaces: Sequence[str]) -> int | None:
        """The namespace index in a server with these `namespaces`; None when it has no such namespace."""
        if self.uri is None:
            return self.index
        return namespaces.index(self.uri) if self.uri in namespaces else None


def parse(text: str) -> NodeAddress:
    """The address `text` writes; raises IsthmusError when it cannot be one."""
    if len(text) > LONGEST:
        raise IsthmusError(f"an address of {len(text)} characters", hint=f"at most {LONGEST}")
    match = _TEXT.fullmatch(text.lstrip())
    if match is None:
        raise IsthmusError(f"{text!r} is not an OPC UA address", hint=_HINT)
    uri, index = _namespace(match["ns"], match["nsu"], text)
    return NodeAddress(uri, index, match["kind"], _identifier(match["kind"], match["id"], text))


def _namespace(index: str | None, uri: str | None, text: str) -> tuple[str | None, int]:
    if uri is not None:
        plain = uri.replace("%3B", ";").replace("%3b", ";").replace("%25", "%")
        if not plain:
            raise IsthmusError(f"{text!r} has an empty namespace URI", hint=_HINT)
        return (None, 0) if plain == STANDARD else (plain, 0)
    if index is not None and (len(index) > 5 or int(index) > 0xFFFF):
        raise IsthmusError(f"{text!r} has a namespace index above 65535")
    return None, int(index or 0)


def _identifier(kind: str, text: str, whole: str) -> int | str | uuid.UUID | bytes:
    try:
        return _READ[kind](text)
    except (ValueError, binascii.Error):
        raise IsthmusError(f"{whole!r} is not an OPC UA address", hint=_EXPECTED[kind]) from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > 0xFFFF_FFFF:
        raise ValueError
    return int(text)


def _name(text: str) -> str:
    text.encode()  # lone surrogates cannot be sent
    if not text or "\0" in text:
        raise ValueError
    return text


def _guid(text: str) -> uuid.UUID:
    if len(text) != 36:
        raise ValueError
    return uuid.UUID(text)


def _opaque(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if not data:
        raise ValueError
    return data


_READ: Final[dict[str, Callable[[str], int | str | uuid.UUID | bytes]]] = {
    "i": _number,
    "s": _name,
    "g": _guid,
    "b": _opaque,
}
_EXPECTED: Final = {
    "i": "after i= comes a number from 0 to 4294967295",
    "s": "after s= comes a name",
    "g": "after g= comes a GUID such as 09087e75-8e5e-499b-954f-f2a9603db28a",
    "b": "after b= come bytes in Base64",
}


def _escaped(uri: str) -> str:
    return uri.replace("%", "%25").replace(";", "%3B")


def _written(identifier: int | str | uuid.UUID | bytes) -> str:
    return base64.b64encode(identifier).decode() if isinstance(identifier, bytes) else str(identifier)


def check_address(text: str) -> str:
    """`text` in its canonical writing; raises IsthmusError when it cannot be an address."""
    return str(parse(text))


def warn_address(text: str) -> str:
    """A warning about an address with a namespace index: servers may number their namespaces anew at a restart."""
    address = parse(text)
    if address.uri is not None or address.index == 0:
        return ""
    tail = str(address).split(";", 1)[1]
    return (
        f"ns={address.index} may mean another namespace after the server restarts; "
        f"write nsu=<namespace URI>;{tail} (`isthmus browse` shows the URI)"
    )
