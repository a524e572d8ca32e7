# SPDX-License-Identifier: Apache-2.0
"""A tag is moved to another system while an output lacks what the first one gave: history gives it all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np

from isthmus.core.samples import Samples
from isthmus.flow.deliver.origins import heard_of
from isthmus.plant.revision import Revision
from isthmus.store.history.compact import compact
from isthmus.store.history.since import SLACK, Part, recorded_state, since
from isthmus.store.ledger.files import RevisionFiles
from isthmus.stream.log import Position
from tests.conftest import Until
from tests.deliver.plant import AT, PLANT, TAGS, Plant, setting

NOW = AT + SLACK * 1000
HEARD = AT + SLACK * 10
DAYS = 86_400 * 10**9


def block(floor: Plant, source: str, number: int, seen: int, value: float) -> Samples:
    """A sample of each tag."""
    assert floor._publisher is not None
    return Samples(
        source=source, epoch=floor._publisher.epoch, number=number, tags=floor._list.digest,
        index=np.arange(TAGS, dtype=np.uint32), at=np.full(TAGS, seen), quality=np.zeros(TAGS, np.uint32),
        mark=np.zeros(TAGS, np.uint8), value=np.full(TAGS, value), seen=seen,
    )  # fmt: skip


def revision(number: int, created: int, system: str) -> Revision:
    tags = [setting(n) for n in range(1, TAGS + 1)]
    tags[0] = msgspec.structs.replace(tags[0], system=system)
    return Revision(
        number=number, created=created, author="test", comment="", plant=PLANT, time_zone="UTC", systems=(),
        assets=(), tags=tuple(tags), outputs=(),
    )  # fmt: skip


def write(data: Path, *revisions: Revision) -> None:
    (data / "revisions").mkdir(exist_ok=True)
    for one in revisions:
        RevisionFiles(data / "revisions").write(one, one.pack())


async def test_what_the_former_system_gave_is_not_left_out_of_compacted_days(floor: Plant, until: Until) -> None:
    floor._publisher = await floor._entered
    await floor._publisher.keep_list(floor._list)
    history = floor.data / "history"

    async def purged() -> bool:
        return (await floor.log.state()).first > last.last

    async with floor.recording():
        await (await floor._publisher.send([block(floor, "former", 1, HEARD, 1)]))
        await (await floor._publisher.send([block(floor, "dcs", 1, HEARD + 3 * SLACK, 2)]))
        last = await floor.log.state()
        await until(purged, "what the output has is recorded")
        position, state = Position(last.stream, last.last), recorded_state(history)
        await (await floor._publisher.send([block(floor, "former", 2, HEARD + SLACK, 3)]))
        last = await floor.log.state()
        await until(purged, "what it lacks is, too")
    assert (await asyncio.to_thread(compact, history, now=NOW + 3 * DAYS, wait=False, today=True)).files
    write(floor.data, revision(1, AT, "former"), revision(2, NOW, "dcs"))

    def given(heard: dict[int, int]) -> list[float]:
        parts = [part for part in since(history, position, heard) if isinstance(part, Part)]
        return sorted(v for part in parts for v in part.columns.value[part.columns.tag == 1].tolist())

    state = msgspec.structs.replace(state, position=position)
    now = dict.fromkeys(range(1, TAGS + 1), "dcs")
    heard = heard_of(floor.data / "revisions", now, state)
    assert heard == {1: HEARD, **dict.fromkeys(range(2, TAGS + 1), HEARD + 3 * SLACK)}
    assert 3 in given(heard)
    assert 3 not in given({**heard, 1: HEARD + 3 * SLACK}), "it is what the new system alone would leave out"


def test_only_revisions_since_then_count_and_one_that_cannot_be_read_leaves_nothing_out(tmp_path: Path) -> None:
    from isthmus.store.history.state import State

    state = State(position=Position("s", 5, HEARD), heard={"former": HEARD - 1, "dcs": HEARD, "other": HEARD})
    before, at_last = revision(1, HEARD - 3 * SLACK, "long-ago"), revision(2, HEARD - 2 * SLACK, "former")
    write(tmp_path, before, at_last, revision(3, NOW, "other"), revision(4, NOW, "dcs"))
    revisions = tmp_path / "revisions"
    assert heard_of(revisions, {1: "dcs", 2: "dcs"}, state) == {1: HEARD - 1, 2: HEARD}
    never = msgspec.structs.replace(state, heard={"dcs": HEARD})
    assert heard_of(revisions, {1: "dcs", 2: "dcs"}, never) == {2: HEARD}
    (revisions / f"{at_last.number:06d}-{at_last.digest[:8]}.json").write_bytes(b"damaged")
    assert heard_of(revisions, {1: "dcs", 2: "dcs"}, state) == {}
