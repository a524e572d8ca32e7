# SPDX-License-Identifier: Apache-2.0
"""A scan of one server's tags: what is not as it was the last time."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from isthmus.app.demo.chemical.desk import Change
from isthmus.app.demo.chemical.plant import Values, rows
from isthmus.app.demo.chemical.tag import Letter

_MICRO = 1000


@cache
def _taken(letter: Letter) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where the server's tags stand among all, and which of them come with a sample's own time."""
    found = [(i, row.taken is not None) for i, row in enumerate(rows()) if row.tag.server == letter]
    return np.array([i for i, _ in found]), np.array([own for _, own in found])


class Watching:
    """One follower's view of one server."""

    def __init__(self, letter: Letter) -> None:
        self._positions, self._own = _taken(letter)
        self._last: Values | None = None

    def changes(self, now: Values) -> tuple[Change, ...]:
        """What to tell: everything at first, then new values, new qualities, and what was taken anew."""
        last, self._last = self._last, now
        at = self._positions
        if last is None:
            places = np.arange(len(at))
        else:
            value = (now.value[at] != last.value[at]) & ~np.isnan(now.value[at])
            text = np.array([now.text.get(i) != last.text.get(i) for i in at.tolist()])
            drawn = self._own & (now.at[at] != last.at[at])
            places = np.flatnonzero(value | text | drawn | (now.quality[at] != last.quality[at]))
        return tuple(self._change(now, place) for place in places.tolist())

    def _change(self, now: Values, place: int) -> Change:
        i = int(self._positions[place])
        value = now.text[i] if i in now.text else float(now.value[i])
        return Change(place, value, int(now.quality[i]), int(now.at[i]) // _MICRO)
