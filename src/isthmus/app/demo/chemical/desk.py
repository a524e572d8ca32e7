# SPDX-License-Identifier: Apache-2.0
"""The simulation's own API: what a command or a server asks of it, one JSON object a line over the loopback.

The simulation writes where it listens, with a token that every question has to carry, into `desk.json` of its folder,
which only its user can read. Each connection asks as often as it likes and gets one line for each question; after
`follow` it gets what the servers show, line by line, for as long as it listens.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from isthmus.app.demo.chemical.faces import Node
from isthmus.core.errors import IsthmusError, NotFound

LONGEST: Final = 1 << 22
"""Bytes of a line."""
PATIENCE: Final = 15.0
"""Seconds for an answer."""


class Where(msgspec.Struct, frozen=True):
    """What `desk.json` says."""

    port: int
    token: str
    pid: int


class Ask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A question or an order. Times are ns since 1970-01-01 UTC, spans s of the process."""

    do: Literal["follow", "look", "start", "clear", "order"]
    token: str = ""
    system: str = ""
    """follow: whose values."""
    kind: str = ""
    target: str = ""
    severity: float = 0.5
    ramp: float | None = None
    """start: s until it is fully grown; None: as is usual for the kind."""
    start: int | None = None
    until: int | None = None
    number: int = 0
    """clear: of the fault."""
    grade: str = ""
    """order: what to make; empty: nothing."""
    hours: float = 8.0


class Change(msgspec.Struct, frozen=True, array_like=True):
    """A variable's new value."""

    position: int
    """In the list of nodes."""
    value: float | str
    quality: int
    at: int
    """µs since 1970-01-01 UTC: a number that JavaScript has too."""


class Opening(msgspec.Struct, frozen=True):
    """The first line after `follow`."""

    namespace: str
    title: str
    nodes: tuple[Node, ...]


class Scan(msgspec.Struct, frozen=True):
    """What changed, all at first; every further line after `follow`."""

    changes: tuple[Change, ...]


def where(folder: Path) -> Where:
    """Raises NotFound when no simulation has said where it listens."""
    try:
        return msgspec.json.decode((folder / "desk.json").read_bytes(), type=Where)
    except (OSError, msgspec.DecodeError) as error:
        raise NotFound(
            "no chemical plant is simulated here", where=str(folder.parent), hint="start it: isthmus demo chemical"
        ) from error


def ask(folder: Path, question: Ask) -> dict[str, Any]:
    """Asks the simulation of a data directory; raises IsthmusError with its reason when it refuses."""
    place = where(folder)
    said = msgspec.json.encode(msgspec.structs.replace(question, token=place.token)) + b"\n"
    try:
        with socket.create_connection(("127.0.0.1", place.port), PATIENCE) as line, line.makefile("rb") as answers:
            line.settimeout(PATIENCE)
            line.sendall(said)
            answer: dict[str, Any] = msgspec.json.decode(answers.readline(LONGEST))
    except (OSError, msgspec.DecodeError) as error:
        raise IsthmusError(
            "the simulated plant does not answer", where=str(folder.parent), hint="is `isthmus demo chemical` running?"
        ) from error
    if "refused" in answer:
        raise IsthmusError(str(answer["refused"]))
    return answer
