// SPDX-License-Identifier: Apache-2.0
/**
 * The screen: its frame, drawn once, and the page that the address bar names.
 * @module
 */
import { html, render } from "./vendor/lit-html/lit-html.js";
import { computed, effect, untracked } from "./vendor/signals-core/signals-core.js";
import { dialog } from "./parts/dialog.js";
import { drawer } from "./parts/frame.js";
import { palette } from "./parts/palette.js";
import { top } from "./parts/top.js";
import { tree } from "./parts/tree.js";
import { abnormalPage } from "./pages/abnormal.js";
import { placePage } from "./pages/place.js";
import { systemsPage } from "./pages/systems.js";
import { trendPage } from "./pages/trend.js";
import { connect, online } from "./plant/live.js";
import { plant } from "./plant/tags.js";
import { title } from "./plant/words.js";
import { fresh, watch } from "./watch.js";
import { where } from "./where.js";

/** What the page is drawn anew for. */
const shown = computed(() => {
  const { page, path } = where.value;
  return `${page} ${page === "place" ? path : ""} ${plant.value?.revision ?? 0}`;
});

const page = () => {
  const key = shown.value;
  const { page, path } = where.peek();
  if (!plant.value) return html`<p role="status">Isthmus is being asked for the plant …</p>`;
  const draw = { place: () => placePage(path), trend: trendPage, systems: systemsPage, abnormal: abnormalPage }[page];
  try {
    const drawn = untracked(draw);
    return fresh(key, () => drawn);
  } catch (error) {
    console.error(error);
    return html`<h1>This page cannot be drawn</h1><p role="alert">${String(error)}</p>`;
  }
};

effect(() => {
  const { page, path } = where.value;
  const name = page === "place" ? title(path.slice(path.lastIndexOf("/") + 1)) || plant.value?.name : title(page);
  document.title = name ? `${name} · Isthmus` : "Isthmus";
});

effect(() => {
  document.documentElement.dataset.connection = online.value ? "live" : "lost";
});

const screen = /** @type {HTMLElement} */ (document.getElementById("screen"));
screen.className = "";
screen.replaceChildren();
render(
  html`<a class="skip" href="#main">To the page</a>${top()}
    <div class=${watch(() => (drawer.value ? "body drawn" : "body"))}>${tree()}<main id="main" tabindex="-1">${watch(page)}</main></div>
    ${palette()}${dialog()}`,
  screen,
);
connect();
