# SPDX-License-Identifier: Apache-2.0
"""Where the API may listen: on addresses of this machine that nobody else reaches, until people can sign in."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final

from isthmus.core.errors import InUse, Misasked

LOOPBACK: Final = "127.0.0.1"

MOST: Final = 65_535

FORM: Final = "write a port, as 8640, or an address and a port, as 127.0.0.1:8640 or [::1]:8640"

_HINT: Final = (
    "from another machine, `ssh -L 8640:127.0.0.1:8640 THIS-MACHINE` brings it to you; for several people, a reverse "
    "proxy on this machine with a login of its own"
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address of the loopback and a port."""

    host: str
    """As numbers: no name that could come to mean another machine."""
    port: int
    """0: any that is free."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def bound(self) -> socket.socket:
        """A socket that listens there; raises InUse when another program has the port, or there is no such address.

        It listens at once: two programs may be bound to one port for as long as neither does.
        """
        listening = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self.host, self.port))
            listening.listen()
        except OSError as error:
            listening.close()
            what = f"nothing can listen there: {error.strerror}"
            raise InUse(what, where=str(self), hint="choose another with --listen") from error
        return listening


def address(text: str) -> Address:
    """Reads `--listen`: a port, or an address or name and a port.

    Raises Misasked for what is no such thing, and for every address that other machines reach, written as numbers or
    meant by a name: nobody signs in yet, so whoever reaches the API reads the whole plant.
    """
    host, port = _parted(text.strip())
    found = {_loopback(one, text) for one in _meant(host, text)}
    return Address(LOOPBACK if LOOPBACK in found else min(found), port)


def is_loopback(host: str) -> bool:
    """`host` is written as numbers and means this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parted(text: str) -> tuple[str, int]:
    """The host, without brackets, and the port."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host = LOOPBACK
    if not (port.isascii() and port.isdigit() and len(port) <= len(str(MOST)) and 1 <= int(port) <= MOST):
        raise Misasked(f"{text!r} is no address to listen on", hint=FORM)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise Misasked(f"{text!r} is no address to listen on", hint=FORM)
    return host, int(port)


def _meant(host: str, text: str) -> list[str]:
    """Every address that the host means, as numbers."""
    if host in ("", "*"):
        return ["0.0.0.0"]
    try:
        return [str(one[4][0]) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise Misasked(f"{text!r}: {host!r} is no address of this machine", hint=FORM) from error


def _loopback(host: str, text: str) -> str:
    if is_loopback(host):
        return host
    reach = "every network of this machine" if ipaddress.ip_address(host).is_unspecified else "other machines"
    meant = "" if host in text else f" ({host})"
    what = f"{text}{meant} is reached from {reach}, and nobody can sign in yet: the API answers this machine only"
    raise Misasked(what, hint=_HINT)
