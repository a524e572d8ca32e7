# SPDX-License-Identifier: Apache-2.0
"""A chemical plant: two feeds react in two stirred tanks, a column parts the product, what did not react goes back."""

from isthmus.app.demo.chemical.operation import CAMPAIGN, GRADES, STEADY, Grade, Phase, Stage
from isthmus.app.demo.chemical.plant import Past, Plant, Values
from isthmus.app.demo.chemical.tag import PlantTag
from isthmus.app.demo.pieces.fault import Fault, FaultKind, Truth

__all__ = [
    "CAMPAIGN", "GRADES", "STEADY", "Fault", "FaultKind", "Grade", "Past", "Phase", "Plant", "PlantTag", "Stage",
    "Truth", "Values",
]  # fmt: skip
