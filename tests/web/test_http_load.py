# SPDX-License-Identifier: Apache-2.0
"""A web service that answers ten times slower than it is asked, or with ten times as much; and a cut under load."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isthmus.core import quality
from isthmus.core.errors import Disconnected
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType
from isthmus.core.time import SECOND
from isthmus.systems.contract import Address
from isthmus.systems.registry import kinds
from tests.conftest import Until, needed
from tests.contract.collected import Collected
from tests.opcua.certificates import make
from tests.peers.network import Network
from tests.peers.web_peer import HERE, WHAT, WebServer

KIND = kinds()["http"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


def reading(url: str, folder: Path, *addresses: str, **more: Any) -> Collected:
    config = {"url": url, "timeout": "1m", "every": "50ms", **more}
    return Collected(KIND, config, folder, [Address(text, DataType.FLOAT) for text in addresses])


async def test_who_answers_ten_times_slower_than_asked_is_told_of_and_keeps_no_other_from_its_schedule(
    server: WebServer, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server 500 ms away, asked every 50 ms, beside one that is near: each a system of its own."""
    monkeypatch.setattr("isthmus.systems.http.remarks.PACE", 0.5)
    await server.page("/now", {"value": 1.0})
    async with Network(server.port) as network:
        network.delay = 0.25  # there and back
        far = reading(f"http://127.0.0.1:{network.port}", tmp_path, "/now#/value")
        near = reading(server.url, tmp_path, "/now#/value")
        async with far.running(), near.running():
            await until(lambda: bool(far.told(EventKind.OVERRUN)) and len(far.values(0)) > 4, "it is told")
            network.freeze()  # however long an answer of the one takes, the other is read
            slow, quick = len(far.values(0)), len(near.values(0))
            await until(lambda: len(near.values(0)) >= quick + 10, "its neighbour is read")
            assert len(far.values(0)) <= slow + 2  # what was on its way already
            network.mend()
            last = len(far.values(0))
            await until(lambda: len(far.values(0)) > last, "it is read on")
    assert set(far.values(0)) == {1.0} and not far.errors and not near.errors
    (event, *_) = far.told(EventKind.OVERRUN)
    assert "/now cannot be read every 0.05 s" in event.message and int(event.details["missed"] or 0) >= 2
    assert network.forwarded == 1  # one request after the other, over one connection


async def test_a_document_ten_times_as_long_is_read_whole_and_beyond_largest_not_at_all(
    server: WebServer, tmp_path: Path, until: Until
) -> None:
    def document(members: int, last: float) -> str:
        return json.dumps({**{f"m{n}": {"v": n, "text": "x" * 80} for n in range(members)}, "last": last})

    small, large, huge = document(1_000, 1.5), document(10_000, 2.5), document(50_000, 3.5)
    await server.page("/quick", {"value": 1.0})
    await server.do("page", path="/all", body=small)
    assert len(small) < 200_000 < len(large) < 2_000_000 < len(huge)
    async with reading(
        server.url, tmp_path, "/all#/last", "/all#/m999/v", "/quick#/value", largest=2_000_000
    ).running() as collected:
        await until(collected.saw(0, 1.5), "as it is")
        await server.do("page", path="/all", body=large)
        await until(collected.saw(0, 2.5), "ten times as long")
        before = len(collected.values(2))
        await server.do("page", path="/all", body=huge)
        await until(lambda: quality.BAD_ENCODING_LIMITS in {q for _, q, _ in collected.rows(1)}, "too long")
        await until(lambda: len(collected.values(2)) > before + 5, "the other is read on")
        await server.do("page", path="/all", body=small)
        await until(lambda: next(reversed(list(collected.rows(1))))[1] == quality.GOOD, "as before")
    assert {q for _, q, _ in collected.rows(2)} == {quality.GOOD} and not collected.errors
    assert 3.5 not in collected.values(0)
    assert all(len(odd.payload) <= 65_536 for readings in collected.readings for odd in readings.oddities)


