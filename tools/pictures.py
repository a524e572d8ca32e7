# SPDX-License-Identifier: Apache-2.0
"""Takes the pictures of the screen that docs/screen.md and the README show, of a running chemical plant.

Beside `isthmus demo`, for the overview with one of its servers stopped:
`python tools/pictures.py http://127.0.0.1:8640 docs/pictures [NAME ...]`
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PLANT = "acme/antwerp"
REACTOR = f"{PLANT}/reaction/reactor-1"
TREND = f"/?page=trend&show={REACTOR}/temperature&show={REACTOR}/pressure&show={REACTOR}/jacket/water-flow"

PICTURES = {
    "screen-overview": "/",
    "screen-overview-dark": "/",
    "screen-area": f"/?path={PLANT}/distillation",
    "screen-equipment": f"/?path={REACTOR}",
    "screen-tag": f"/?path={PLANT}/reaction&tag={REACTOR}/product-fraction",
    "screen-trend-dark": f"{TREND}&from=-8h&to=now",
    "screen-events": f"{TREND}&from=-1h&to=now",
    "screen-systems": "/?page=systems",
    "chemical-systems": "/?page=systems",
    "chemical-utilities": f"/?path={PLANT}/utilities",
    "screen-find": f"/?path={PLANT}/feed",
    "screen-overview-phone": f"/?path={PLANT}/feed",
    "screen-equipment-phone-dark": f"/?path={PLANT}/reaction/transfer-pump",
    "screen-trend-phone": f"/?page=trend&show={REACTOR}/temperature&show={REACTOR}/pressure&from=-1h&to=now",
}
"""Name → where; the name says which size and colours."""

DRAWN_AFTER = 6_000
"""ms from the first value to the last line of a trend."""


def main(url: str, folder: Path, names: list[str]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name in names or PICTURES:
            phone = "phone" in name
            size = {"width": 390, "height": 844} if phone else {"width": 1920, "height": 1080}
            theme = "dark" if "dark" in name else "light"
            context = browser.new_context(viewport=size, color_scheme=theme)  # type: ignore[arg-type]  # a mapping
            page = context.new_page()
            page.goto(url + PICTURES[name])
            page.wait_for_selector("table, .value")
            page.wait_for_timeout(DRAWN_AFTER)
            if name == "screen-find":
                page.keyboard.press("Control+k")
                page.keyboard.type("reactor temp")
                page.wait_for_selector("dialog.palette li")
            if name == "screen-events":
                page.locator(".marks .event").last.click()
            page.screenshot(path=folder / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
