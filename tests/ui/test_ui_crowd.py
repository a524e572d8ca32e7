# SPDX-License-Identifier: Apache-2.0
"""Hundreds of tags that change twice a second: who reads slowly harms nobody; a page says what goes wrong at once."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, expect
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect
from websockets.uri import parse_uri

from isthmus.app.ui.files import screen
from tests.api.conftest import address
from tests.app.conftest import plant, wait
from tests.conftest import needed
from tests.peers.opcua_peer import need_node
from tests.ui.conftest import Device, Site, Window

MOVING, STEADY = 1000, 250
PERIOD = 500
"""ms between two changes of all that move."""
CROWD = 30
"""Clients that do not read."""

PLANT = """
version: 1
plant: acme/lyon
time_zone: UTC
types:
  meter: {{tags: {{value: {{unit: "1"}}}}}}
systems:
  crowd: {{kind: opcua, url: {url}, publishing: 100ms, sampling: 0s, zone: control, owner: controls}}
assets:
  moving/meter-{{0..{moving}}}: {{type: meter, system: crowd, tags: {{value: "{at}t{{n}}"}}}}
  steady/meter-{{0..{steady}}}: {{type: meter, system: crowd, tags: {{value: "{at}s{{n}}"}}}}
"""

ONCE = "acme/lyon/steady/meter-7/value"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A plant of which 1,000 tags change twice a second, and 250 only when they are told to."""
    need_node()
    needed(screen().complete, "the modules of the screen: tools/setup ui (needs npm)")
    folder = tmp_path_factory.mktemp("crowd")
    steady = [{"name": f"s{i}", "type": "Double", "value": 0} for i in range(STEADY)]
    device = Device(folder / "peer", "node", nodes=steady, many={"count": MOVING}, run={"period": PERIOD})
    (folder / "plant.yaml").write_text(PLANT.format(url=device.url, at=device.at, moving=MOVING - 1, steady=STEADY - 1))
    try:
        with plant(folder) as made:
            made.words = ["run", str(folder / "plant.yaml")]
            made.start()
            made.ready()
            wait(lambda: made.status()["counters"]["accepted"] > 2 * MOVING, "samples are accepted")
            yield Site(made, address(made), device)
    finally:
        device.end()


PATIENCE = 20
"""Seconds that a client may take to answer a ping."""


class LetGo(Exception):
    """The server has closed the connection of a client that was silent for so long."""


