# SPDX-License-Identifier: Apache-2.0
"""Tried again and closed: what was parked and is not wanted any more, deaths of a sink on the way out, slow closing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isthmus.core.errors import Disconnected, Refused
from isthmus.flow.deliver import output
from isthmus.flow.deliver.book import Book
from isthmus.flow.deliver.deliver import folder_of
from isthmus.flow.deliver.output import Output, run_output
from isthmus.outputs.contract import Delivery, Refusal
from isthmus.plant.revision import OutputSetting
from tests.conftest import Until
from tests.deliver.plant import PLANT, TAGS, Plant, mqtt
from tests.peers.mosquitto import HERE, WHAT, Mosquitto


class FarEnd:
    """A far end that does what a test wants; only what no real one can be made to do at will."""

    def __init__(self) -> None:
        self.taken = 0
        self.refuses: Callable[[Delivery], Sequence[Refusal]] = lambda delivery: ()
        self.leaving: Exception | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[FarEnd]:
        try:
            yield self
        finally:
            if self.leaving is not None:
                raise self.leaving

    async def write(self, delivery: Delivery) -> Sequence[Refusal]:
        refused = self.refuses(delivery) if len(delivery) else ()
        self.taken += len(delivery) - len(refused)
        return refused


def output_to(floor: Plant, far_end: FarEnd) -> Output:
    return Output(
        setting=OutputSetting(name="far", kind="test", config={}, tags=(), begins="now"),
        systems=dict.fromkeys(range(1, TAGS + 1), "dcs"),
        heard=lambda state: {},
        folder=folder_of(floor.data, "far"),
        history=floor.data / "history",
        connect=lambda state: far_end,
        log=floor.log,
    )


@asynccontextmanager
async def running(made: Output, until: Until) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(run_output(made))
    try:
        await until(lambda: made.state == "connected", "connected")
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,), timeout=60)


def parked_of(floor: Plant) -> Book:
    return Book.open(folder_of(floor.data, "far"))


async def test_parked_samples_of_a_tag_that_is_not_delivered_any_more_stay_and_harm_nothing(
    floor: Plant, tmp_path: Path, until: Until, need: Callable[[object, str], None]
) -> None:
    need(HERE, WHAT)
    rights = tmp_path / "rights"
    allowed = [f"topic readwrite uns/{PLANT}/hall/tank-{n}/#" for n in (2, 3, 4, 5)]
    rights.write_text("\n".join([f"topic readwrite uns/{PLANT}/_isthmus/#", *allowed]) + "\n")
    with Mosquitto(tmp_path / "broker", f"acl_file {rights}") as broker:
        floor.apply([mqtt("namespace", broker.url, describe=False)])
        async with floor.delivering() as told:
            await until(lambda: told.get("namespace", {}).get("state") == "connected", "connected")
            await floor.publish(7)
            await until(lambda: told["namespace"]["parked"] == 7, "parked")
            rights.write_text(f"topic readwrite uns/{PLANT}/#\n")
            broker.reload()
            floor.apply([mqtt("namespace", broker.url, describe=False, tags=("**/tank-2/**",))])
            await until(lambda: told["namespace"]["tags"] == 1, "opened anew")
            await until(lambda: told["namespace"]["state"] == "connected", "connected")
            book = Book.open(folder_of(floor.data, "namespace"))
            assert book.retry() == 7
            await until(lambda: not len(book.parked(100, again=True)), "looked at")
            found = book.parked(100)
            book.close()
            assert set(found.reasons) == {"the output does not get its tag any more"}
            assert len(found) == told["namespace"]["parked"] == 7
            await floor.publish(3)
            await until(lambda: told["namespace"]["delivered"] == 3, "it goes on")
            assert told["namespace"]["state"] == "connected"


async def test_a_far_end_that_refuses_all_of_what_is_tried_again_keeps_it_parked_and_gets_the_rest(
    floor: Plant, until: Until
) -> None:
    far_end = FarEnd()

    def refuses(delivery: Delivery) -> Sequence[Refusal]:
        if delivery.retried:
            raise Refused("nothing of this, ever")
        return [Refusal(row, "no") for row in range(len(delivery))]

    far_end.refuses = refuses
    made = output_to(floor, far_end)
    async with running(made, until):
        await floor.publish(2)
        await until(lambda: made.parked == 10, "parked")
        book = parked_of(floor)
        book.retry()
        await until(lambda: not len(book.parked(100, again=True)), "tried")
        assert set(book.parked(100).reasons) == {"nothing of this, ever"}
        book.close()
        far_end.refuses = lambda delivery: ()
        await floor.publish(2)
        await until(lambda: far_end.taken == 10, "it goes on")
        assert made.state == "connected"


@pytest.mark.parametrize("leaving", [Disconnected("gone"), Refused("no"), OSError("disk full")])
async def test_an_output_that_is_closed_ends_though_its_far_end_breaks_on_the_way_out(
    floor: Plant, until: Until, leaving: Exception
) -> None:
    far_end = FarEnd()
    made = output_to(floor, far_end)
    async with running(made, until) as task:
        far_end.leaving = leaving
        task.cancel()
        await asyncio.wait((task,), timeout=60)
        assert task.cancelled()


async def test_an_output_that_is_closed_while_its_place_is_written_waits_for_that_and_ends(
    floor: Plant, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    far_end = FarEnd()
    made = output_to(floor, far_end)
    writing, go_on = threading.Event(), threading.Event()
    park = Book._park

    def slowly(self: Book, *said: Any) -> None:
        writing.set()
        go_on.wait(60)
        park(self, *said)

    async with running(made, until) as task:
        monkeypatch.setattr(Book, "_park", slowly)
        await floor.publish(2)
        await until(writing.is_set, "the place is being written")
        task.cancel()
        await asyncio.wait((task,), timeout=0.3)
        assert not task.done()
        go_on.set()
        await asyncio.wait((task,), timeout=60)
        assert task.cancelled()
    book = parked_of(floor)
    place = book.place()
    book.close()
    assert place is not None and place == made.place


async def test_what_is_tried_again_comes_in_portions_that_are_not_too_large(
    floor: Plant, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    far_end, sizes = FarEnd(), list[int]()

    def refuses(delivery: Delivery) -> Sequence[Refusal]:
        if delivery.retried:
            sizes.append(len(delivery))
            return ()
        return [Refusal(row, "no") for row in range(len(delivery))]

    far_end.refuses = refuses
    made = output_to(floor, far_end)
    async with running(made, until):
        await floor.publish(2)
        await until(lambda: made.parked == 10, "parked")
        book = parked_of(floor)
        book._db.execute("UPDATE parked SET text = 'long enough'")
        monkeypatch.setattr(output, "TEXTS", 40)
        book.retry()
        book.close()
        await until(lambda: made.parked == 0, "delivered after all")
    assert sizes == [3, 3, 3, 1]


def parks(made: Output, samples: int) -> bool:
    return made.parked >= samples or made.state == "standing still"


async def test_parked_samples_take_so_many_bytes_and_no_more(
    floor: Plant, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    far_end = FarEnd()
    far_end.refuses = lambda delivery: [Refusal(row, "no" * 500) for row in range(len(delivery))]
    made = output_to(floor, far_end)
    async with running(made, until):
        await floor.publish(2)
        await until(lambda: made.parked == 10, "parked")
        monkeypatch.setattr("isthmus.flow.deliver.book.MOST_PARKED_BYTES", 30_000)  # ten such reasons have a third
        for more in range(20, 80, 10):
            await floor.publish(2)  # each by itself: what comes together is parked together
            await until(partial(parks, made, more), "parked, or it stands still")
        await until(lambda: made.state == "standing still", "it stands still")
        assert 20 <= made.parked < 70 and "no room for more" in made.problem
        far_end.refuses = lambda delivery: ()  # but what is refused already is
        book = parked_of(floor)
        dropped = book.drop()
        book.close()
        await until(lambda: far_end.taken + made.parked + dropped == 70, "it goes on")
        assert made.state == "connected"
