# SPDX-License-Identifier: Apache-2.0
"""What is wrong with single tags of a source while it is connected: which are bad and why, which never had a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from isthmus.core import quality
from isthmus.core.event import Event, EventKind, Severity
from isthmus.systems.contract import Form, Readings
from isthmus.systems.telling import names

NAMED: Final = 3
"""Addresses, and different reasons, that are named."""
LOOKED_AT: Final = 1000
"""Bad tags whose reasons are looked for."""


@dataclass(slots=True)
class Complaints:
    """Of n opened addresses."""

    addresses: Sequence[str]
    quality: NDArray[np.uint32]
    """(n,) the last that came live."""
    valued: NDArray[np.bool_]
    """(n,) had a value, now or ever."""
    _complete: bool = False
    """All had one."""
    _why: dict[str, str] = field(default_factory=dict)
    """Address → what its driver told of it, until it tells that it can be read again."""

    @classmethod
    def of(cls, addresses: Sequence[str], valued: Iterable[bool]) -> Complaints:
        """Nothing is known yet, but which had a value before."""
        return cls(addresses, np.zeros(len(addresses), np.uint32), np.fromiter(valued, np.bool_, len(addresses)))

    def take(self, readings: Readings) -> None:
        """Notes what readings say."""
        if not self._complete:
            self.valued[readings.index[readings.form != Form.NONE]] = True
        if not readings.historical:
            self.quality[readings.index] = readings.quality

    def hear(self, events: Iterable[Event]) -> None:
        """Notes why addresses cannot be read, or that they can again."""
        for event in events:
            if event.kind is EventKind.TAG and (listed := event.details.get("addresses")):
                known = dict.fromkeys(str(listed).split("\n"), event.message)
                if event.severity is Severity.ERROR:
                    self._why.update(known)
                elif event.severity is Severity.INFORMATION:
                    for address in known:
                        self._why.pop(address, None)

    def describe(self) -> dict[str, Any]:
        """How many tags are bad, how many others never had a value, and both in words; empty where there are none."""
        bad = np.flatnonzero(quality.is_bad(self.quality))
        never = np.flatnonzero(~self.valued & ~quality.is_bad(self.quality))
        self._complete = bool(self.valued.all())
        words = [*self._bad(bad.tolist()), *self._never(never.tolist())]
        return {"bad": len(bad), "without_value": len(never), "tags_problem": "; ".join(words)}

    def _bad(self, positions: Sequence[int]) -> Iterable[str]:
        if positions:
            whys = list(self._reasons(positions[:LOOKED_AT]))
            more = f", and {len(whys) - NAMED} more reasons" if len(whys) > NAMED else ""
            yield f"{len(positions):,} of {len(self.addresses):,} tags bad: {', '.join(whys[:NAMED])}{more}"

    def _reasons(self, positions: Sequence[int]) -> Iterable[str]:
        """What was told of these addresses, and of those that nothing was told of which quality they have."""
        told = dict.fromkeys(self._why[one] for at in positions if (one := self.addresses[at]) in self._why)
        untold: dict[str, list[str]] = {}
        for at in positions:
            if self.addresses[at] not in self._why:
                untold.setdefault(quality.name(int(self.quality[at])), []).append(self.addresses[at])
        yield from told
        yield from (f"{names(found, NAMED)} ({name})" for name, found in untold.items())

    def _never(self, positions: Sequence[int]) -> Iterable[str]:
        if positions:
            found = names([self.addresses[position] for position in positions], NAMED)
            yield f"{len(positions):,} of {len(self.addresses):,} tags {_have(positions)} no value yet: {found}"


def _have(positions: Sequence[int]) -> str:
    return "has" if len(positions) == 1 else "have"
