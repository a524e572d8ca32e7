# SPDX-License-Identifier: Apache-2.0
"""The screen in a real browser: what it shows, how it is used, and that it harms nobody."""

from __future__ import annotations

import os
import shutil
import signal
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, expect

from isthmus.app.cli import banner
from isthmus.app.run.place import Place
from isthmus.app.ui.files import screen
from tests.app.conftest import wait
from tests.ui.conftest import HOSTILE, PATIENCE, Site, Window, read

TEMPERATURE = "acme/lyon/mixing/reactor-1/temperature"
PAGES = {
    "overview": ("/", ".card .value"),
    "asset": ("/?path=acme/lyon/mixing/reactor-1", ".rows .value.good"),
    "tag": (f"/?path=acme/lyon/mixing&tag={TEMPERATURE}", "dialog.tag pre.source"),
    "trend": (f"/?page=trend&from=-1h&to=now&show={TEMPERATURE}", "is-trend canvas"),
    "systems": ("/?page=systems", "table.plain tbody tr"),
}


def test_the_first_page_shows_live_values_and_they_move(window: Window, site: Site) -> None:
    page = window.open("/?path=acme/lyon/mixing/reactor-1", ".value.good")
    row = page.locator("tr", has_text="Temperature")
    site.device.set("temperature", 91.5)
    expect(row.locator(".value")).to_have_text("91.5")
    expect(row.locator(".unit")).to_have_text("°C")
    expect(row.locator("svg.bar")).to_have_attribute("aria-label", "91.5 °C, good; range 0 to 180")


def test_bad_quality_is_said_in_word_and_shape_where_the_value_is_and_in_tree_and_bar(
    window: Window, site: Site
) -> None:
    page = window.open("/?path=acme/lyon/mixing/reactor-1", ".value.good")
    site.device.set("pressure", 4.75, "BadSensorFailure")
    row = page.locator("tr", has_text="Pressure")
    expect(row.locator(".badge.bad")).to_contain_text("■")
    expect(row.locator(".badge.bad")).to_contain_text("bad")
    expect(page.locator(".node[data-path='acme/lyon/mixing/reactor-1'] .mark.bad")).to_contain_text("1")
    expect(page.locator("header .wrong")).to_contain_text("bad")
    row.locator("a").click()
    expect(page.locator("dialog.tag dl")).to_contain_text("BadSensorFailure")
    page.keyboard.press("Escape")
    site.device.set("pressure", 4.75)
    expect(row.locator(".badge")).to_have_count(0)


def test_a_value_out_of_its_range_is_kept_and_said(window: Window, site: Site) -> None:
    page = window.open("/?path=acme/lyon/mixing/reactor-1", ".value.good")
    site.device.set("pressure", 17.5)
    row = page.locator("tr", has_text="Pressure")
    expect(row.locator(".value")).to_have_text("17.50")
    expect(row.locator(".badge")).to_contain_text("out of range")
    site.device.set("pressure", 4.5)
    expect(row.locator(".badge")).to_have_count(0)


def test_a_system_that_is_away_is_said_at_the_top_and_on_its_page(window: Window) -> None:
    page = window.open("/?page=systems", "table.plain")
    expect(page.locator("header .wrong")).to_contain_text("1 system not connected")
    expect(page.get_by_role("row", name="far").first.locator(".badge.bad")).to_be_visible()
    expect(page.get_by_role("row", name="dcs").first).to_contain_text("connected")


def test_what_is_wrong_with_a_tag_stands_beside_its_connected_system(window: Window, site: Site) -> None:
    page = window.open("/?page=systems", "table.plain")
    row = page.get_by_role("row", name="dcs").first
    site.device.set("level", 1.5, "BadSensorFailure")
    expect(row).to_contain_text("1 of 6 tags bad: ")
    expect(row).to_contain_text("level (BadSensorFailure)")
    site.device.set("level", 1.5)
    expect(row).not_to_contain_text("tags bad")


