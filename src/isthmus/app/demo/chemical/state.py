# SPDX-License-Identifier: Apache-2.0
"""All that the plant's tags tell of: the process, its controls, operation, laboratory, books and quality."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.app.demo.chemical.books import Books
from isthmus.app.demo.chemical.controls import Controls
from isthmus.app.demo.chemical.laboratory import Laboratory
from isthmus.app.demo.chemical.operation import Operation
from isthmus.app.demo.chemical.process import Process
from isthmus.app.demo.chemical.quality import Quality


@dataclass(frozen=True, slots=True)
class State:
    """The parts of a living plant; each changes by itself, the set of them does not."""

    process: Process
    controls: Controls
    operation: Operation
    laboratory: Laboratory
    books: Books
    quality: Quality