class Reader:
    """A client that reads only when it is told to, from a small buffer."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(90)
        self._socket.connect((where.hostname, where.port))
        self._ours = ClientProtocol(parse_uri(f"ws://{where.netloc}/api/live"), max_size=1 << 24)
        self._ours.send_request(self._ours.connect())
        self._send()
        self._frames: list[Frame] = []
        self._heard, self._silent = monotonic(), 0.0
        while not self._ours.events_received():
            self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self) -> dict[str, Any]:
        """Asks for all tags; the first page, with all that is known."""
        self._ours.send_text(json.dumps({"match": []}).encode())
        self._send()
        return self.page()

    def page(self) -> dict[str, Any]:
        """Reads one page."""
        while not self._frames:
            self._read()
            found = [one for one in self._ours.events_received() if isinstance(one, Frame)]
            self._frames += [one for one in found if one.opcode is Opcode.TEXT]
            if any(one.opcode is Opcode.CLOSE for one in found):
                self._hung_up()
        page: dict[str, Any] = json.loads(bytes(self._frames.pop(0).data))
        return page

    def _send(self) -> None:
        self._socket.sendall(b"".join(self._ours.data_to_send()))

    def _read(self) -> None:
        now = monotonic()
        self._heard, self._silent = now, max(self._silent, now - self._heard)
        try:
            received = self._socket.recv(1 << 16)
        except ConnectionError:
            received = b""
        if not received:
            self._hung_up()
        self._ours.receive_data(received)
        self._send()  # pongs

    def _hung_up(self) -> None:
        if self._silent > PATIENCE:
            raise LetGo
        pytest.fail("the server hung up")


def numbered(site: Site) -> dict[str, int]:
    with httpx.Client(base_url=site.url, trust_env=False, timeout=90) as client:
        return {tag["path"]: tag["number"] for tag in client.get("/api/tags", params={"limit": 2000}).json()}


def skipped(crowd: Site, turns: int, number: int) -> None:
    """Some read and many do not, for so many pages; raises LetGo where that took too long to judge."""
    once, server = numbered(crowd)[ONCE], psutil.Process(crowd.plant.alive("serve"))
    with ExitStack() as stack:
        live = f"ws{crowd.url.removeprefix('http')}/api/live"
        brisk = stack.enter_context(connect(live, max_size=1 << 24, open_timeout=90, ping_timeout=90))
        slow = [stack.enter_context(Reader(crowd.url)) for _ in range(CROWD)]
        brisk.send(json.dumps({"match": []}))
        for reader in slow:
            reader.ask()
        before, turned, size, told = server.memory_info().rss, 0, 0, False
        while turned < turns or not told:  # who reads gets every page, and what changed once
            text = brisk.recv(timeout=90)
            found = json.loads(text)
            turned, size = turned + 1, size + len(text)
            if turned == turns // 2:
                crowd.device.set("s7", number)
            told = told or [once, number] in [row[:2] for row in found["values"]]
        grown = server.memory_info().rss - before
        assert grown < CROWD * size / 2, f"{grown:,} bytes for {CROWD} clients who were not sent {size:,} each"
        for reader in slow:
            caught = [reader.page()]
            while caught[-1]["page"] < found["page"]:
                caught.append(reader.page())
            assert len(caught) < turned / 2, "it skips"
            values = {row[0]: row[1] for page in caught for row in page["values"]}
            assert len(values) >= MOVING, "everything that changed"
            assert values[once] == number, "also what changed while it did not read, and never again"


@pytest.mark.parametrize(
    ("turns", "rounds"), [(20, 1), pytest.param(40, 40, marks=(pytest.mark.soak, pytest.mark.timeout(3600)))]
)
def test_who_does_not_read_costs_no_memory_skips_pages_and_misses_nothing(crowd: Site, turns: int, rounds: int) -> None:
    judged, tries = 0, 0
    while judged < rounds:
        tries += 1
        try:
            skipped(crowd, turns, tries)
            judged += 1
        except LetGo:  # by a busy machine; not for ever
            assert tries < judged + 5


def test_250_tags_that_are_bad_at_once_are_said_and_none_is_left(crowd: Site, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    window = Window(context, crowd.url)
    page = window.open("/?path=acme/lyon/moving/meter-3", ".value.good")
    crowd.device.do("all", prefix="s", status="BadSensorFailure")
    expect(page.locator("header .wrong")).to_contain_text(f"{STEADY} bad")
    expect(page.locator(".node[data-path='acme/lyon/steady'] .mark.bad")).to_contain_text(str(STEADY))
    health = f"{crowd.url}/api/health"
    wait(lambda: httpx.get(health, trust_env=False, timeout=90).json()["bad"] == STEADY, "the API says it too")
    crowd.device.do("all", prefix="s", status="Good")
    expect(page.locator("header .wrong")).not_to_contain_text("bad")
    expect(page.locator(".node[data-path='acme/lyon/steady'] .mark.bad")).to_have_count(0)
    context.close()
    assert not window.said


def test_a_device_restarted_under_an_open_page_is_said_and_the_page_recovers_by_itself(
    crowd: Site, browser: Browser
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    window = Window(context, crowd.url)
    page = window.open("/?path=acme/lyon/moving/meter-3", ".value.good")
    page.evaluate("window.mine = 1")
    crowd.device.die()
    expect(page.locator("header .wrong")).to_contain_text("1 system not connected")
    expect(page.locator(".rows .badge.stale").first).to_contain_text("stale")
    expect(page.locator("header .alive")).to_have_text("live")
    crowd.device.start()
    expect(page.locator("header .wrong")).not_to_contain_text("not connected")
    expect(page.locator(".rows .badge.stale")).to_have_count(0)
    was = page.locator(".rows .value").first.inner_text()
    expect(page.locator(".rows .value").first).not_to_have_text(was)
    assert page.evaluate("window.mine") == 1, "it is still the same page"
    context.close()
    assert not window.said
