# SPDX-License-Identifier: Apache-2.0
"""What is known of the product: the laboratory's results, and what quality decides of the lots."""

from __future__ import annotations

from collections.abc import Iterator

from isthmus.app.demo.chemical.state import State
from isthmus.app.demo.chemical.tag import Place, Row
from isthmus.core.tag import DataType


def rows() -> Iterator[Row]:
    """All rows of laboratory and quality."""
    yield from _laboratory(Place("LAB", "laboratory", "laboratory", "result"))
    yield from _quality(Place("QA", "quality", "quality", "releases"))


def _drawn(state: State) -> float:
    return state.laboratory.taken


def _decided(state: State) -> float:
    return state.quality.decided


def _laboratory(place: Place) -> Iterator[Row]:
    def result(isa: str, analysis: str, what: str, unit: str, span: tuple[float, float], about: str) -> Row:
        return place.told(isa, what, DataType.FLOAT, unit, span, about,
                          lambda s: s.laboratory.results[analysis], taken=_drawn)  # fmt: skip

    yield result("QI201", "R1", "reactor-1-product", "%", (0, 100), "product in reactor 1, chromatograph")
    yield result("QI211", "R2", "reactor-2-product", "%", (0, 100), "product in reactor 2, chromatograph")
    yield result("QI301", "purity", "distillate-purity", "%", (90, 100), "product in the distillate, chromatograph")
    yield result("QI302", "bottoms", "bottoms-product", "%", (0, 50), "product left in the bottoms, chromatograph")
    yield result("QI401", "tank", "tank-purity", "%", (90, 100), "product in the storage tank, chromatograph")
    yield result("QI202", "catalyst", "active-catalyst", "[ppm]", (0, 1000), "in reactor 1, by titration")
    yield result("QI303", "colour", "colour", "1", (0, 100), "of the distillate, APHA")
    yield result("QI304", "density", "density", "kg/m3", (800, 900), "of the distillate at 20 Cel")
    sample = Place("LAB", "laboratory", "laboratory", "sample")
    yield sample.written("QN1", "sample", "name of the latest sample", lambda s: s.laboratory.sample, taken=_drawn)


def _quality(place: Place) -> Iterator[Row]:
    yield place.written("UN1", "lot", "lot that the latest decision is of", lambda s: s.quality.lot, taken=_decided)
    yield place.written("UN2", "decision", "what was decided of it", lambda s: s.quality.decision, taken=_decided)
    yield place.written("UN3", "sample", "sample that it was decided by", lambda s: s.quality.sample, taken=_decided)
    yield place.told("QI1", "purity", DataType.FLOAT, "%", (90, 100), "mean of the lot's samples so far",
                     lambda s: round(s.quality.purity, 5), taken=_decided)  # fmt: skip
    yield place.told("QI2", "colour", DataType.FLOAT, "1", (0, 100), "mean of the lot's samples so far, APHA",
                     lambda s: round(s.quality.colour, 1), taken=_decided)  # fmt: skip
    yield place.told("WQ1", "mass", DataType.FLOAT, "kg", (0, 30e3), "made of the lot by then",
                     lambda s: round(s.quality.mass, 1), taken=_decided)  # fmt: skip
