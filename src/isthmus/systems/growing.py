# SPDX-License-Identifier: Apache-2.0
"""Values that come row by row, as lists that become the columns of readings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from isthmus.core import time
from isthmus.core.event import Event
from isthmus.systems.contract import Oddity, Readings


@dataclass(slots=True)
class Growing:
    """So many rows as were added."""

    index: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    quality: list[int] = field(default_factory=list)
    form: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    integer: list[int] = field(default_factory=list)
    text: list[str | None] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    oddities: list[Oddity] = field(default_factory=list)

    def add(self, position: int, at: int, status: int, form: int, value: float, whole: int, text: str | None) -> None:
        """One value; `whole` as it is, with or without sign."""
        self.index.append(position)
        self.at.append(at)
        self.quality.append(status)
        self.form.append(form)
        self.value.append(value)
        self.integer.append(whole & 0xFFFF_FFFF_FFFF_FFFF)
        self.text.append(text)

    def readings(self, **more: Any) -> Readings:
        """The columns, seen now."""
        return Readings(
            index=np.array(self.index, np.uint32),
            at=np.array(self.at, np.int64),
            quality=np.array(self.quality, np.uint32),
            form=np.array(self.form, np.uint8),
            value=np.array(self.value, np.float64),
            integer=np.array(self.integer, np.uint64).view(np.int64),
            text=self.text,
            seen=time.now(),
            **{"events": self.events, "oddities": self.oddities, **more},
        )
