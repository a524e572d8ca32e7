# SPDX-License-Identifier: Apache-2.0
"""Pictures of the plant, normal bands and events on the screen: alive, reached by keyboard, harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from isthmus.app.ui.files import screen
from tests.api.conftest import address
from tests.app.conftest import plant
from tests.conftest import needed
from tests.ui.conftest import HOSTILE, Device, Site, Window, read

PLANT = """
version: 1
plant: acme/lyon
time_zone: Europe/Paris
include: models/types.yaml
systems:
  dcs: {{kind: opcua, url: {url}}}
assets:
  mixing/reactor-1:
    type: stirred
    system: dcs
    tags: {{temperature: "{at}temperature", pressure: "{at}pressure", running: "{at}running"}}
  mixing/tank-1:
    type: tank
    system: dcs
    tags: {{level: "{at}level"}}
  storage/tank-2:
    type: tank
    system: dcs
pictures:
  mixing:
    place: {{reactor-1: [2, 0.5]}}
    flows:
      - {text}: [tank-1, reactor-1, storage]
      - returns: [reactor-1, [2, 1.5], tank-1]
"""

TYPES = """
version: 1
types:
  stirred:
    symbol: reactor
    tags:
      temperature: {unit: Cel, range: [0, 180], normal: [80, 95]}
      pressure: {unit: bar, range: [0, 16]}
      running: {type: boolean}
  tank:
    tags:
      level: {unit: m, range: [0, 3], normal: [1, 2]}
"""

MIXING, REACTOR = "acme/lyon/mixing", "acme/lyon/mixing/reactor-1"
SYMBOLS = ".mimic .symbol"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A plant that says how it is drawn, its types in a file of their own."""
    needed(screen().complete, "the modules of the screen: tools/setup ui (needs npm)")
    folder = tmp_path_factory.mktemp("pictures")
    device = Device(folder / "peer")
    quoted = "'" + HOSTILE.replace("'", "''") + "'"
    (folder / "models").mkdir()
    (folder / "models/types.yaml").write_text(TYPES)
    (folder / "plant.yaml").write_text(PLANT.format(text=quoted, url=device.url, at=device.at))
    try:
        with plant(folder) as made:
            made.words = ["run", str(folder / "plant.yaml")]
            made.start()
            yield Site(made, address(made), device)
    finally:
        device.end()


def test_a_picture_shows_what_its_symbols_hold_and_do(window: Window, site: Site) -> None:
    page = window.open(f"/?path={MIXING}", f"{SYMBOLS} .value.good")
    assert page.locator(SYMBOLS).count() == 3
    tank, reactor = page.locator(f"{SYMBOLS}.tank"), page.locator(f"{SYMBOLS}.reactor")
    held = tank.locator(".held")
    site.device.set("level", 1.5)
    expect(held).to_have_attribute("height", "27")
    site.device.set("level", 3)
    expect(held).to_have_attribute("height", "54")
    expect(tank.locator("a.reading")).to_have_attribute("aria-label", "Level 3.000 m, outside normal")
    expect(reactor.locator(".does")).to_have_text("running")
    assert page.locator(".mimic .pipe").count() == 3
    assert HOSTILE[:5] in (page.locator(".mimic").text_content() or "")
    assert page.evaluate("window.hurt") is None


def test_what_is_wrong_is_hatched_flagged_and_said(window: Window, site: Site) -> None:
    page = window.open(f"/?path={MIXING}", f"{SYMBOLS} .value.good")
    site.device.set("level", 1.5, "BadSensorFailure")
    tank = page.locator(f"{SYMBOLS}.tank")
    expect(tank).to_have_class(re.compile(r"\bbad\b"))
    expect(tank.locator(".flag")).to_have_text("■1")
    expect(tank.locator("a").first).to_have_attribute("aria-label", "Tank 1, 1 bad")
    assert "url" in tank.locator(".hatched").evaluate("one => getComputedStyle(one).fill")
    site.device.set("level", 1.5)
    expect(tank.locator(".flag")).to_have_count(0)


