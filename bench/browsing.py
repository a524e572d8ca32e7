# SPDX-License-Identifier: Apache-2.0
"""A person in front of the screen: when a page opened in Chromium shows live values, and when a trend is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, Page, sync_playwright

from tests.ui.conftest import CHROMIUM, FLAGS

FIRST = """
new MutationObserver((_, watcher) => {
  if (!document.querySelector(".value.good")) return;
  watcher.disconnect();
  requestAnimationFrame(() => { document.documentElement.dataset.first = performance.now(); });
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
"""
"""Notes when the first good value stood on the page, ms after it was asked for."""

CLICK = """
async (name) => {
  const button = [...document.querySelectorAll("button")].find((one) => one.textContent === name);
  const answered = new Promise((done) => new PerformanceObserver((list, watcher) => {
    for (const one of list.getEntries()) {
      if (one.name.includes("/api/history/lines") && one.startTime >= began) { watcher.disconnect(); done(); }
    }
  }).observe({ type: "resource" }));
  const began = performance.now();
  button.click();
  await answered;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - began;
}
"""
"""ms from a click on a range to the second frame after its answer came, when the line has been drawn."""

DELAYS = """
async ([path, seconds]) => {
  const at = document.querySelector("script[type=module]").src.replace("main.js", "");
  const { plant } = await import(at + "plant/tags.js");
  const tag = plant.peek().byPath.get(path), found = [];
  const row = [...document.querySelectorAll(".value")].find((one) => one.textContent.trim() !== "");
  const watcher = new MutationObserver(() => {
    const source = tag.reading.peek().at;
    requestAnimationFrame(() => found.push(Date.now() - source));
  });
  watcher.observe(row.parentElement, { subtree: true, childList: true, characterData: true });
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  watcher.disconnect();
  return found;
}
"""
"""ms from a value's source time to the frame that shows it, for every change of the first value on the page."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        try:
            yield browser
        finally:
            browser.close()


@dataclass(frozen=True, slots=True)
class Opened:
    """A page that was opened in a browser that had never seen it."""

    first: float
    """ms to the first live value."""
    weight: float
    """Bytes that came over the wire for it, the answers of the API apart."""
    requests: int


def opened(browser: Browser, url: str) -> Opened:
    """Opens the overview with an empty cache."""
    with browser.new_context(viewport={"width": 1920, "height": 1080}) as context:
        page = context.new_page()
        page.add_init_script(FIRST)
        page.goto(url)
        first = page.locator("html[data-first]").get_attribute("data-first")
        weights = page.evaluate(
            """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
              .filter((one) => !one.name.includes("/api/")).map((one) => one.transferSize)"""
        )
        return Opened(float(first or "nan"), sum(weights), len(weights))


def answered(browser: Browser, url: str) -> float:
    """ms until Chromium has shown an answer with nothing to fetch beyond it."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(url)
        return float(page.evaluate('performance.getEntriesByType("navigation")[0].domComplete'))


def shown(browser: Browser, address: str, selector: str) -> Page:
    """A page that shows what it is to show."""
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.goto(address)
    page.wait_for_selector(selector)
    return page
