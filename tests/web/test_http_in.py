# SPDX-License-Identifier: Apache-2.0
"""HTTP as it is polled: what answers become, errors by status, ETag, Retry-After, hostile bodies, certificates."""

from __future__ import annotations

import base64
import gzip
import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isthmus.core import quality
from isthmus.core.errors import Disconnected, IsthmusError, Refused
from isthmus.core.event import EventKind
from isthmus.core.tag import DataType
from isthmus.core.time import UNKNOWN
from isthmus.systems.contract import Address, Form
from isthmus.systems.http.resource import BAD_USER_ACCESS_DENIED
from isthmus.systems.registry import kinds
from tests.conftest import Until, needed
from tests.contract.collected import Collected
from tests.peers.network import Network
from tests.peers.web_peer import HERE, WHAT, WebServer
from tests.web.certificates import certificates

KIND = kinds()["http"]


pytestmark = pytest.mark.asyncio(loop_scope="module")


def reading(url: str, folder: Path, *addresses: str, **more: Any) -> Collected:
    config = {"url": url, "timeout": "1m", "every": "50ms", "time": "/at", "quality": "/quality", **more}
    return Collected(KIND, config, folder, [Address(text, DataType.FLOAT) for text in addresses])


async def test_one_request_gives_all_tags_of_a_path_exactly(server: WebServer, tmp_path: Path, until: Until) -> None:
    stamp = '"at": 1795415400123.456, "quality": "Uncertain"'
    whole = f'{{{stamp}, "f": 81.5, "big": 18446744073709551615, "t": "on", "n": null}}'
    await server.do("page", path="/now", body=whole)
    types = {"f": DataType.FLOAT, "big": DataType.UNSIGNED, "t": DataType.TEXT, "n": DataType.FLOAT}
    collected = reading(server.url, tmp_path)
    collected.addresses = [Address(f"/now#/{key}", type_) for key, type_ in types.items()]
    async with collected.running():
        await until(lambda: bool(collected.values(3)), "all are read")
    first = collected.readings[0]
    assert set(first.at.tolist()) == {1_795_415_400_123_456_000}
    assert first.form.tolist() == [Form.FLOAT, Form.UNSIGNED, Form.TEXT, Form.NONE]
    assert first.quality.tolist() == [quality.UNCERTAIN] * 3 + [quality.BAD_NO_DATA]
    assert first.integer is not None and first.integer[1] == -1 and first.text and first.text[2] == "on"
    asked = (await server.do("get", what="asked"))["/now"]
    assert asked <= len(collected.readings) + 2
    assert len(collected.values(0)) == 1  # the same time: the same sample


async def test_an_unchanged_answer_without_a_time_is_a_reading_each_time_also_as_304(
    server: WebServer, tmp_path: Path, until: Until
) -> None:
    await server.page("/now", {"value": 7.5}, headers={"etag": '"v1"'})
    async with reading(server.url, tmp_path, "/now#/value").running() as collected:
        await until(lambda: len(collected.values(0)) >= 4, "it is read again and again")
        await server.page("/now", {"value": 8.5}, headers={"etag": '"v2"'})
        await until(lambda: 8.5 in collected.values(0), "the new one is read")
    echo = await server.do("get", what="echo")
    assert [one["headers"].get("if-none-match") for one in echo[:3]] == [None, '"v1"', '"v1"']
    assert {at for at, *_ in collected.rows(0)} == {UNKNOWN} and not collected.errors


