# SPDX-License-Identifier: Apache-2.0
"""What is known of a system's addresses from before this session: where observing ended, what is still to recall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core import time
from isthmus.systems.contract import Address

LATE: Final = 60 * time.SECOND


@dataclass(slots=True)
class Memory:
    """Outlives sessions; begins with what the log has."""

    resume: Mapping[str, int]
    """Address → newest device time (ns) in the log."""
    heard: int = 0
    """When a session last heard from the server, ns by our clock."""
    _newest: dict[str, int] = field(default_factory=dict)
    _missing: dict[str, int] = field(default_factory=dict)
    """Address → device time after which values are still to be recalled."""
    _outage: int = time.UNKNOWN

    def note(self, addresses: Sequence[Address], newest: NDArray[np.int64], heard: int) -> None:
        """A session ended; these were the newest device times of its addresses."""
        self.heard = max(self.heard, heard)
        for address, at in zip(addresses, newest.tolist(), strict=True):
            if at != time.UNKNOWN:
                self._newest[address.text] = max(at, self._newest.get(address.text, at))

    def missed(self, addresses: Sequence[Address], now: int) -> dict[int, int]:
        """Position → device time (ns) after which a session that begins now has to recall.

        A steady tag was observed too: recalling begins where observing ended by the device's clock, of which the
        newest time of all addresses is the best witness, and a minute before that for those that came late.
        """
        known = {a.text: self._newest.get(a.text, self.resume.get(a.text)) for a in addresses}
        times = {text: at for text, at in known.items() if at is not None}
        floor = min(self.ended(now), max(times.values(), default=time.UNKNOWN)) - LATE
        for text, at in times.items():
            self._missing.setdefault(text, max(at, floor))
        found = ((position, self._missing.get(address.text)) for position, address in enumerate(addresses))
        return {position: since for position, since in found if since is not None}

    def settled(self, addresses: Iterable[Address]) -> None:
        """What was missed of these is recalled, or never will be."""
        for address in addresses:
            self._missing.pop(address.text, None)

    def ended(self, now: int) -> int:
        """When observing ended, by our clock; UNKNOWN when it never began.

        The same until the outage was told of: a session that broke before it could say so leaves that to the next one.
        """
        if not self._outage:
            self._outage = self.heard or min(max(self.resume.values(), default=time.UNKNOWN), now)
        return self._outage

    def told(self) -> None:
        """The outage was told of."""
        self._outage = time.UNKNOWN
