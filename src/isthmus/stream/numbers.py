# SPDX-License-Identifier: Apache-2.0
"""Have we had these samples before, and is one missing? Told by (source, epoch, number), never by the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from isthmus.core.samples import Samples

EPOCHS: Final = 16
"""Starts of a collector remembered per source. Clocks step back, so an unknown epoch is a new one whatever its size."""

State = dict[str, list[list[int]]]
"""Source → [[epoch, last number], ...], the latest used last. Plain, so that readers store it with their position."""


@dataclass(frozen=True, slots=True)
class Novel:
    """They follow what we had."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """We had them: leave them out."""


@dataclass(frozen=True, slots=True)
class Missing:
    """They are new, and `count` before them, numbered `first` to `last`, never came and never will."""

    count: int
    first: int
    last: int


Answer = Novel | Repeated | Missing

NOVEL: Final = Novel()
REPEATED: Final = Repeated()


class Sources:
    """What one reader had of every source; commit `state` together with the position and what was read."""

    def __init__(self, state: State | None = None) -> None:
        self.state: State = {} if state is None else state

    def check(self, samples: Samples) -> Answer:
        """Tells whether `samples` are new, and remembers them.

        A collector publishes in strict order (`publish.py`), so a number that was jumped over does not come later.
        """
        epochs = self.state.setdefault(samples.source, [])
        entry = _of_epoch(epochs, samples.epoch)
        expected, entry[1] = entry[1] + 1, max(entry[1], samples.number)
        if samples.number < expected:
            return REPEATED
        if samples.number > expected:
            return Missing(samples.number - expected, expected, samples.number - 1)
        return NOVEL

    def copy(self) -> State:
        """The state as it is now; later checks do not change it."""
        return {source: [list(entry) for entry in epochs] for source, epochs in self.state.items()}


def _of_epoch(epochs: list[list[int]], epoch: int) -> list[int]:
    if epochs and epochs[-1][0] == epoch:
        return epochs[-1]
    for position, entry in enumerate(epochs):
        if entry[0] == epoch:
            epochs.append(epochs.pop(position))
            return entry
    epochs.append([epoch, 0])
    del epochs[:-EPOCHS]
    return epochs[-1]