async def test_browsing_lists_the_single_values_of_a_path(server: WebServer, tmp_path: Path) -> None:
    await server.page("/now", {"air": {"temperature": 1.5, "a/b": "x"}, "list": [1]})
    driver = reading(server.url, tmp_path).driver
    found = {one.address: one.type async for one in driver.browse("/now")}
    assert found == {"/now#/air/temperature": DataType.FLOAT, "/now#/air/a~1b": DataType.TEXT}
    with pytest.raises(IsthmusError, match="--start"):
        _ = [one async for one in driver.browse("/nowhere")]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, quality.BAD_CONFIGURATION),
        (403, BAD_USER_ACCESS_DENIED),
        (404, quality.BAD_NODE_ID_UNKNOWN),
        (410, quality.BAD_NODE_ID_UNKNOWN),
        (301, quality.BAD_CONFIGURATION),
        (429, quality.BAD_RESOURCE_UNAVAILABLE),
        (500, quality.BAD_DEVICE_FAILURE),
        (503, quality.BAD_RESOURCE_UNAVAILABLE),
        (504, quality.BAD_TIMEOUT),
    ],
)
async def test_an_error_of_one_path_is_the_quality_of_its_addresses_alone(
    server: WebServer, tmp_path: Path, until: Until, status: int, code: int
) -> None:
    await server.page("/good", {"value": 1.0})
    await server.page("/wrong", "no", status=status, headers={"retry-after": "1", "location": "/good"})
    async with reading(server.url, tmp_path, "/wrong#/value", "/good#/value").running() as collected:
        await until(lambda: bool(collected.values(0) and collected.values(1)), "both were asked for")
    assert {quality_ for _, quality_, _ in collected.rows(0)} == {code}
    assert {quality_ for _, quality_, _ in collected.rows(1)} == {quality.GOOD}
    told = collected.told(EventKind.TAG)
    assert str(status) in told[0].message and "/wrong#/value" in told[0].message and not collected.errors


async def test_only_what_can_be_read_again_is_said_to_be_so(server: WebServer, tmp_path: Path, until: Until) -> None:
    await server.do("page", path="/now", body='{"a": 1}')
    async with reading(server.url, tmp_path, "/now#/a", "/now#/b", every="50ms").running() as collected:
        await until(lambda: bool(collected.told(EventKind.TAG)), "b is not there")
        await server.page("/now", "", status=404)
        await until(lambda: len(collected.told(EventKind.TAG)) == 2, "nothing is there")
        await server.do("page", path="/now", body='{"a": 2}')
        await until(collected.saw(0, 2), "a is there again")
        await server.page("/now", "", status=404)
        await until(lambda: len(collected.told(EventKind.TAG)) == 4, "nothing is there once more")
        await server.do("page", path="/now", body='{"a": 3, "b": 3}')
        await until(collected.saw(1, 3), "both are there")
    back = [event.message for event in collected.told(EventKind.TAG) if "again" in event.message]
    assert back == ["/now#/a can be read again", "/now#/a, /now#/b can be read again"]


async def test_wrong_credentials_refuse_the_system(server: WebServer, tmp_path: Path, until: Until) -> None:
    for status, words in ((401, "does not know us"), (403, "forbids")):
        await server.page("/now", "no", status=status)
        async with reading(server.url, tmp_path, "/now#/value", token="wrong").running() as collected:
            await until(lambda: bool(collected.errors), "it is refused")
        assert isinstance(collected.errors[0], Refused) and words in str(collected.errors[0])
        assert "wrong" not in str(collected.errors[0])


async def test_a_server_that_asks_for_time_gets_it(server: WebServer, tmp_path: Path, until: Until) -> None:
    await server.page("/now", "slower", status=429, headers={"retry-after": "1"})
    async with reading(server.url, tmp_path, "/now#/value").running() as collected:
        await until(lambda: bool(collected.values(0)), "it is told")
        await server.page("/now", {"value": 3.0})
        await until(lambda: 3.0 in collected.values(0), "it is read")
    first, second, *_ = [one["at"] for one in await server.do("get", what="echo")]
    assert second - first >= 0.99 and collected.opened == 1


