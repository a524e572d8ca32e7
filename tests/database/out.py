# SPDX-License-Identifier: Apache-2.0
"""Samples of a small plant, an output to a database for them, and what a plain way of writing would have there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from isthmus.core.tag import DataType, Tag
from isthmus.outputs.contract import Accepts, Surroundings
from isthmus.outputs.registry import output_kinds
from isthmus.plant.revision import AssetSetting, Revision, TagSetting
from isthmus.store.history.columns import Columns, empty

PLANT = "acme/lyon"
AT = 1_800_000_000_123_456_700
TYPES = {
    "level": DataType.FLOAT,
    "open": DataType.BOOLEAN,
    "count": DataType.INTEGER,
    "total": DataType.UNSIGNED,
    "lot": DataType.TEXT,
    "state": DataType.ENUMERATION,
}
NAN = float("nan")

Sample = tuple[int, int, float, int | None, str | None, int, int]
"""Tag, time, value, integer, text, quality, mark."""


def settings(assets: int = 2, **more: DataType) -> dict[int, TagSetting]:
    """Tags of tanks, numbered on; `more` after them."""
    found: dict[int, TagSetting] = {}
    for group in (TYPES, more):
        for asset in range(assets):
            for name, type_ in group.items():
                number = len(found) + 1
                tag = Tag(number, f"{PLANT}/hall/tank-{asset}/{name}", "", type_, False)
                found[number] = TagSetting(tag=tag, system="dcs", address="x")
    return found


def columns(samples: list[Sample]) -> Columns:
    """These samples as an output gets them."""
    if not samples:
        return empty()
    tag, at, value, integer, text, quality, mark = zip(*samples, strict=True)
    words = list(dict.fromkeys(one for one in text if one is not None))
    bits = [(one or 0) - 2**64 if (one or 0) >= 2**63 else one or 0 for one in integer]
    return Columns(
        words, np.array(tag, np.uint32), np.array(at, np.int64), np.array(at, np.int64), np.array(value, np.float64),
        np.array(bits, np.int64), np.array([one is not None for one in integer], np.bool_),
        np.array([words.index(one) + 1 if one is not None else 0 for one in text], np.int32),
        np.array(quality, np.uint32), np.array(mark, np.uint8),
    )  # fmt: skip


def output(config: dict[str, Any], folder: Path, tags: dict[int, TagSetting] | None = None) -> Accepts:
    """The output, configured."""
    tags = tags or settings()
    places = sorted({one.tag.path.rpartition("/")[0] for one in tags.values()})
    revision = Revision(
        number=1, created=0, author="test", comment="", plant=PLANT, time_zone="UTC", systems=(),
        assets=tuple(AssetSetting(path=place, type="storage-tank@2") for place in places), tags=tuple(tags.values()),
    )  # fmt: skip
    kind = output_kinds()["sql"]
    folder.mkdir(parents=True, exist_ok=True)
    surroundings = Surroundings("warehouse", revision, tags, folder, folder)
    return kind.connect(kind.spec.model_validate({"timeout": "1m", **config}), surroundings)
