# SPDX-License-Identifier: Apache-2.0
"""What a revision's digest depends on: it names files, so it stays what it was from version to version."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from isthmus.core.tag import DataType, Tag
from isthmus.plant.picture import Picture
from isthmus.plant.revision import AssetSetting, Place, Revision, SystemSetting, TagSetting

LEVEL = TagSetting(
    tag=Tag(1, "acme/lyon/a/level", "m", DataType.FLOAT, False),
    system="b",
    address="pin1",
    range=(0.0, 3.0),
    place=Place("plant.yaml", 7),
)
REVISION = Revision(
    number=1,
    created=1,
    author="",
    comment="",
    plant="acme/lyon",
    time_zone="UTC",
    systems=(SystemSetting(name="b", kind="bench", config={"url": "here"}),),
    assets=(AssetSetting(path="acme/lyon/a", type="tank@1"),),
    tags=(LEVEL,),
)
FIRST = "dd97cdfe5f47055e8a647b31abf16941"
"""As the first version of this program had it."""


def test_a_revision_has_the_digest_that_earlier_versions_gave_it() -> None:
    assert REVISION.digest == FIRST
    assert Revision.unpack(REVISION.pack()).digest == FIRST


@pytest.mark.parametrize("said", [{"place": Place("x.yaml", 1)}, {"meant": Place("types.yaml", 9)}])
def test_where_a_tag_is_said_does_not_count(said: dict[str, Any]) -> None:
    moved = replace(REVISION, tags=(replace(LEVEL, **said),))
    assert moved.digest == Revision.unpack(moved.pack()).digest == FIRST


def test_normal_bands_symbols_and_pictures_count() -> None:
    tank = replace(REVISION.assets[0], symbol="vessel")
    others = [
        replace(REVISION, tags=(replace(LEVEL, normal=(1.0, 2.0)),)),
        replace(REVISION, assets=(tank,)),
        replace(REVISION, pictures=(Picture("acme/lyon", {"acme/lyon/a": (0, 0)}),)),
        replace(REVISION, pictures=(Picture("acme/lyon", {"acme/lyon/a": (1, 0)}),)),
    ]
    assert len({FIRST, *(other.digest for other in others)}) == 1 + len(others)
