# SPDX-License-Identifier: Apache-2.0
"""A tag's earlier numbers are read with it: their values become today's by the former's scale and offset."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from isthmus.core.time import EARLIEST, LATEST
from isthmus.plant.revision import Former, TagSetting
from isthmus.store.history.columns import Columns, join, ordered, to_table
from isthmus.store.history.read import History


def joined(history: History, setting: TagSetting, start: int = EARLIEST, end: int = LATEST) -> pa.Table:
    """Samples of a tag under its number and all earlier ones, as `history.raw` gives them, all under today's number."""
    return to_table(joined_columns(history, setting, start, end))


def joined_columns(history: History, setting: TagSetting, start: int = EARLIEST, end: int = LATEST) -> Columns:
    """`joined` as numpy columns."""
    parts = [_todays(history.columns([former.number], start, end), former, setting) for former in setting.formers]
    return ordered(join([*parts, history.columns([setting.tag.number], start, end)]))


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
