# SPDX-License-Identifier: Apache-2.0
"""Quality decides of a lot with each of the laboratory's results, and when it is made whether it is released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from isthmus.app.demo.chemical.books import Books
from isthmus.app.demo.chemical.laboratory import ANALYSIS, Laboratory

PUREST: Final = 0.96
"""Mass fraction of product that a lot has at least."""
PALEST: Final = 25.0
"""APHA that a lot has at most."""
DECISIONS: Final = ("on specification", "off specification", "released", "blocked")
"""While it is made, and once it is."""


@dataclass(slots=True)
class Quality:
    """The latest decision, and what it is based on."""

    lot: str = ""
    decision: str = DECISIONS[0]
    sample: str = ""
    decided: float = 0.0
    """s since 1970-01-01 UTC of the process."""
    purity: float = 0.0
    """Mean of the samples of the lot so far."""
    colour: float = 0.0
    mass: float = 0.0
    """kg made of the lot."""
    samples: int = 0
    """Of the lot so far."""
    _made: float = 0.0
    """kg of the lot when last looked at."""

    def step(self, laboratory: Laboratory, books: Books) -> None:
        """Decides when the laboratory has reported."""
        if laboratory.sample != self.sample and books.grade:
            if books.lot_name != self.lot and self.decision in DECISIONS[:2] and self.lot:
                self._decide(laboratory, over=True)
            else:
                self._count(laboratory, books)
                self._decide(laboratory, over=False)
        if books.lot_name == self.lot:
            self._made = books.lot.since

    def shift(self, seconds: float) -> None:
        """The process' calendar was set by so much: decisions keep their age."""
        self.decided += seconds

    def _count(self, laboratory: Laboratory, books: Books) -> None:
        """A sample of the lot being made."""
        if books.lot_name != self.lot:
            self.lot, self.samples, self._made = books.lot_name, 0, books.lot.since
            self.purity = self.colour = 0.0
        self.samples += 1
        self.purity += (laboratory.results["purity"] - self.purity) / self.samples
        self.colour += (laboratory.results["colour"] - self.colour) / self.samples

    def _decide(self, laboratory: Laboratory, *, over: bool) -> None:
        """Of a lot that is over by the samples that were taken of it; this one is of the next lot already."""
        good = self.purity >= PUREST and self.colour <= PALEST
        self.decision = DECISIONS[(0 if good else 1) + (2 if over else 0)]
        self.sample, self.mass = laboratory.sample, self._made
        self.decided = laboratory.taken + ANALYSIS
