# SPDX-License-Identifier: Apache-2.0
"""What was let go of the tags that are asked for: whoever asks is told, for that is not the same as not observed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isthmus.core.time import to_iso
from isthmus.plant.retention import DEFAULT
from isthmus.plant.revision import TagSetting
from isthmus.store.history.border import Border, Borders
from isthmus.store.history.kept import DAY, date_of
from isthmus.store.history.read import History


@dataclass(frozen=True, slots=True)
class NotKept:
    """Of some tags of one class: samples are kept no longer than the class says, roll-ups perhaps longer."""

    keep: str
    """The class of history."""
    tags: tuple[str, ...]
    """Their paths."""
    samples_before: int
    """ns: samples of before it are let go, on days of which roll-ups tell."""
    all_before: int | None
    """ns: of before it nothing is left; None where the question does not go that far back."""

    def __str__(self) -> str:
        """One sentence for a person."""
        said = f"not kept (class {self.keep}): samples before {_date(self.samples_before)}"
        if self.all_before == self.samples_before:
            return said
        gone = f", and nothing before {_date(self.all_before)}" if self.all_before is not None else ""
        return f"{said}, where roll-ups tell of them{gone}"

    def data(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "class": self.keep,
            "tags": list(self.tags),
            "samples_before": to_iso(self.samples_before),
            "all_before": to_iso(self.all_before) if self.all_before is not None else None,
        }


def not_kept(history: History, settings: Sequence[TagSetting], start: int) -> tuple[NotKept, ...]:
    """What of these tags was let go since `start` (ns), by class; mostly nothing."""
    borders, since = Borders.noted(history).of, start // DAY
    found: dict[tuple[str, Border], list[str]] = defaultdict(list)
    for setting in settings:
        border = borders.get(setting.tag.number)
        if border is not None and border.raw > since:
            found[setting.keep or DEFAULT, border].append(setting.tag.path)
    return tuple(
        NotKept(name, tuple(paths), border.raw * DAY, border.rollups * DAY if border.rollups > since else None)
        for (name, border), paths in sorted(found.items(), key=lambda one: (one[0][0], one[0][1].raw))
    )


def _date(time: int) -> str:
    return date_of(time // DAY)
