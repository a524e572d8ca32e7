# SPDX-License-Identifier: Apache-2.0
"""A browser in front of a running plant whose server says hostile things."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from isthmus.app.ui.files import screen
from tests.api.conftest import address
from tests.app.conftest import Plant, plant
from tests.conftest import needed
from tests.peers.opcua_peer import Server

CHROMIUM = shutil.which("chromium")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

HOSTILE = "<img src=x onerror=window.hurt=1><script>window.hurt=1</script>\"'`${1}{{1}}"
"""What must be shown as it is, everywhere."""

PLANT = """
version: 1
plant: acme/lyon
time_zone: Europe/Paris
types:
  reactor:
    tags:
      temperature: {{unit: Cel, range: [0, 180], description: {text}}}
      pressure: {{unit: bar, range: [0, 16]}}
      running: {{type: boolean}}
      mode: {{type: enumeration, values: {{0: "off", 1: {text}}}}}
      product: {{type: text}}
  tank:
    tags:
      level: {{unit: m, range: [0, 3]}}
systems:
  dcs:
    kind: opcua
    url: {url}
    zone: control
    owner: {text}
  far:
    kind: opcua
    url: opc.tcp://127.0.0.1:9/far
outputs:
  namespace:
    kind: mqtt
    url: mqtt://127.0.0.1:9
    owner: {text}
assets:
  mixing/reactor-1:
    type: reactor
    system: dcs
    owner: {text}
    description: {text}
    tags: {{temperature: "{at}temperature", pressure: "{at}pressure", running: "{at}running", mode: "{at}mode", product: "{at}product"}}
  mixing/tank-1:
    type: tank
    system: dcs
    tags: {{level: "{at}level"}}
  storage/tank-2:
    type: tank
    system: far
    tags: {{level: "{at}level"}}
"""  # noqa: E501 - YAML flows in one line

NODES = [
    {"name": "temperature", "value": 88.25},
    {"name": "pressure", "value": 4.5},
    {"name": "running", "type": "Boolean", "value": True},
    {"name": "mode", "type": "Int32", "value": 1},
    {"name": "product", "type": "String", "value": HOSTILE},
    {"name": "level", "value": 1.5},
]


class Device:
    """An OPC UA server, driven from a test that has no loop of its own."""

    def __init__(self, folder: Path, kind: str = "python", **config: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="device")
        self._thread.start()
        self._server = Server(folder, kind, **(config or {"nodes": NODES}))
        self.start()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(240)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def at(self) -> str:
        """What every address of it begins with."""
        return self._server.address("")

    def start(self) -> None:
        self._run(self._server.start())

    def die(self) -> None:
        self._run(self._server.kill())

    def do(self, command: str, **how: Any) -> None:
        """See opcua_server.js."""
        self._run(self._server.do(command, **how))

    def set(self, name: str, value: float, status: str = "Good") -> None:
        self.do("set", name=name, value=value, status=status)

    def end(self) -> None:
        self.die()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


PATIENCE = 180_000
"""ms that a browser may take on a busy machine."""

expect.set_options(timeout=PATIENCE)


@dataclass(frozen=True)
class Site:
    """A plant that runs, and where its screen is."""

    plant: Plant
    url: str
    device: Device


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A small plant, one of whose two systems is not there, nor the broker of its output."""
    needed(screen().complete, "the modules of the screen: tools/setup ui (needs npm)")
    folder = tmp_path_factory.mktemp("screen")
    device = Device(folder / "peer")
    quoted = "'" + HOSTILE.replace("'", "''") + "'"
    (folder / "plant.yaml").write_text(PLANT.format(text=quoted, url=device.url, at=device.at))
    try:
        with plant(folder) as made:
            made.words = ["run", str(folder / "plant.yaml")]
            made.start()
            yield Site(made, address(made), device)
    finally:
        device.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; it ends with the module, so that tests elsewhere have a loop of their own."""
    needed(CHROMIUM, "chromium (Debian's package of that name)")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True, timeout=PATIENCE)
        yield made
        made.close()


class Window:
    """One page, and what its console said."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        context.set_default_timeout(PATIENCE)
        self.page: Page = context.new_page()
        self.url = url
        self.said: list[str] = []
        self.page.on("console", lambda line: self.said.append(line.text) if line.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.said.append(f"{error.message}\n{error.stack}"))

    def open(self, where: str = "/", shows: str = ".value") -> Page:
        """Goes somewhere, and waits until it shows something."""
        self.page.goto(self.url + where)
        self.page.wait_for_selector(shows)
        return self.page


@pytest.fixture
def window(browser: Browser, site: Site) -> Iterator[Window]:
    """A fresh window on the plant. It fails the test when its console tells of errors."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    made = Window(context, site.url)
    yield made
    context.close()
    assert not made.said, "\n".join(made.said)


def read(name: str) -> str:
    """A file of the npm packages that only tests use."""
    file = Path(__file__).parents[2] / "tools" / "ui" / "node_modules" / name
    needed(file.exists(), f"{name}: tools/setup ui (needs npm)")
    return file.read_text()
