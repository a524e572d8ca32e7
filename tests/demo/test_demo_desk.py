# SPDX-License-Identifier: Apache-2.0
"""The simulation's desk: answers, orders, followers, and whoever means harm."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from isthmus.app.demo.chemical import Plant, desk
from isthmus.app.demo.chemical.answering import Desk
from isthmus.app.demo.chemical.desk import Ask, Opening, Scan
from isthmus.app.demo.chemical.following import follow
from isthmus.core.errors import Disconnected, IsthmusError, NotFound


class Living:
    """A plant at its desk in a folder; nobody steps it but the test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.plant, self.kept = folder, Plant(seed=1, settle=0.2), 0
        self.desk = Desk(self.plant, self.keep)

    def keep(self) -> None:
        self.kept += 1

    async def ask(self, **question: Any) -> dict[str, Any]:
        return await asyncio.to_thread(desk.ask, self.folder, Ask(**question))


@pytest.fixture
async def living(tmp_path: Path) -> AsyncIterator[Living]:
    made = Living(tmp_path)
    async with made.desk.open(tmp_path):
        yield made


async def test_a_fault_is_started_seen_and_repaired(living: Living) -> None:
    answer = await living.ask(do="start", kind="bearing-wear", target="P201", severity=0.8)
    assert (answer["number"], answer["ramp"]) == (1, 4 * 86_400.0)
    living.plant.step(1.0)
    (fault,) = (await living.ask(do="look"))["faults"]
    assert (fault["kind"], fault["target"], fault["severity"], fault["ended"]) == ("bearing-wear", "P201", 0.8, None)
    await living.ask(do="clear", number=1)
    assert (await living.ask(do="look"))["faults"][0]["ended"] == living.plant.now
    assert living.kept == 2


async def test_an_order_changes_what_is_made(living: Living) -> None:
    assert await living.ask(do="order", grade="premium", hours=5.0) == {"phase": "grade change"}
    assert (await living.ask(do="look"))["grade"] == "premium"
    assert await living.ask(do="order", hours=5.0) == {"phase": "stopping"}


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ({"do": "start", "kind": "rust", "target": "P201"}, "there is no fault 'rust'; there are fouling"),
        ({"do": "start", "kind": "fouling", "target": "P201"}, "'P201' cannot have fouling; E101"),
        ({"do": "start", "kind": "drift", "target": "R1.XX"}, "there is no sensor 'R1.XX'"),
        ({"do": "start", "kind": "leak", "target": "T401", "severity": 2.0}, "severity must lie above 0"),
        ({"do": "start", "kind": "leak", "target": "T401", "start": 1}, "the start has passed already"),
        ({"do": "clear", "number": 7}, "no fault 7 waits or lasts"),
        ({"do": "order", "grade": "gold"}, "there is no grade 'gold'; there are standard"),
        ({"do": "order", "hours": -1.0}, "hours"),
        ({"do": "follow", "system": "mes"}, "there is no server 'mes'; there are dcs, packages"),
    ],
)
async def test_what_cannot_be_is_refused_in_words(living: Living, question: dict[str, Any], reason: str) -> None:
    with pytest.raises(IsthmusError, match=reason):
        await living.ask(**question)
    assert living.kept == 0


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1", b"{}", b"\xff\xfe", b"[" * 50_000, b'{"do": "look"}', b'{"do": "look", "token": "0"}',
        b'{"do": "start", "kind": 5}', b'{"do": "stop"}', b'{"do": "look", "token": "\\ud800"}',
    ],
)  # fmt: skip
async def test_who_does_not_know_the_token_or_the_language_gets_nothing_but_a_refusal(
    living: Living, line: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.where(living.folder).port)
    writer.write(line + b"\n")
    answer = await asyncio.wait_for(reader.readline(), 60)
    assert list(msgspec.json.decode(answer)) == ["refused"]
    writer.close()
    assert (await living.ask(do="look"))["tempo"] == 1.0


async def test_a_line_without_end_is_cut_off_and_others_are_answered(living: Living) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.where(living.folder).port)
    writer.write(b"x" * 200_000)
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()
    assert (await living.ask(do="look"))["phase"] == "running"


async def test_a_follower_gets_all_first_and_then_what_changed(living: Living) -> None:
    async with aclosing(follow(living.folder, "packages")) as said:
        opening, first = await anext(said), await anext(said)
        assert isinstance(opening, Opening)
        assert isinstance(first, Scan)
        assert len(opening.nodes) == len(first.changes) == 97
        living.plant.step(1.0)
        living.desk.tell()
        second = await anext(said)
        assert isinstance(second, Scan)
        assert 30 < len(second.changes) < 97
        living.desk.tell()  # nothing new: nothing is said
        living.plant.step(1.0)
        living.desk.tell()
        assert isinstance(await anext(said), Scan)


async def test_a_follower_that_does_not_listen_is_let_go(living: Living) -> None:
    place = desk.where(living.folder)
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port, limit=1 << 10)
    writer.write(msgspec.json.encode(Ask(do="follow", system="dcs", token=place.token)) + b"\n")
    await asyncio.wait_for(reader.readexactly(10), 60)

    async def told() -> None:
        while living.desk._followers:
            living.plant.step(0.01)
            living.desk.tell()
            await asyncio.sleep(0)

    await asyncio.wait_for(told(), 60)
    writer.close()
    assert (await living.ask(do="look"))["phase"] == "running"


async def test_who_follows_is_told_when_the_simulation_is_away(tmp_path: Path) -> None:
    made = Living(tmp_path)
    async with made.desk.open(tmp_path):
        said = follow(tmp_path, "dcs")
        await anext(said)
        await anext(said)
    with pytest.raises(Disconnected, match="away"):
        await anext(said)
    with pytest.raises(NotFound, match="no chemical plant is simulated here"):
        await anext(follow(tmp_path, "dcs"))


async def test_only_its_user_can_read_the_token(living: Living) -> None:
    assert stat.S_IMODE((living.folder / "desk.json").stat().st_mode) == 0o600


def test_a_question_without_a_plant_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="isthmus demo chemical") as caught:
        desk.ask(tmp_path / "simulation", Ask(do="look"))
    assert str(tmp_path) in str(caught.value)
