# SPDX-License-Identifier: Apache-2.0
"""What a collector has to say goes into the log in few messages, in order, before what came with it is acknowledged."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial

import numpy as np

from isthmus.core.event import Event, EventKind, Severity
from isthmus.core.samples import Samples
from isthmus.core.tag import DataType, Tag, TagList
from isthmus.flow.hold import Hold, Waiting
from isthmus.flow.ship import WINDOW, Shipment, ship
from isthmus.stream.follow import Message, follow
from isthmus.stream.happenings import Quarantined, put_aside, read_events
from isthmus.stream.log import open_log
from isthmus.stream.publish import Publisher
from isthmus.stream.server import LogServer
from isthmus.systems.contract import Oddity
from tests.conftest import Until

TAGS = TagList((Tag(1, "acme/lyon/a", "", DataType.FLOAT, False),))


def event(number: int) -> Event:
    return Event(
        id=f"lims-{number}", kind=EventKind.REPORT, severity=Severity.WARNING, source="lims", at=number,
        message=f"lot {number}", details={"row": number},
    )  # fmt: skip


def sample(at: int) -> Samples:
    one = np.zeros(1, np.uint32)
    return Samples("lims", 0, 0, TAGS.digest, one, np.array([at]), one, np.zeros(1, np.uint8), np.array([float(at)]))


async def test_a_thousand_events_are_a_few_messages_before_their_samples_and_all_is_acknowledged_in_order(
    log_server: LogServer, until: Until
) -> None:
    said, aside, done, hold = list[int](), list[str](), list[int](), Hold()
    async with (
        open_log(log_server.endpoint_of("collect"), name="collect") as log,
        Publisher.open(log, "acme", "main", 1, WINDOW) as publisher,
    ):
        await publisher.keep_list(TAGS)
        for page in range(4):
            events = tuple(event(250 * page + row) for row in range(250))
            odd = (("lims", Oddity("no number", b"same")),) * 5
            await hold.put(Waiting((sample(page + 1),), events, odd, done=partial(done.append, page)), "wait")
        shipping = asyncio.create_task(ship(hold, log, publisher, Shipment(publisher.epoch)))
        await until(lambda: len(done) == 4, "all are acknowledged")
        shipping.cancel()
        await asyncio.gather(shipping, return_exceptions=True)
    messages = 0
    async with (
        open_log(log_server.endpoint_of("serve"), name="serve") as log,
        asyncio.timeout(60),
        aclosing(follow(log, None)) as items,
    ):
        async for item in items:
            if not isinstance(item, Message):
                continue
            if item.subject.startswith("isthmus.events."):
                said += [one.at for one in read_events(item.data)]
            elif item.subject.startswith("isthmus.quarantine."):
                aside += [Quarantined.unpack(one).reason for one in put_aside(item.data)]
            else:
                break
            messages += 1
    assert done == [0, 1, 2, 3]
    assert [at for at in said if at < 1000] == list(range(1000)) and aside == ["no number"] * 20
    assert messages <= 5
