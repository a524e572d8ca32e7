# SPDX-License-Identifier: Apache-2.0
"""Which gaps concern the tags that were asked for: those in which samples of one of them may be missing.

A gap whose event does not say which tags it is about concerns all of its system, and one of the log concerns all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from isthmus.core.event import Event
from isthmus.plant.revision import Revision, TagSetting
from isthmus.store.history.gaps import LOG
from isthmus.store.history.watch import concerns, numbers_of


def concerning(gaps: Iterable[Event], settings: Sequence[TagSetting], revision: Revision) -> list[Event]:
    """The gaps in which samples of these tags may be missing, in their order."""
    return [gap for gap in gaps if any(_concerns(gap, setting, revision) for setting in settings)]


def _concerns(gap: Event, setting: TagSetting, revision: Revision) -> bool:
    if gap.source not in (setting.system, LOG):
        return False
    return any(concerns(gap, number) for number in numbers_of(setting)) and not _of_others(gap, setting, revision)


def _of_others(gap: Event, setting: TagSetting, revision: Revision) -> bool:
    """The gap names all it is about by their addresses, and those are of other tags today."""
    listed = str(gap.details.get("addresses", "")).split("\n")
    if setting.address in listed or len(listed) != gap.details.get("tags"):
        return False
    return set(listed) <= {one.address for one in revision.of_system(gap.source)}
