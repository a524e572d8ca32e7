# SPDX-License-Identifier: Apache-2.0
"""A resource is one path that is asked for at one interval: when it is due, and what its answers are worth."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from isthmus.core import quality, time
from isthmus.systems.contract import Address, Form
from isthmus.systems.http.address import split
from isthmus.systems.http.client import UNASKED, Answer, Silence
from isthmus.systems.http.spec import HttpSpec
from isthmus.systems.payload import UNITS, Reading, Stamps, Target
from isthmus.systems.pointer import steps

SOON: Final = 1.0
"""Seconds over which first requests are spread, however long the interval is."""
AGAIN: Final = 30.0
"""Seconds between two requests for what is refused or does not answer, at most; they double from 1."""

BAD_USER_ACCESS_DENIED: Final = 0x801F_0000
_STATUS: Final = {
    403: BAD_USER_ACCESS_DENIED,
    404: quality.BAD_NODE_ID_UNKNOWN,
    408: quality.BAD_TIMEOUT,
    410: quality.BAD_NODE_ID_UNKNOWN,
    429: quality.BAD_RESOURCE_UNAVAILABLE,
    503: quality.BAD_RESOURCE_UNAVAILABLE,
    504: quality.BAD_TIMEOUT,
}
_CHARSETS: Final = frozenset({"utf-16", "utf-16le", "utf-16be", "iso-8859-1", "latin-1", "windows-1252", "cp1252"})
_UTF8: Final = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})


class Unfit(Exception):
    """An answer that cannot be read, with its StatusCode."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


@dataclass(slots=True)
class Resource:
    """One path at one interval; outlives connections, so that what was learnt of it is kept."""

    path: str
    interval: float
    """Seconds."""
    phase: float
    """Seconds by which its grid is shifted."""
    targets: list[Target] = field(default_factory=list)
    due: float = 0.0
    """When it is asked for next, by the loop's clock."""
    tag: str = ""
    """The ETag of the last answer that could be read."""
    misses: int = 0
    """Requests without an answer, or with a temporary no, one after the other."""
    trouble: str = ""
    """Why it could not be read the last time."""
    told: str = ""
    """What trouble was told of and not taken back."""
    _digest: bytes = b""
    _steady: list[Reading] = field(default_factory=list)
    """What the last answer said without a time: true again each time it says the same."""

    def begin(self, now: float) -> None:
        """A new connection: it is asked for soon."""
        self.due = min(self.after(now), now + self.phase % SOON)

    def after(self, now: float) -> float:
        """The first time of its grid after `now`."""
        return (math.floor((now - self.phase) / self.interval) + 1) * self.interval + self.phase

    def next(self, began: float, ended: float) -> int:
        """Sets when it is due again, after an answer; how many of its times have passed while it was asked."""
        wanted, self.due = self.after(began), self.after(ended)
        self.misses = 0
        return max(0, round((self.due - wanted) / self.interval))

    def rest(self, ended: float, seconds: float) -> None:
        """It is left alone for so long, and at least until it is due."""
        self.due = max(self.after(ended), ended + seconds)

    def spare(self, ended: float) -> None:
        """It says no: it is asked less often the longer it does."""
        self.misses += 1
        self.rest(ended, min(AGAIN, 2.0 ** min(self.misses - 1, 10)))

    def miss(self, ended: float) -> None:
        """No answer: it is asked at once a second time, and then less often."""
        self.spare(ended)
        if self.misses == 1:
            self.due = ended

    def bad(self, status: int) -> list[Reading]:
        """Its addresses, without values."""
        self.forget()
        return [Reading(one.position, time.UNKNOWN, status, Form.NONE, np.nan, 0, None) for one in self.targets]

    def forget(self) -> None:
        """What it said last does not count any more."""
        self.tag, self._digest, self._steady = "", b"", []

    def same(self, answer: Answer) -> bool:
        """It says what it said before."""
        digest = b"" if answer.status == 304 else hashlib.blake2b(answer.body, digest_size=16).digest()
        same = answer.status == 304 or digest == self._digest
        self._digest = digest or self._digest
        return same and bool(self._digest)

    @property
    def steady(self) -> list[Reading]:
        """What the last answer said without a time."""
        return self._steady

    def keep(self, rows: Sequence[Reading], answer: Answer) -> None:
        """Notes what an answer said."""
        self._steady, self.tag = [row for row in rows if row.at == time.UNKNOWN], answer.tag


def trouble(answer: Answer | Silence) -> Unfit | None:
    """Why an answer says nothing of its addresses; None when it does."""
    if isinstance(answer, Silence):
        return Unfit(answer.status, answer.why)
    if answer.status == 200 and not answer.whole:
        return Unfit(quality.BAD_ENCODING_LIMITS, "the answer is longer than largest: allows")
    if answer.status in (200, 203, 304):
        return None
    if answer.location:
        place = answer.location.partition("?")[0][:200]  # what follows may be secret, and another each time
        return Unfit(quality.BAD_CONFIGURATION, f"the server answers {answer.words}: look at {place}")
    status = quality.BAD_DEVICE_FAILURE if answer.status >= 500 else quality.BAD_CONFIGURATION
    return Unfit(_STATUS.get(answer.status, status), f"the server answers {answer.words}")


def wait_of(answer: Answer) -> float:
    """Seconds that a busy server is left alone."""
    return answer.rest or UNASKED


def text_of(answer: Answer) -> bytes:
    """The body in UTF-8; raises Unfit."""
    body = answer.body
    if answer.charset not in _UTF8:
        if answer.charset not in _CHARSETS:
            raise Unfit(quality.BAD_DECODING, f"the answer is in {answer.charset[:40]!r}, which nobody here reads")
        try:
            body = body.decode(answer.charset).encode()
        except UnicodeError:
            raise Unfit(quality.BAD_DECODING, f"the answer is not in {answer.charset}, as its headers say") from None
    return body.removeprefix(b"\xef\xbb\xbf")


def resources(addresses: Sequence[Address], spec: HttpSpec, system: str) -> list[Resource]:
    """One resource per path and interval of `addresses`."""
    every = time.duration(spec.every)
    found: dict[tuple[str, int], Resource] = {}
    for position, address in enumerate(addresses):
        path, pointer = split(address.text)
        interval = address.sampling or every
        if (path, interval) not in found:
            found[path, interval] = Resource(path, interval / time.SECOND, _phase(system, path, interval))
        found[path, interval].targets.append(Target(position, pointer, address.type, address.text))
    return list(found.values())


def _phase(system: str, path: str, interval: int) -> float:
    """Seconds, from 0 to the interval (ns), that the same resource always has and that few others share."""
    digest = hashlib.blake2b(f"{system} {path} {interval}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * interval / time.SECOND


def stamps_of(spec: HttpSpec) -> Stamps:
    """Where answers say their time and quality."""
    return Stamps(steps(spec.time), UNITS[spec.time_unit], steps(spec.quality), ZoneInfo(spec.time_zone))
