# SPDX-License-Identifier: Apache-2.0
"""What messages come to, as the columns of Readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus.core import quality, time
from isthmus.systems.contract import Form, Readings
from isthmus.systems.sparkplug.scope import Floats, Row


def columns(parts: Sequence[Floats | Sequence[Row]], seen: int) -> Readings:
    """All parts one after the other; there is one at least, and none is empty."""
    made = [_floats(part, seen) if isinstance(part, Floats) else _rows(part, seen) for part in parts]
    return made[0] if len(made) == 1 else _joined(made, seen)


def _floats(part: Floats, seen: int) -> Readings:
    n = len(part.position)
    return Readings(
        index=np.array(part.position, np.uint32),
        at=np.array(part.at, np.int64) * time.MILLISECOND,
        quality=np.full(n, quality.GOOD, np.uint32),
        form=np.full(n, Form.FLOAT, np.uint8),
        value=np.array(part.value, np.float64),
        seen=seen,
    )


def _rows(rows: Sequence[Row], seen: int) -> Readings:
    each: tuple[Any, ...] = tuple(zip(*rows, strict=True))
    position, at, status, form, value, integer, text = each
    forms = set(form)
    return Readings(
        index=np.array(position, np.uint32),
        at=np.array(at, np.int64),
        quality=np.array(status, np.uint32),
        form=np.array(form, np.uint8),
        value=np.array(value, np.float64),
        integer=np.array(integer, np.int64) if forms & {Form.SIGNED, Form.UNSIGNED} else None,
        text=text if Form.TEXT in forms else None,
        seen=seen,
    )


def _joined(made: Sequence[Readings], seen: int) -> Readings:
    whole, wordy = any(one.integer is not None for one in made), any(one.text is not None for one in made)
    integers = [np.zeros(len(one), np.int64) if one.integer is None else one.integer for one in made]
    texts = [one.text or (None,) * len(one) for one in made] if wordy else []
    return Readings(
        index=np.concatenate([one.index for one in made]),
        at=np.concatenate([one.at for one in made]),
        quality=np.concatenate([one.quality for one in made]),
        form=np.concatenate([one.form for one in made]),
        value=np.concatenate([one.value for one in made]),
        integer=np.concatenate(integers) if whole else None,
        text=[text for some in texts for text in some] if wordy else None,
        seen=seen,
    )
