// SPDX-License-Identifier: Apache-2.0
/**
 * The trend page: several tags over any time, with what is under the cursor, and the same as a file.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { computed, effect } from "../vendor/signals-core/signals-core.js";
import { watch } from "../watch.js";
import { Trend, swatch } from "../draw/chart.js";
import { viewOf, written, zoomed, panned } from "../draw/view.js";
import { plant } from "../plant/tags.js";
import { fullTime, number, unit, value } from "../plant/words.js";
import { go, where } from "../where.js";
import { tagLink } from "./rows.js";

/** @typedef {import("../plant/tags.js").Tag} Tag */

/** Lines that can still be told apart. */
export const MOST = 8;

/** Ranges to choose from. @type {readonly [string, string][]} */
const RANGES = [["-15m", "15 min"], ["-1h", "1 h"], ["-8h", "8 h"], ["-1d", "24 h"], ["-7d", "7 d"], ["-30d", "30 d"]];

/** The tags that the address bar names and the plant has. */
const tags = computed(() => {
  const found = plant.value;
  if (!found) return [];
  const named = where.value.tags.flatMap((path) => found.byPath.get(path) ?? found.byPath.get(`${found.root.path}/${path}`) ?? []);
  return [...new Set(named)].filter((tag) => tag.type !== "text").slice(0, MOST);
});

/** What the address bar names and the plant has not. */
const unknown = computed(() => {
  const found = plant.value;
  return where.value.tags.filter((path) => found && !found.byPath.has(path) && !found.byPath.has(`${found.root.path}/${path}`));
});

/** @param {string[]} paths */
const show = (paths) => go({ tags: paths.slice(0, MOST) });

/** @param {number | null | undefined} found @param {Tag} tag */
const said = (found, tag) => (found == null ? "–" : tag.labels[String(found)] ?? number(found, tag.range));

/** @param {Trend} trend @param {Tag} tag @param {number} i */
const row = (trend, tag, i) =>
  html`<tr><td>${swatch(i)}</td><th scope="row">${tagLink(tag, tag.path.slice((plant.peek()?.root.path.length ?? -1) + 1))}</th>
    <td class="number">${watch(() => (trend.cursor.value ? said(trend.cursor.value.values[i], tag) : value(tag.reading.value, tag)))}</td><td class="unit">${unit(tag.unit)}</td>
    <td class="number least">${watch(() => said(trend.extremes.value[i]?.[0], tag))}</td><td class="number least">${watch(() => said(trend.extremes.value[i]?.[1], tag))}</td>
    <td><button class="small" aria-label="Remove ${tag.path}" @click=${() => show(tags.peek().filter((one) => one !== tag).map((one) => one.path))}>✕</button></td></tr>`;

/** The range in words. */
function range() {
  const view = viewOf(where.value.from, where.value.to, Date.now());
  return `${fullTime(view.from)} to ${fullTime(view.to)}`;
}

/** A file with the samples of the range. @param {string} form */
const file = (form) => {
  const { from, to } = written(viewOf(where.value.from, where.value.to, Date.now()));
  const asked = new URLSearchParams({ from, to, format: form, limit: "1000000" });
  for (const tag of tags.value) asked.append("tag", tag.path);
  return `/api/history/raw?${asked}`;
};

/** @param {Event} event */
function add(event) {
  event.preventDefault();
  const input = /** @type {HTMLInputElement} */ (/** @type {HTMLFormElement} */ (event.currentTarget).elements.namedItem("add"));
  const wanted = input.value.trim(), found = plant.peek();
  const tag = found?.tags.find((one) => one.path === wanted || one.path.endsWith(`/${wanted}`));
  if (!tag) return input.setCustomValidity("No tag has this path"), input.reportValidity();
  input.value = "";
  show([...tags.peek().map((one) => one.path), tag.path]);
}

