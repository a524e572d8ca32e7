# SPDX-License-Identifier: Apache-2.0
"""A tag's earlier numbers are read with it: their values become today's by the former's scale and offset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from isthmus.core.time import EARLIEST, LATEST
from isthmus.plant.revision import Former, TagSetting
from isthmus.store.history.columns import Columns, current, join, ordered, to_table
from isthmus.store.history.read import History


def joined(
    history: History, setting: TagSetting, start: int = EARLIEST, end: int = LATEST, *, replaced: bool = False
) -> pa.Table:
    """Samples of a tag under its number and all earlier ones, as `history.raw` gives them, all under today's number."""
    return to_table(joined_columns(history, setting, start, end, replaced=replaced))


def joined_columns(
    history: History, setting: TagSetting, start: int = EARLIEST, end: int = LATEST, *, replaced: bool = False
) -> Columns:
    """`joined` as numpy columns."""

    def read(number: int) -> Columns:
        return history.columns([number], start, end, replaced=replaced)

    if not setting.formers:
        return read(setting.tag.number)
    parts = [_todays(read(former.number), former, setting) for former in setting.formers]
    found = ordered(join([*parts, read(setting.tag.number)]))
    return found if replaced else current(found)


def _todays(columns: Columns, former: Former, setting: TagSetting) -> Columns:
    """A former number's samples in today's unit; an integer that is not exactly one today has only `value`."""
    tag = np.full(len(columns), setting.tag.number, np.uint32)
    if former.scale == 1.0 and former.offset == 0.0 and former.type == setting.tag.type:
        return replace(columns, tag=tag)
    whole = np.zeros(len(columns), np.bool_)
    return replace(
        columns,
        tag=tag,
        value=columns.value * former.scale + former.offset,
        integer=np.zeros(len(columns), np.int64),
        whole=whole,
    )
