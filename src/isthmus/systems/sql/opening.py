# SPDX-License-Identifier: Apache-2.0
"""Why a database cannot be opened, in our words: what may pass by itself, what has to be put right, and where.

libpq says of a certificate that it does not trust only that this is so. Why, the server is asked a second time for.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict

from isthmus.core.errors import Disconnected, Refused
from isthmus.systems.sql.spec import Database
from isthmus.systems.tls import distrusted, remedy

ASKING: Final = 2.0
"""Seconds that a server may take to show its certificate."""
_UNTRUSTED: Final = "certificate verify failed"
_OTHER: Final = re.compile(r'server certificate for ".*" .*does not match host name|not match host name')
_OURS: Final = re.compile(r"alert .*certificate|alert unknown ca", re.IGNORECASE)
"""What a server answers to a certificate of ours."""
_NEVER: Final = re.compile(
    r"password authentication failed|no password supplied|role .* does not exist|database .* does not exist|"
    r"no pg_hba\.conf entry|permission denied|certificate|invalid (sslmode|connection option|URI|port)|not permitted",
    re.IGNORECASE,
)
"""What PostgreSQL and libpq say when trying again will not help."""
_SERVER_SAYS: Final = re.compile(r"failed: \S+:  ")
"""`FATAL:  ` before the words of a server; what libpq says itself has none."""
_PASSES: Final = re.compile(r"too many|remaining connection slots|starting up|shutting down|recovery", re.IGNORECASE)
_SERVER: Final = re.compile(r'server at "(?P<host>[^"]+)"(?: \([^)]*\))?, port (?P<port>\d+)')
_ASK_FOR_TLS: Final = struct.pack("!ii", 8, 80877103)
"""SSLRequest (PostgreSQL, Message Formats)."""


def unopened(said: str, spec: Database, place: str, *, proved: bool = False) -> Disconnected | Refused:
    """What `said`, the first line of an error at opening, means; `proved`: it came after a password was asked for.

    libpq hands on no SQLSTATE of a connection that failed. What a server says to a password is a refusal in whatever
    language it says it: each further try counts against the account. Blocks: it may ask the server for its certificate.
    """
    if spec.file:
        return Disconnected(said, where=place, hint=_lacking(spec.file))
    if _UNTRUSTED in said:
        return _untrusted(said, spec.url, place)
    if _OTHER.search(said):
        hint = "name the host in url as its certificate does, or have one made for this name"
        return Disconnected(said, where=place, hint=hint)
    if _OURS.search(said):
        hint = "is the certificate that sslcert= names one that the server takes, and not expired?"
        return Refused(said, where=place, hint=hint)
    if _NEVER.search(said) or (proved and _SERVER_SAYS.search(said) and not _PASSES.search(said)):
        return Refused(said, where=place, hint="look at url, user and password")
    return Disconnected(said, where=place)


def _lacking(file: str) -> str:
    """What a SQLite file needs that cannot be opened."""
    folder = Path(file).parent
    try:
        if not folder.is_dir():
            return f"there is no folder {folder}; make it, or mend url"
        return "" if Path(file).exists() else "there is no such file; mend url, or see that it is made"
    except OSError as error:  # in a folder that is another user's nothing can be looked for
        return f"{error.strerror}: {error.filename}; mend url, or let Isthmus read there"


def _untrusted(said: str, url: str, place: str) -> Disconnected:
    """Nobody's password was sent yet: it may be tried again as often as any server that is away."""
    why = _why_untrusted(said, url)
    what = f"its certificate is not trusted: {why or said}"
    return Disconnected(what, where=place, hint=remedy(why, "sslrootcert= in url"))


def _why_untrusted(said: str, url: str) -> str:
    """`certificate has expired`; empty where that does not come out."""
    server = _SERVER.search(said)
    try:
        context = _trusting(url)
    except OSError:
        return ""
    if server is None or context is None:
        return ""
    return distrusted((server["host"], int(server["port"])), context, ASKING, _speaks_tls)


def _speaks_tls(line: socket.socket) -> bool:
    line.sendall(_ASK_FOR_TLS)
    return line.recv(1) == b"S"


def _trusting(url: str) -> ssl.SSLContext | None:
    """What libpq trusts when it is given this address; None where that is not to be found out."""
    try:
        root = _parameters(url).get("sslrootcert") or str(Path.home() / ".postgresql" / "root.crt")
    except (ProgrammingError, RuntimeError):
        return None
    context = ssl.create_default_context(cafile=None if root == "system" else root)
    context.check_hostname = False
    return context


def _parameters(url: str) -> Mapping[str, str]:
    """What libpq makes of an address, its environment included."""
    found = {one.keyword.decode(): one.val.decode() for one in pq.Conninfo.get_defaults() if one.val is not None}
    return found | {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