async def test_redirects_are_followed_on_the_same_host_alone_and_only_when_allowed(
    server: WebServer, tmp_path: Path, until: Until
) -> None:
    await server.page("/new", {"value": 5.0})
    await server.page("/old", "", status=302, headers={"location": "/new"})
    await server.page("/away", "", status=302, headers={"location": f"http://localhost:{server.port}/new"})
    await server.page("/round", "", status=302, headers={"location": "/round"})
    await server.page("/mail", "", status=302, headers={"location": "mailto:boss@acme.example?subject=secret"})
    raw = base64.b64encode(b"HTTP/1.1 302 Found\r\nLocation: /\xff\r\nContent-Length: 0\r\n\r\n").decode()
    await server.do("page", path="/bytes", raw=raw)
    async with reading(server.url, tmp_path, *(f"/{name}#/value" for name in ("old", "away", "round", "mail", "bytes")),
                       redirects="same-host", token="t").running() as collected:  # fmt: skip
        await until(lambda: all(collected.values(n) for n in range(5)), "all were asked for")
    assert collected.values(0)[0] == 5.0 and not collected.errors
    assert all(q >= quality.BAD for n in (1, 2, 3, 4) for _, q, _ in collected.rows(n))
    said = "\n".join(event.message for event in collected.told(EventKind.TAG))
    assert "look at mailto:boss@acme.example" in said and "secret" not in said and said.encode()
    assert not [one for one in await server.do("get", what="echo") if one["headers"]["host"].startswith("localhost")]