def test_an_output_whose_far_end_is_away_is_said_at_the_top_and_on_the_page_of_systems(window: Window) -> None:
    page = window.open("/?page=systems", "table.plain")
    expect(page.locator("header .wrong")).to_contain_text("1 output not delivering")
    row = page.get_by_role("region", name="Outputs").get_by_role("row", name="namespace")
    expect(row.locator(".badge.bad")).to_be_visible()
    expect(row).to_contain_text("nothing listens there")
    expect(row).to_contain_text(HOSTILE)


def test_everything_is_reached_with_the_keyboard_alone(window: Window) -> None:
    page = window.open("/", ".card .value")
    page.keyboard.press("Control+k")
    expect(page.locator("dialog.palette input")).to_be_focused()
    page.keyboard.type("reactor temperature")
    expect(page.locator("dialog.palette li").first).to_contain_text("mixing/reactor-1/temperature")
    page.keyboard.press("Enter")
    expect(page.locator("dialog.tag h2")).to_have_text("Temperature")
    assert f"tag={TEMPERATURE}" in page.url
    page.keyboard.press("Escape")
    expect(page.locator("dialog.tag")).not_to_be_visible()
    page.locator("[role=treeitem][tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("h1")).to_have_text("Reactor 1")
    page.keyboard.press("Control+k")
    page.keyboard.type("systems")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Systems and services")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Reactor 1")


def test_a_trend_is_zoomed_panned_and_its_link_shows_the_same(window: Window) -> None:
    page = window.open(*PAGES["trend"])
    with page.expect_response(lambda one: "/api/history/lines" in one.url) as asked:
        page.locator("is-trend").focus()
        page.keyboard.press("ArrowLeft")
    assert asked.value.ok
    link = page.url
    assert "to=now" not in link
    about = page.locator(".heading .about").inner_text()
    other = window.open(link.removeprefix(window.url), "is-trend canvas")
    expect(other.locator(".heading .about")).to_have_text(about)
    page.locator("is-trend").focus()
    page.keyboard.press("End")
    expect(page.locator(".heading .about")).to_have_text("to now, live")
    csv = page.get_by_role("link", name="CSV").get_attribute("href") or ""
    answer = page.request.get(window.url + csv)
    assert answer.ok
    assert TEMPERATURE in answer.text()


def test_a_break_in_one_line_stays_one_however_many_points_other_lines_have(window: Window) -> None:
    page = window.open("/", ".card .value")
    found = page.evaluate(
        """async () => {
          const at = document.querySelector("script[type=module]").src.replace("main.js", "");
          const { joined, badSpans } = await import(at + "draw/chart.js");
          const all = joined([[[0, 10, 20, 20, 50], [1, 1, 1, NaN, 1]], [[5, 30, 40, 60], [4, 5, 6, 7]]]);
          const said = all.map((one) => Array.from(one, (value) => (value === undefined ? "on" : value)));
          const codes = Uint32Array.of(0, 0x80890000, 0x809b0000, 0x80890000);
          const bad = badSpans(Float64Array.of(0, 10, 20, 30), codes, 35);
          return [said, bad];
        }"""
    )
    assert found[0] == [
        [0, 5, 10, 20, 20.001, 30, 40, 50, 60],
        [1, "on", 1, 1, None, None, None, 1, "on"],
        ["on", 4, "on", "on", "on", 5, 6, "on", 7],
    ]
    assert found[1] == [[10, 20], [30, 35]]


def test_light_and_dark_follow_the_machine_until_a_person_chooses(browser: Browser, site: Site) -> None:
    context = browser.new_context(color_scheme="dark")
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(site.url)
    theme = page.locator("html")
    expect(theme).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="Light colours").click()
    expect(theme).to_have_attribute("data-theme", "light")
    page.reload()
    expect(theme).to_have_attribute("data-theme", "light")
    context.close()