export function trendPage() {
  const trend = new Trend();
  trend.moved = (view) => go(written(view), true);
  const follow = effect(() => {
    const { from, to, page } = where.value;
    if (page !== "trend") return queueMicrotask(() => follow());
    const view = viewOf(from, to, Date.now()), is = trend.view;
    const same = is.live === view.live && Math.abs(is.to - is.from - (view.to - view.from)) < 1500 && (view.live || Math.abs(is.to - view.to) < 1);
    trend.show(tags.value, same ? is : view);
  });
  const step = (/** @type {number} */ by) => () => trend.go(panned(trend.view, by * (trend.view.to - trend.view.from), Date.now()));
  const zoom = (/** @type {number} */ by) => () => trend.go(zoomed(trend.view, by, (trend.view.from + trend.view.to) / 2, Date.now()));
  return html`<div class="heading"><h1>Trend</h1>
      <div class="ranges" role="group" aria-label="Time range">${RANGES.map(([from, name]) => html`<button aria-pressed=${watch(() => (where.value.to === "now" && sameSpan(where.value.from, from) ? "true" : "false"))} @click=${() => go({ from, to: "now" })}>${name}</button>`)}</div>
      <div class="ranges" role="group" aria-label="Move"><button aria-label="Back in time" @click=${step(-0.5)}>◀</button><button aria-label="Forward in time" @click=${step(0.5)}>▶</button><button aria-label="Show less time" @click=${zoom(0.5)}>+</button><button aria-label="Show more time" @click=${zoom(2)}>−</button></div>
      <span class="about">${watch(() => (trend.cursor.value ? fullTime(trend.cursor.value.at) : where.value.to === "now" ? "to now, live" : range()))}</span></div>
    ${watch(() => (trend.problem.value ? html`<p class="problem" role="alert">${trend.problem.value}</p>` : nothing))}
    ${watch(() => (unknown.value.length ? html`<p class="problem" role="alert">This plant has no tag ${unknown.value.join(", ")}.</p>` : nothing))}
    ${watch(() => (tags.value.length ? nothing : html`<p>Nothing is chosen yet. Add a tag below, or press “Trend” on a piece of equipment or in the dialog of a tag.</p>`))}
    <div class="chart">${trend}</div>
    <div class="below">
      <table class="legend"><caption class="hidden">Lines</caption><thead><tr><th scope="col"><span class="hidden">Line</span></th><th scope="col">Tag</th><th scope="col" class="number">${watch(() => (trend.cursor.value ? "At the cursor" : "Now"))}</th><th scope="col">Unit</th><th scope="col" class="number least">Least</th><th scope="col" class="number least">Greatest</th><th scope="col"><span class="hidden">Remove</span></th></tr></thead>
        <tbody>${watch(() => repeat(tags.value, (tag) => tag.number, (tag, i) => row(trend, tag, i)))}</tbody></table>
      <form class="adding" @submit=${add}><label>Add a tag <input name="add" list="tag-paths" autocomplete="off" spellcheck="false" @input=${(/** @type {Event} */ event) => /** @type {HTMLInputElement} */ (event.target).setCustomValidity("")}></label><button>Add</button>
        <datalist id="tag-paths">${plant.peek()?.tags.slice(0, 2000).map((tag) => html`<option value=${tag.path.slice((plant.peek()?.root.path.length ?? -1) + 1)}></option>`)}</datalist></form>
      ${watch(() => (tags.value.length ? html`<p class="files">The samples of this range as a file: <a href=${file("csv")} download="trend.csv">CSV</a> <a href=${file("parquet")} download="trend.parquet">Parquet</a> <a href=${file("arrow")} download="trend.arrow">Arrow</a> <span class="dim">▮▯▮ at the lower edge: bad quality</span></p>` : nothing))}
    </div>`;
}

/** @param {string} a @param {string} b */
function sameSpan(a, b) {
  const one = viewOf(a, "now", 0), two = viewOf(b, "now", 0);
  return Math.abs(one.from - two.from) < 1000;
}