async def test_while_an_answer_is_waited_for_nothing_is_a_sign_of_life(
    server: WebServer, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.systems.http.source.BEAT", 0.2)
    await server.page("/now", {"value": 1.0})
    async with reading(server.url, tmp_path, "/now#/value", every="1s").running() as collected:
        await until(lambda: any(not len(one) and one.alive for one in collected.readings), "it beats between readings")
        await server.do("page", path="/now", silent=True)
        answered = (await server.do("get", what="asked"))["/now"]

        async def hangs() -> bool:
            return bool((await server.do("get", what="asked"))["/now"] > answered)

        await until(hangs, "it is asked, and hangs")
        before = len(collected.readings)
        await until(lambda: len(collected.readings) > before + 3, "so it goes on")
    assert not any(readings.alive for readings in collected.readings[before:])


@pytest.mark.parametrize("seconds", [2.0, pytest.param(60.0, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
async def test_a_cut_under_load_is_a_gap_and_every_answer_before_and_after_it_is_there(
    server: WebServer, tmp_path: Path, until: Until, seconds: float
) -> None:
    """Forty paths of five values each: what the server answered is compared with what came."""
    paths = [f"/{number}" for number in range(40)]
    for path in paths:
        await server.page(path, {f"v{n}": float(n) for n in range(5)})
    addresses = [f"{path}#/v{n}" for path in paths for n in range(5)]
    async with Network(server.port) as network:
        url = f"http://127.0.0.1:{network.port}"
        async with reading(url, tmp_path, *addresses, every="100ms").running() as collected:
            await until(lambda: len(collected.values(199)) >= 3, "all are read")
            network.cut()
            await until(lambda: bool(collected.errors), "it is gone")
            came = good(collected)
            await asyncio.sleep(seconds)
            assert good(collected) == came
            network.mend()
            await until(lambda: bool(collected.told(EventKind.GAP)), "the gap is told")
            await until(lambda: min(np.subtract(good(collected), came)) >= 3, "all are read on")
        asked = await server.do("get", what="asked")
    (gap,) = collected.told(EventKind.GAP)
    assert int(gap.details["last"] or 0) - int(gap.details["first"] or 0) >= 0.9 * seconds * SECOND
    answered = np.array(good(collected)).reshape(40, 5)
    assert (answered[:, 0] == answered.T).all()
    lost = np.array([asked[path] for path in paths]) - answered[:, 0]
    assert lost.min() >= 0 and lost.max() <= 4  # on their way when it was cut, at the first try after it, at the end


def good(collected: Collected) -> list[int]:
    """How many good values came of each address."""
    index = np.concatenate([readings.index[readings.quality == quality.GOOD] for readings in collected.readings])
    found: list[int] = np.bincount(index, minlength=len(collected.addresses)).tolist()
    return found


async def test_a_server_whose_certificate_is_expired_is_read_once_it_has_a_new_one(
    tmp_path: Path, until: Until
) -> None:
    needed(HERE, WHAT)
    ours = make("ours", authority=True)
    ours.write(tmp_path / "pki", "ca")
    late, good_one = make("late", days=(-2.0, -1.0), issuer=ours), make("here", issuer=ours)
    certificate, key = late.write(tmp_path, "server")
    async with WebServer(Path(certificate), Path(key)) as server:
        await server.page("/now", {"value": 1.0})
        async with reading(server.url, tmp_path, "/now#/value", ca="ca.pem").running() as collected:
            await until(lambda: len(collected.errors) > 1, "it is tried")
            await server.kill()
            good_one.write(tmp_path, "server")
            await server.start()
            await server.page("/now", {"value": 2.0})
            await until(collected.saw(0, 2.0), "it is read")
    assert 1.0 not in collected.values(0) and {type(error) for error in collected.errors} == {Disconnected}
    said = "its certificate is not trusted: certificate has expired; have a new one made for the far end"
    assert said in str(collected.errors[0])