def test_a_killed_server_is_said_and_the_page_recovers_by_itself(window: Window, site: Site) -> None:
    page = window.open("/?path=acme/lyon/mixing/reactor-1", ".value.good")
    page.evaluate("window.mine = 1")
    was, supervisor = site.plant.alive("serve"), psutil.Process(site.plant.process.pid if site.plant.process else 0)
    supervisor.suspend()  # or it may be back before anyone has looked
    try:
        os.kill(was, signal.SIGKILL)
        expect(page.locator(".gone")).to_contain_text("No connection to Isthmus")
        expect(page.locator("header .alive")).to_have_text("■ no connection")
    finally:
        supervisor.resume()
    wait(lambda: site.plant.pid("serve") not in (was, 0), "the service is started again")
    expect(page.locator("header .alive")).to_have_text("live")
    expect(page.locator(".gone")).to_have_count(0)
    site.device.set("temperature", 77.25)
    expect(page.locator("tr", has_text="Temperature").locator(".value")).to_have_text("77.3")
    assert page.evaluate("window.mine") == 1, "it is still the same page"
    window.said = [line for line in window.said if "ERR_" not in line and "WebSocket" not in line]


@pytest.mark.parametrize("which", PAGES)
def test_hostile_words_are_text_on_every_page(window: Window, which: str) -> None:
    page = window.open(*PAGES[which])
    if which == "asset":
        expect(page.locator("tr", has_text="Product").locator(".value")).to_have_text(HOSTILE)
        expect(page.locator("tr", has_text="Mode").locator(".value")).to_have_text(HOSTILE)
        expect(page.locator(".heading .about")).to_contain_text(HOSTILE)
    if which == "systems":
        expect(page.get_by_role("row", name="dcs").first).to_contain_text(HOSTILE)
    if which == "tag":
        expect(page.locator("dialog.tag p.about")).to_have_text(HOSTILE)
    assert page.evaluate("window.hurt") is None
    assert page.locator("img, iframe, object").count() == 0


def test_an_address_with_hostile_words_harms_nothing(window: Window) -> None:
    page = window.open("/?path=%3Cimg src=x onerror=window.hurt=1%3E", "h1")
    expect(page.locator("h1")).to_have_text("Not in this plant")
    expect(page.locator("main b")).to_have_text("<img src=x onerror=window.hurt=1>")
    window.open("/?page=trend&show=%3Cscript%3E&from=yesterday&to=%22", ".problem")
    assert page.evaluate("window.hurt") is None


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page(browser: Browser, site: Site, theme: Any) -> None:
    axe = read("axe-core/axe.min.js")
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=theme, bypass_csp=True)
    window = Window(context, site.url)
    found = {}
    for name, (where, shows) in PAGES.items():
        page = window.open(where, shows)
        page.evaluate(axe)
        result = page.evaluate("axe.run()")
        found[name] = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in result["violations"]]
    page.keyboard.press("Control+k")
    page.keyboard.type("tank")
    page.wait_for_selector("dialog.palette li")
    found["palette"] = [one["id"] for one in page.evaluate("axe.run()")["violations"]]
    context.close()
    assert found == {name: [] for name in found}
    assert not window.said


