# SPDX-License-Identifier: Apache-2.0
"""What counts as a sign of life of a source, and until when it was observed."""

from __future__ import annotations

from isthmus.core.tag import DataType, Tag
from isthmus.flow.source import Source, _waiting
from isthmus.flow.standardise import standards
from isthmus.plant.revision import TagSetting
from isthmus.systems.bare import no_values


async def test_only_what_was_heard_is_a_heartbeat_and_moves_what_was_observed() -> None:
    settings = (TagSetting(tag=Tag(1, "acme/lyon/a", "", DataType.FLOAT, False), system="far", address="a"),)

    def connect(_: object) -> None:
        raise AssertionError

    source = Source("far", settings, standards(settings), connect)  # type: ignore[arg-type]  # nothing is opened here
    silent = _waiting(source, no_values(seen=2_000, alive=False))
    silent.done()
    assert not silent.samples and source.observed == 0
    heard = _waiting(source, no_values(seen=3_000))
    heard.done()
    assert [len(block) for block in heard.samples] == [0] and source.observed == 3_000