HOSTILE: list[tuple[str, dict[str, Any], int]] = [
    ("no JSON", {"body": "<html>"}, quality.BAD_TYPE_MISMATCH),
    ("NaN", {"body": '{"value": NaN}'}, quality.BAD_TYPE_MISMATCH),
    ("nothing there", {"body": '{"other": 1}'}, quality.BAD_TYPE_MISMATCH),
    ("a list", {"body": '{"value": [1]}'}, quality.BAD_TYPE_MISMATCH),
    ("deep", {"body": "[" * 100_000}, quality.BAD_TYPE_MISMATCH),
    ("no time", {"body": '{"value": 1, "at": "noon"}'}, quality.BAD_TYPE_MISMATCH),
    ("no quality", {"body": '{"value": 1, "quality": "so so"}'}, quality.BAD_TYPE_MISMATCH),
    ("empty", {"body": ""}, quality.BAD_TYPE_MISMATCH),
    ("long", {"body": " " * 200_000}, quality.BAD_ENCODING_LIMITS),
    ("a bomb", {"base64": True, "body": base64.b64encode(gzip.compress(bytes(50_000_000))).decode(),
                "headers": {"content-encoding": "gzip"}}, quality.BAD_ENCODING_LIMITS),
    ("no gzip", {"body": "plain", "headers": {"content-encoding": "gzip"}}, quality.BAD_DECODING),
    ("strange charset", {"body": "{}", "headers": {"content-type": "application/json; charset=ebcdic"}},
     quality.BAD_DECODING),
    ("false charset", {"body": "x", "headers": {"content-type": "application/json; charset=utf-16"}},
     quality.BAD_DECODING),
    ("no HTTP", {"raw": base64.b64encode(b"\x15\x03\x01 garbage \r\n\r\n").decode()}, quality.BAD_DECODING),
    ("chunked nonsense", {"raw": base64.b64encode(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n").decode()}, quality.BAD_DECODING),
    ("half a body", {"raw": base64.b64encode(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").decode()}, quality.BAD_DECODING),
    ("two lengths", {"raw": base64.b64encode(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}").decode()}, quality.BAD_DECODING),
    ("hangs up", {"raw": ""}, quality.BAD_NO_COMMUNICATION),
    ("an ETag of bytes", {"raw": base64.b64encode(
        b"HTTP/1.1 200 OK\r\nETag: \"\xff\"\r\nContent-Length: 2\r\n\r\n{}").decode()}, quality.BAD_TYPE_MISMATCH),
    ("huge header", {"body": "{}", "headers": {"x": "a" * 14_000}}, quality.BAD_DECODING),
]  # fmt: skip


async def test_hostile_answers_are_bad_and_harm_nothing_else(server: WebServer, tmp_path: Path, until: Until) -> None:
    for number, (_, page, _) in enumerate(HOSTILE):
        await server.do("page", path=f"/{number}", **page)
    await server.page("/good", {"value": 1.0})
    addresses = ["/good#/value", *(f"/{number}#/value" for number in range(len(HOSTILE)))]
    async with reading(server.url, tmp_path, *addresses, largest=100_000, at_once=16).running() as collected:
        await until(lambda: all(collected.values(n) for n in range(len(addresses))), "all were asked for")
        count = len(collected.values(0))
        await until(lambda: len(collected.values(0)) > count + 3, "the good one is read on")
    found = {name: {q for _, q, _ in collected.rows(n)} for n, (name, *_) in enumerate(HOSTILE, 1)}
    assert found == {name: {code} for name, _, code in HOSTILE}
    assert not collected.errors and {q for _, q, _ in collected.rows(0)} == {quality.GOOD}
    assert all(len(oddity.payload) <= 65_536 for r in collected.readings for oddity in r.oddities)


async def test_a_path_that_is_silent_or_drips_is_bad_by_itself(server: WebServer, tmp_path: Path, until: Until) -> None:
    await server.do("page", path="/silent", silent=True)
    await server.do("page", path="/drips", body='{"value": 12345678}', drip=1000)
    await server.page("/good", {"value": 1.0}, drip=40)  # on its way while the others are given up
    addresses = ["/good#/value", "/silent#/value", "/drips#/value"]
    async with reading(server.url, tmp_path, *addresses, timeout="3s").running() as collected:
        await until(lambda: all(collected.values(n) for n in (1, 2)), "both were asked for")
        count = len(collected.values(0))
        await until(lambda: len(collected.values(0)) > count + 3, "the good one is read on")
    assert [{q for _, q, _ in collected.rows(n)} for n in (1, 2)] == [{quality.BAD_TIMEOUT}] * 2
    assert quality.GOOD in {q for _, q, _ in collected.rows(0)} and not collected.errors


async def test_of_two_members_the_last_counts_and_other_charsets_are_read(
    server: WebServer, tmp_path: Path, until: Until
) -> None:
    await server.do("page", path="/twice", body='{"value": 1, "value": 2}')
    utf16 = base64.b64encode('{"value": 3}'.encode("utf-16")).decode()
    kind = {"content-type": "application/json; charset=UTF-16"}
    await server.do("page", path="/wide", body=utf16, base64=True, headers=kind)
    async with reading(server.url, tmp_path, "/twice#/value", "/wide#/value").running() as collected:
        await until(lambda: bool(collected.values(0) and collected.values(1)), "both are read")
    assert (collected.values(0)[0], collected.values(1)[0]) == (2.0, 3.0)


async def test_a_slow_path_keeps_no_other_from_its_schedule_and_says_what_it_misses(
    server: WebServer, tmp_path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.systems.http.remarks.PACE", 0.5)
    await server.page("/quick", {"value": 1.0})
    await server.do("page", path="/slow", body='{"value": 2}', drip=15)
    async with reading(server.url, tmp_path, "/quick#/value", "/slow#/value").running() as collected:
        await until(lambda: any("/slow" in e.message for e in collected.told(EventKind.OVERRUN)), "it is told")
        await server.do("page", path="/slow", silent=True)
        await until(lambda: since_last(collected, 0, 1) >= 10, "however long it takes, the other is read")
    assert collected.values(1) and not collected.errors


def since_last(collected: Collected, one: int, other: int) -> int:
    """How many readings came of one address since the last of the other."""
    order = [position for readings in collected.readings for position in readings.index.tolist()]
    return order[::-1].index(other) if other in order else 0


async def test_what_nobody_read_while_it_was_away_is_a_gap(server: WebServer, tmp_path: Path, until: Until) -> None:
    await server.page("/now", {"value": 1.0})
    async with Network(server.port) as network:
        url = f"http://127.0.0.1:{network.port}"
        async with reading(url, tmp_path, "/now#/value").running() as collected:
            await until(lambda: bool(collected.values(0)), "it is read")
            network.cut()
            await until(lambda: bool(collected.errors), "it is gone")
            network.mend()
            await until(lambda: bool(collected.told(EventKind.GAP)), "the gap is told")
    gap = collected.told(EventKind.GAP)[0]
    assert gap.details["first"] < gap.details["last"]  # type: ignore[operator]  # both are times
    assert {type(error) for error in collected.errors} == {Disconnected}


@pytest.mark.parametrize(
    ("days", "name", "trusted", "words"),
    [
        (30, "127.0.0.1", True, ""),
        (30, "127.0.0.1", False, "certificate is not trusted"),
        (-1, "127.0.0.1", True, "expired"),
        (30, "other.example", True, "certificate is not"),
    ],
)
async def test_certificates_are_checked(
    tmp_path: Path, until: Until, days: int, name: str, trusted: bool, words: str
) -> None:
    needed(HERE, WHAT)
    certificate, key = certificates(tmp_path / "pki", days=days, name=name)
    async with WebServer(certificate, key) as server:
        await server.page("/now", {"value": 1.0})
        more = {"ca": certificate.name} if trusted else {}
        async with reading(server.url, tmp_path, "/now#/value", **more).running() as collected:
            await until(lambda: bool(collected.errors or collected.values(0)), "it is tried")
    if words:
        assert words in str(collected.errors[0]), collected.errors[0]
    else:
        assert collected.values(0)[0] == 1.0


async def test_a_missing_file_of_certificates_is_refused(tmp_path: Path, until: Until) -> None:
    async with reading("https://127.0.0.1:9", tmp_path, "/now", ca="nowhere.pem").running() as collected:
        await until(lambda: bool(collected.errors), "it is said")
    assert isinstance(collected.errors[0], Refused) and "nowhere.pem" in str(collected.errors[0])


async def test_many_paths_at_ten_times_the_rate_are_asked_without_pause(
    server: WebServer, tmp_path: Path, until: Until
) -> None:
    """More than can be read is read as often as it can be; nothing piles up."""
    for number in range(40):
        await server.page(f"/{number}", {"value": float(number)})
    addresses = [f"/{number}#/value" for number in range(40)]
    async with reading(server.url, tmp_path, *addresses, every="50ms").running() as collected:
        await until(lambda: all(len(collected.values(n)) > 3 for n in range(40)), "all are read")
    assert all(math.isclose(collected.values(n)[0], n) for n in range(40)) and not collected.errors


def longer(errors: list[IsthmusError], than: int) -> bool:
    return len(errors) > than


def holds(collected: Collected, value: float) -> bool:
    return value in collected.values(0)


def told(collected: Collected, gaps: int) -> bool:
    return len(collected.told(EventKind.GAP)) >= gaps


async def dying(server: WebServer, folder: Path, until: Until, rounds: int) -> None:
    """The server is killed, and frozen, again and again: values flow again each time, and each gap is told."""
    await server.page("/now", {"value": 0.0})
    async with reading(server.url, folder, "/now#/value", timeout="500ms").running() as collected:
        await until(lambda: 0.0 in collected.values(0), "it is read")
        for number in range(1, rounds + 1):
            gone = len(collected.errors)
            if number % 2:
                await server.kill()
            else:
                server.freeze()
            await until(partial(longer, collected.errors, gone), "it is missed")
            if number % 2:
                await server.start()
            else:
                server.thaw()
            await server.page("/now", {"value": float(number)})  # a 404 before it is told of the page
            await until(partial(holds, collected, float(number)), "it flows again")
            await until(partial(told, collected, number), "the gap is told")
    assert {type(error) for error in collected.errors} == {Disconnected}


async def test_a_server_that_dies_or_freezes_flows_again(server: WebServer, tmp_path: Path, until: Until) -> None:
    await dying(server, tmp_path, until, 2)


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_two_hundred_deaths_and_freezes(server: WebServer, tmp_path: Path, until: Until) -> None:
    await dying(server, tmp_path, until, 200)