def test_a_phone_shows_every_page_without_scrolling_sideways(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    window = Window(context, site.url)
    for where, shows in PAGES.values():
        page = window.open(where, shows)
        assert page.evaluate("document.scrollingElement.scrollWidth") <= 390, where
        assert page.evaluate("document.querySelector('main').scrollWidth") <= 390, where
    window.open("/", ".card .value")
    page.get_by_role("button", name="Plant tree").tap()
    page.locator(".node[data-path='acme/lyon/mixing'] .name").tap()
    expect(page.locator("h1")).to_have_text("Mixing")
    expect(page.locator("nav#tree")).not_to_be_visible()
    context.close()
    assert not window.said


def test_a_signal_redraws_its_own_hole_and_nothing_else(window: Window) -> None:
    page = window.open("/", ".card .value")
    counts = page.evaluate(
        """async () => {
          const at = document.querySelector("script[type=module]").src.replace("main.js", "");
          const { html, render } = await import(at + "vendor/lit-html/lit-html.js");
          const { signal, batch } = await import(at + "vendor/signals-core/signals-core.js");
          const { fresh, watch } = await import(at + "watch.js");
          const a = signal(1), inner = signal(1), show = signal(true), seen = { outer: 0, inner: 0, texts: [] };
          const box = document.createElement("div");
          document.body.append(box);
          const deep = () => { seen.inner++; return inner.value; };
          const outer = () => { seen.outer++; a.value; return html`<p>${a.peek()} ${watch(deep)}</p>`; };
          render(html`${watch(() => (show.value ? html`${watch(outer)}` : "gone"))}`, box);
          const told = () => seen.texts.push(box.textContent, seen.outer, seen.inner);
          told();
          inner.value = 2; told();
          a.value = 2; told();
          batch(() => { inner.value = 3; inner.value = 4; }); told();
          show.value = false; a.value = 3; inner.value = 5; told();
          show.value = true; told();
          const key = signal("one"), left = [];
          const seenBy = (name) => { if (name === "one") left.push(a.value); return a.value; };
          const page = (name) => html`<p>${watch(() => seenBy(name))}</p>`;
          render(html`${watch(() => { const name = key.value; return fresh(name, () => page(name)); })}`, box);
          a.value = 8; key.value = "two"; a.value = 9;
          box.remove();
          return [...seen.texts, ...left.slice(-1), box.textContent, 0];
        }"""
    )
    assert counts[-3:-1] == [8, "9"], "what was drawn afresh left nothing behind that watches"
    counts = counts[:-3]
    rounds = [tuple(counts[i : i + 3]) for i in range(0, len(counts), 3)]
    assert [text.strip() for text, _, _ in rounds] == ["1 1", "1 2", "2 2", "2 4", "gone", "3 5"]
    outer = [now - before for (_, before, _), (_, now, _) in pairwise(rounds)]
    assert outer == [0, 1, 0, 0, 1]
    inner = [now - before for (_, _, before), (_, _, now) in pairwise(rounds)]
    assert inner == [1, 1, 1, 0, 1], "one reading each time, none of what is gone"


def test_files_say_how_long_they_hold_and_what_they_may_do(site: Site) -> None:
    with httpx.Client(base_url=site.url, trust_env=False, timeout=90) as client:
        page = client.get("/")
        assert page.headers["cache-control"] == "no-cache"
        policy = page.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        files = page.text.split('src="')[1].split("/main.js")[0]
        modules = [one.split('"')[0] for one in page.text.split('rel="modulepreload" href="')[1:]]
        assert {f"{files}/main.js", f"{files}/pages/trend.js"} < set(modules)
        assert {client.get(one).status_code for one in modules} == {200}
        main = client.get(f"{files}/main.js")
        assert "immutable" in main.headers["cache-control"]
        assert main.headers["content-type"].startswith("text/javascript")
        assert client.get("/ui/0000/main.js").status_code == 404
        for hostile in ("../files.py", "%2e%2e/files.py", "vendor/../../files.py", "vendor/lit-html/LICENSE", ""):
            assert client.get(f"{files}/{hostile}").status_code == 404, hostile


def test_the_banner_says_first_where_to_look(site: Site) -> None:
    told = banner.runs(Place(site.plant.data), "Change it.")
    assert told.splitlines()[0] == f"Open {site.url} in a browser"


def test_without_the_modules_from_npm_the_page_says_how_to_get_them(tmp_path: Path) -> None:
    static = resources.files("isthmus.app.ui") / "static"
    with resources.as_file(static) as folder:
        shutil.copytree(folder, tmp_path / "static", ignore=shutil.ignore_patterns("vendor"))
    found = screen(tmp_path / "static")
    assert not found.complete
    assert b"tools/setup ui" in found.page.content
    assert f"/ui/{found.digest}/look/look.css".encode() in found.page.content
