# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.core.errors import Damaged, NotFound
from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.stream import names
from isthmus.stream.log import QUARANTINED, REVISIONS, Endpoint, Log, LogState, Position, Quarantined
from isthmus.stream.publish import Publisher
from tests.stream.making import numbered, read_all

TAGS = TagList((Tag(1, "a/b/c", "Cel", DataType.FLOAT, False), Tag(2, "a/b/d", "", DataType.TEXT, True)))


async def test_a_tag_list_comes_back_by_its_digest(admin_log: Log) -> None:
    await admin_log.keep_list(TAGS)
    await admin_log.keep_list(TAGS)
    assert await Log(admin_log.wire).tag_list(TAGS.digest) == TAGS
    with pytest.raises(NotFound):
        await admin_log.tag_list("f" * 32)


async def test_a_tag_list_that_is_not_what_its_digest_says_is_damaged(admin_log: Log) -> None:
    for content in (b"", b"\xc1", TAGS.packed):
        digest = "0" * 32
        await admin_log.wire.put(names.bucket_subject(names.LISTS, digest), content)
        with pytest.raises(Damaged):
            await admin_log.tag_list(digest)


async def test_purging_does_not_touch_lists_and_revisions(admin_log: Log) -> None:
    await admin_log.keep_list(TAGS)
    await admin_log.keep_revision(1, b"one")
    async with Publisher.open(admin_log, "s", "c", 1) as publisher:
        await (await publisher.send([numbered(1)]))
    await admin_log.purge(1)
    assert await Log(admin_log.wire).tag_list(TAGS.digest) == TAGS
    assert await admin_log.revision(1) == b"one"


async def test_revisions_come_back_whole_however_large(admin_log: Log) -> None:
    with pytest.raises(NotFound):
        await admin_log.revision()
    large = os.urandom(5 << 20)
    await admin_log.keep_revision(1, b"one")
    await admin_log.keep_revision(2, large)
    assert await admin_log.revision() == await admin_log.revision(2) == large
    await admin_log.keep_revision(1, b"one")
    assert await admin_log.revision() == b"one"
    with pytest.raises(NotFound, match="3"):
        await admin_log.revision(3)


async def test_of_old_revisions_the_last_few_are_kept(admin_log: Log) -> None:
    for number in range(1, REVISIONS + 3):
        await admin_log.keep_revision(number, str(number).encode())
    with pytest.raises(NotFound):
        await admin_log.revision(2)
    assert await admin_log.revision(3) == b"3"


async def test_a_revision_that_lost_a_part_is_damaged(admin_log: Log) -> None:
    await admin_log.keep_revision(1, os.urandom(3 << 20))
    stream = names.bucket_stream(names.REVISIONS)
    info = await admin_log.wire.api(f"STREAM.INFO.{stream}", {"subjects_filter": ">"})
    part = next(subject for subject in info["state"]["subjects"] if subject.endswith(".1"))
    await admin_log.wire.api(f"STREAM.PURGE.{stream}", {"filter": part})
    with pytest.raises(Damaged, match="not whole"):
        await admin_log.revision(1)


async def test_an_event_emitted_twice_is_in_the_log_once(admin_log: Log) -> None:
    event = Event(
        id="x y/é", kind=EventKind.GAP, severity=Severity.ERROR, source="acme/lyon/line 1", at=1, message="gone"
    )
    await admin_log.emit(event)
    await admin_log.emit(event)
    (message,) = (await read_all(admin_log)).others
    assert message.subject == "isthmus.events.gap.acme.lyon.line_1"
    assert msgspec.json.decode(message.data, type=Event) == event


@pytest.mark.parametrize("said", ["\udcff/new", "x" * (5 << 20), "\0" * (2 << 20)])
async def test_whatever_a_far_end_says_in_it_an_event_is_kept(admin_log: Log, said: str) -> None:
    event = Event(
        id="1", kind=EventKind.REPORT, severity=Severity.ERROR, source="lab", at=1, message=f"it says {said}",
        details={"number": 1, "said": said},
    )  # fmt: skip
    await admin_log.emit(event, patience=1)
    await admin_log.quarantine("lab", said, b"", patience=1)
    event_, aside = (await read_all(admin_log)).others
    kept = msgspec.json.decode(event_.data, type=Event)
    assert kept.message.startswith("it says ") and kept.details["number"] == 1
    assert 1 < len(str(kept.details["said"])) <= len(said)
    assert Quarantined.unpack(aside.data).source == "lab"


async def test_quarantine_keeps_the_reason_and_a_bounded_part_of_the_bytes(admin_log: Log) -> None:
    await admin_log.quarantine("dcs", "not a value", b"\x00" * (QUARANTINED + 5))
    (message,) = (await read_all(admin_log)).others
    kept = Quarantined.unpack(message.data)
    assert (kept.source, kept.reason, kept.size, len(kept.payload)) == (
        "dcs", "not a value", QUARANTINED + 5, QUARANTINED
    )  # fmt: skip
    with pytest.raises(Damaged):
        Quarantined.unpack(b"\xc1")


async def test_state_tells_fill_and_lag(admin_log: Log) -> None:
    empty = await admin_log.state()
    assert (empty.first, empty.last, empty.fill, empty.lag(None)) == (1, 0, 0.0, 0)
    async with Publisher.open(admin_log, "s", "c", 1) as publisher:
        for number in range(1, 6):
            await (await publisher.send([numbered(number)]))
    await admin_log.purge(2)
    state = await admin_log.state()
    assert (state.first, state.last, state.lag(None), state.lag(Position(state.stream, 4))) == (3, 5, 3, 1)
    assert state.lag(Position("another", 4)) == 3
    assert LogState("s", 1, 1, bytes=5, limit=10).fill == 0.5


@given(st.text(max_size=100))
def test_any_text_becomes_a_legal_subject(text: str) -> None:
    for subject in (names.quarantine_subject(text), names.event_subject(EventKind.GAP, text)):
        assert all(token and not set(token) & set(" .*>\t\r\n") for token in subject.split("."))
        assert len(subject) < 1200 and subject.isascii()


def test_an_endpoint_file_that_is_missing_or_broken_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="isthmus run"):
        Endpoint.load(tmp_path / "admin.json")
    (tmp_path / "admin.json").write_bytes(b"\xff{")
    with pytest.raises(Damaged, match="not an endpoint"):
        Endpoint.load(tmp_path / "admin.json")
