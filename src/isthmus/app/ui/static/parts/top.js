// SPDX-License-Identifier: Apache-2.0
/**
 * The bar at the top: what is wrong now, and whether what is shown is alive.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { watch } from "../watch.js";
import { away, heard, lost, now, online } from "../plant/live.js";
import { SAID, badge } from "../plant/state.js";
import { plant } from "../plant/tags.js";
import { clockTime, span, zoneName } from "../plant/words.js";
import { follow, link } from "../where.js";
import { drawer, switchTheme, theme } from "./frame.js";
import { showPalette } from "./palette.js";
import { condition } from "./systems.js";

/** @typedef {import("../plant/state.js").State} State */

const SHOWN = /** @type {const} */ (["bad", "stale", "uncertain", "outside", "none"]);

/** Counts of tags that are not good; how many of the good ones are not normal. */
function wrong() {
  const root = plant.value?.root;
  if (!root) return nothing;
  const states = SHOWN.filter((state) => root.count(state)), many = root.count("abnormal"), all = plant.value?.tags.length;
  const to = /** @type {const} */ ({ page: "abnormal" });
  return html`${states.map((state) => html`<a href=${link({ path: "", page: "place" })} @click=${follow({ page: "place" })}>${badge(state, String(root.count(state)))}</a>`)}
    ${states.length ? nothing : html`<span class="fine">${many ? `Quality of all ${all} tags good` : `All ${all} tags good`}</span>`}
    ${many ? html`<a href=${link(to)} @click=${follow(to)}><span class="badge abnormal"><i aria-hidden="true">${SAID.abnormal.shape}</i> ${many} ${many > 1 ? "values outside their" : "value outside its"} normal band</span></a>` : nothing}`;
}

/** Systems, outputs and services that do not do their work. */
function broken() {
  const found = condition.value;
  if (!found) return nothing;
  const systems = found.systems.filter((one) => one.state !== "connected").length;
  const outputs = found.outputs.filter((one) => one.state !== "connected").length;
  const parked = found.outputs.reduce((sum, one) => sum + one.parked, 0);
  const services = found.services.filter((one) => one.state !== "ready").length;
  const words = [
    systems ? `${systems} system${systems > 1 ? "s" : ""} not connected` : "",
    outputs ? `${outputs} output${outputs > 1 ? "s" : ""} not delivering` : "",
    parked ? `${parked.toLocaleString("en-GB")} samples parked` : "",
    services ? `${services} service${services > 1 ? "s" : ""} not ready` : "",
    found.log.problem ? "log: trouble" : found.log.fill > 0.8 ? `log ${Math.round(found.log.fill * 100)} % full` : "",
  ].filter(Boolean);
  return words.map((text) => html`<a href=${link({ page: "systems" })} @click=${follow({ page: "systems" })}><span class="badge bad"><i aria-hidden="true">■</i> ${text}</span></a>`);
}

/** Whether values still come. */
function alive() {
  if (!online.value) return html`<span class="badge bad"><i aria-hidden="true">■</i> no connection</span>`;
  if (away.value) return html`<span class="badge stale"><i aria-hidden="true">◷</i> log away</span>`;
  const age = now.value - heard.value;
  return age > 6000 ? html`<span class="badge stale"><i aria-hidden="true">◷</i> ${span(age)} old</span>` : html`<span class="fine">live</span>`;
}

/** Says that the server is gone, over everything. */
const gone = () =>
  online.value || !plant.value
    ? nothing
    : html`<p class="gone"><i aria-hidden="true">■</i> No connection to Isthmus since ${clockTime(lost.value)}. What you see is as old as that. Trying again …</p>`;

export const top = () =>
  html`<header>
      <button class="menu" aria-label="Plant tree" aria-controls="tree" aria-expanded=${watch(() => (drawer.value ? "true" : "false"))} @click=${() => (drawer.value = !drawer.value)}>☰</button>
      <a class="home" href="/" @click=${follow({})}>Isthmus</a>
      <div class="wrong" role="status" aria-label="What is wrong now">${watch(wrong)}${watch(broken)}</div>
      <span class="alive">${watch(alive)}</span>
      <time class="clock" title=${watch(() => (plant.value, zoneName()))}>${watch(() => (plant.value, clockTime(now.value)))}</time>
      <button class="find" aria-keyshortcuts="Control+K" @click=${showPalette}><span aria-hidden="true">⌕</span><span class="word">Find</span> <kbd>Ctrl K</kbd></button>
      <button class="theme" @click=${switchTheme} aria-label=${watch(() => (theme.value === "dark" ? "Light colours" : "Dark colours"))}><span aria-hidden="true">${watch(() => (theme.value === "dark" ? "☀" : "☾"))}</span></button>
    </header>
    <div role="alert">${watch(gone)}</div>`;