def test_symbols_and_values_are_reached_with_the_keyboard(window: Window) -> None:
    page = window.open(f"/?path={MIXING}", f"{SYMBOLS} .value.good")
    page.locator(".mimic").focus()
    seen = []
    for _ in range(6):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''").partition(",")[0])
    assert any(name.startswith("Reactor 1") for name in seen), seen
    assert any(name.startswith("Temperature ") for name in seen), seen
    page.locator(f"{SYMBOLS}.reactor a").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Reactor 1")
    page.locator(".mimic a.reading").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog.tag h2")).to_have_text("Temperature")


def test_bars_show_the_normal_band_inside_the_range(window: Window) -> None:
    page = window.open(f"/?path={REACTOR}", ".rows .value.good")
    bar = page.locator("tr", has_text="Temperature").locator("svg.bar")
    expect(bar).to_have_attribute("aria-label", re.compile("range 0 to 180, normal 80 to 95$"))
    band, normal = (bar.locator(one) for one in (".band", ".normal"))
    ends = [[float(one.get_attribute(name) or 0) for name in ("x", "width")] for one in (band, normal)]
    assert ends[0][0] < ends[1][0] < sum(ends[1]) < sum(ends[0])
    expect(page.locator("tr", has_text="Pressure").locator(".normal")).to_have_count(0)


def test_a_value_outside_its_normal_band_is_told_where_it_is_in_tree_and_picture_and_at_the_top(
    window: Window, site: Site
) -> None:
    page = window.open(f"/?path={MIXING}", f"{SYMBOLS} .value.good")
    site.device.set("level", 2)
    site.device.set("temperature", 95)
    top, told = page.locator("header .wrong"), page.locator("header .wrong .badge.abnormal")
    tank = page.locator(f"{SYMBOLS}.tank")
    expect(tank.locator("a.reading")).to_have_attribute("aria-label", "Level 2.000 m, good")  # the band has its ends
    expect(told).to_have_count(0)
    site.device.set("level", 2.25)
    expect(told).to_have_text("△ 1 value outside its normal band")
    expect(top).not_to_contain_text("All 4 tags good")
    for path in ("acme/lyon", MIXING, f"{MIXING}/tank-1"):
        expect(page.locator(f".node[data-path='{path}'] .mark.abnormal")).to_have_text("△1 outside normal")
    expect(page.locator(f".node[data-path='{REACTOR}'] .mark")).to_have_count(0)
    expect(tank.locator(".flag")).to_have_text("△1")
    expect(tank.locator("a.reading")).to_contain_text("Level △2.250 m")
    expect(page.locator(".card", has_text="Tank 1").locator("li .shape.abnormal")).to_have_text("△outside normal")
    site.device.set("temperature", 125)
    expect(told).to_have_text("△ 2 values outside their normal band")
    told.click()
    expect(page.locator("h1")).to_have_text("Outside their normal band")
    named = page.locator(".rows tbody th")
    expect(named).to_have_text(["Mixing / reactor 1 temperature", "Mixing / tank 1 level"])  # by widths of their bands
    expect(page.locator(".rows .badge.abnormal")).to_have_count(2)
    site.device.set("temperature", 125, "BadSensorFailure")
    expect(named).to_have_text(["Mixing / tank 1 level"])
    for shape in ("■", "△"):
        expect(page.locator(".node[data-path='acme/lyon']")).to_contain_text(f"{shape}1")
    site.device.set("temperature", 88.25)
    site.device.set("level", 1.5)
    expect(page.locator("main")).to_contain_text("No value of good quality is outside its normal band.")
    expect(told).to_have_count(0)
    expect(page.locator(".mark.abnormal")).to_have_count(0)


def test_the_dialog_names_the_file_of_each_line(window: Window) -> None:
    page = window.open(f"/?path={MIXING}&tag={REACTOR}/temperature", "dialog.tag pre.source")
    expect(page.locator("dialog.tag h3")).to_have_text(
        [re.compile(r"^Where it is read: plant.yaml:\d+$"), re.compile(r"^What its type says: models/types.yaml:7$")]
    )
    read_there, means = page.locator("dialog.tag .own").all()
    expect(read_there).to_contain_text('temperature: "')
    expect(means).to_contain_text("normal: [80, 95]")


