# SPDX-License-Identifier: Apache-2.0
"""TLS towards a far end: which certificates we trust, and which one we show."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from isthmus.core.errors import Refused


def trusting(pki: Path, *, ca: str = "", certificate: str = "", key: str = "") -> ssl.SSLContext:
    """What we trust and who we are: PEM files by their names in `pki`; without `ca` what the machine trusts.

    Raises Refused when a file is not what it should be.
    """
    named = ca
    try:
        context = ssl.create_default_context(cafile=str(pki / ca) if ca else None)
        if certificate:
            named = certificate
            context.load_cert_chain(pki / certificate, pki / key, password=_unasked)
    except (OSError, ssl.SSLError) as error:
        hint = "name PEM files that lie in pki/ of the data directory"
        raise Refused(f"{named} cannot be used: {error}", where=str(pki), hint=hint) from error
    return context


def remedy(why: str, authority: str) -> str:
    """What to do where a certificate is not trusted and OpenSSL says `why`; `authority` names who is trusted."""
    if "expired" in why or "not yet valid" in why:
        return "have a new one made for the far end; is this computer's clock right?"
    if "mismatch" in why or "not valid for" in why:
        return "name the host in url as the certificate does, or have one made for this name"
    return f"does {authority} name the certificate of whoever made it?"


def at_once(line: socket.socket) -> bool:
    """What is said before TLS where nothing is."""
    return True


def distrusted(
    where: tuple[str, int], context: ssl.SSLContext, patience: float, greet: Callable[[socket.socket], bool] = at_once
) -> str:
    """What is wrong with a far end's certificate, by a handshake of our own, for libraries that only say that something
    is: `certificate has expired`. Empty where nothing is, or that does not come out.

    `greet` says over the connection what has to be said before, and whether TLS begins then; `patience`: seconds for
    each step. Blocks.
    """
    try:
        with socket.create_connection(where, patience) as line:
            if greet(line):
                context.wrap_socket(line, server_hostname=where[0] if context.check_hostname else None).close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError:
        return ""
    return ""


def _unasked() -> str:
    """In place of the question that OpenSSL would put to the terminal, and wait."""
    raise OSError("the key is encrypted; write it without a password, readable by Isthmus alone")
