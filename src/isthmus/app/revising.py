# SPDX-License-Identifier: Apache-2.0
"""A plant file becomes the revision that runs: proposed first, to look at, then applied."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path

from isthmus.core import time
from isthmus.outputs.registry import output_kinds
from isthmus.plant.check import Checked, check_plant
from isthmus.plant.compare import Plan, compare
from isthmus.plant.load import printable
from isthmus.plant.number import NONE_GIVEN, resolve
from isthmus.plant.revision import Revision
from isthmus.store.ledger.ledger import Ledger
from isthmus.systems.registry import kinds


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a plant file would make run, and what that changes."""

    checked: Checked
    previous: Revision | None
    revision: Revision
    plan: Plan

    def told(self) -> str:
        """What its application changed, for people."""
        return "\n".join([f"applied revision {self.revision.number}:", *(f"  {line}" for line in self.plan.lines())])


def author() -> str:
    """Who sits at the keyboard, as the operating system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def propose(file: Path, data: Path, *, comment: str = "") -> Proposal:
    """What applying `file` in `data` would do. Changes nothing; raises PlantFileError with every problem."""
    checked = check_plant(file, kinds(), outputs=output_kinds())
    with Ledger.open(data, create=True) as ledger:
        return proposed(checked, ledger, by=author(), comment=comment)


def proposed(checked: Checked, ledger: Ledger | None, *, by: str, comment: str) -> Proposal:
    """What applying a checked plant file would do; without a ledger, as the very first revision."""
    previous = ledger.current() if ledger is not None else None
    revision = resolve(
        checked,
        previous,
        ledger.numbers() if ledger is not None else NONE_GIVEN,
        number=ledger.next_number() if ledger is not None else 1,
        created=time.now(),
        author=printable(by),
        comment=printable(comment),
    )
    return Proposal(checked, previous, revision, compare(previous, revision, checked.named))


def apply(proposal: Proposal, data: Path, *, remove: bool = False) -> Revision:
    """Makes the proposed revision the one that runs; what runs already takes it up by itself.

    Raises IsthmusError when it removes tags without `remove`, or another one was applied meanwhile.
    """
    if not remove:
        proposal.plan.refuse_removal()
    with Ledger.open(data, create=True) as ledger:
        ledger.apply(proposal.revision, base=proposal.previous.number if proposal.previous is not None else None)
    return proposal.revision