def test_events_of_the_tags_are_marked_in_their_trend(window: Window) -> None:
    page = window.open(f"/?page=trend&from=-1h&to=now&show={REACTOR}/temperature", "is-trend .marks .event")
    mark = page.locator(".marks .event").last
    expect(mark).to_have_attribute("aria-label", re.compile("dcs is connected|events, the first"))
    mark.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".told")).to_contain_text("dcs is connected")
    expect(mark).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(page.locator(".told")).to_be_hidden()
    parquet = page.get_by_role("link", name="Parquet").get_attribute("href") or ""
    assert page.request.get(window.url + parquet).body().startswith(b"PAR1")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_pictures_and_events(browser: Browser, site: Site, theme: Any) -> None:
    axe = read("axe-core/axe.min.js")
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=theme, bypass_csp=True)
    window, found = Window(context, site.url), {}
    page = window.open(f"/?path={MIXING}", f"{SYMBOLS} .value.good")
    assert page.evaluate("document.querySelector('main').scrollWidth") <= 390
    page.evaluate(axe)
    found["picture"] = page.evaluate("axe.run()")["violations"]
    site.device.set("level", 2.25)
    page.wait_for_selector(f"{SYMBOLS} .flag.abnormal")
    found["abnormal picture"] = page.evaluate("axe.run()")["violations"]
    page = window.open("/?page=abnormal", ".rows .badge.abnormal")
    assert page.evaluate("document.querySelector('main').scrollWidth") <= 390
    page.evaluate(axe)
    found["abnormal"] = page.evaluate("axe.run()")["violations"]
    site.device.set("level", 1.5)
    page = window.open(f"/?page=trend&from=-1h&to=now&show={REACTOR}/temperature", "is-trend .marks .event")
    page.locator(".marks .event").last.click()
    page.wait_for_selector(".told .card")
    assert page.evaluate("document.querySelector('main').scrollWidth") <= 390
    page.evaluate(axe)
    found["events"] = page.evaluate("axe.run()")["violations"]
    context.close()
    told = {
        name: [(one["id"], [node["html"][:150] for node in one["nodes"]]) for one in v] for name, v in found.items()
    }
    assert not any(told.values()), told
    assert len(told) == 4
    assert not window.said


def test_equipment_without_a_spot_stands_after_what_flows_into_it(window: Window) -> None:
    page = window.open("/", ".card .value")
    found = page.evaluate(
        """async () => {
          const at = document.querySelector("script[type=module]").src.replace("main.js", "");
          const { made } = await import(at + "plant/tags.js");
          const { pictureOf } = await import(at + "plant/picture.js");
          const names = (...all) => all.map((i) => `a/b/area/pump-${i}`);
          const of = (count, ...pictures) => {
            const assets = names(...Array(count).keys()).map((path) => ({ path, type: "pump@1", symbol: "" }));
            const plant = made({ plant: "a/b", revision: 1 }, [], assets, pictures);
            const picture = pictureOf(plant, plant.places.get("a/b/area"));
            if (!picture) return null;
            const spots = picture.symbols.map((one) => [one.place.name, one.x, one.y]);
            return { spots, pipes: picture.pipes.map((one) => one.points) };
          };
          const area = (flows, place) => ({ of: "a/b/area", place, flows: flows.map((through) => ({ through })) });
          return {
            listed: of(8), many: of(30), none: of(1, area([], {})),
            round: of(3, area([names(0, 1, 2, 0)])),
            partly: of(4, area([names(0, 1, 2), names(3, 1)], { "a/b/area/pump-1": [3, 1] })),
          };
        }"""
    )
    assert found["many"] is None, "thirty symbols that nobody placed are a list, not a picture"
    assert found["none"] is None
    for name in ("listed", "round", "partly"):
        spots = [tuple(spot[1:]) for spot in found[name]["spots"]]
        assert len(set(spots)) == len(spots), (name, spots)
    assert [spot[1:] for spot in found["round"]["spots"]] == [[0, 0], [1, 0], [2, 0]]
    assert len(found["round"]["pipes"]) == 3
    by = {name: (x, y) for name, x, y in found["partly"]["spots"]}
    assert by["pump-0"][0] < by["pump-1"][0] < by["pump-2"][0]
    assert by["pump-3"][0] < by["pump-1"][0]
