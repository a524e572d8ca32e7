# SPDX-License-Identifier: Apache-2.0
"""An account says what a piece took in and gave away of something that is conserved, so that balances can be tested."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Account:
    """What went in and out of one piece since it was built: kg of a mass account, J of an energy account."""

    into: float = 0.0
    out: float = 0.0

    def book(self, into: float, out: float) -> None:
        self.into += into
        self.out += out

    @property
    def net(self) -> float:
        """What must have stayed inside."""
        return self.into - self.out


@dataclass(frozen=True, slots=True)
class Standing:
    """What a piece holds and what its account says, at one moment."""

    held: float
    into: float
    out: float

    @classmethod
    def of(cls, held: float, *accounts: Account) -> Standing:
        return cls(held, sum(a.into for a in accounts), sum(a.out for a in accounts))


def gap(before: Standing, after: Standing) -> float:
    """How far the balance between two moments is from closing, relative to what went through."""
    into, out = after.into - before.into, after.out - before.out
    missing = (after.held - before.held) - (into - out)
    return abs(missing) / max(abs(into), abs(out), abs(after.held - before.held), 1e-9 * abs(after.held))
