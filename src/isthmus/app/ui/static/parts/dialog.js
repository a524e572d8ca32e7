// SPDX-License-Identifier: Apache-2.0
/**
 * The dialog of a tag, the same everywhere: its value and what it is worth, where it comes from, its lines in the plant file.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { computed, effect, signal } from "../vendor/signals-core/signals-core.js";
import { fresh, watch } from "../watch.js";
import { bar } from "../draw/bar.js";
import { Trend } from "../draw/chart.js";
import { viewOf } from "../draw/view.js";
import { now, online } from "../plant/live.js";
import { badge, stateOf } from "../plant/state.js";
import { ask, plant, thePlant } from "../plant/tags.js";
import { exact, fullTime, span, title, unit } from "../plant/words.js";
import { follow, go, link, where } from "../where.js";
import { shownValue } from "../pages/rows.js";

/** @typedef {import("../plant/tags.js").Tag} Tag */

/** Lines of the plant file before and after the tag's own. */
const BEFORE = 3;
const AFTER = 6;

/** The tag that is open. */
const tag = computed(() => {
  const found = plant.value, { tag: path } = where.value;
  return found && path ? found.byPath.get(path) ?? found.byPath.get(`${found.root.path}/${path}`) ?? null : null;
});

const box = () => /** @type {HTMLDialogElement | null} */ (document.querySelector("dialog.tag"));
const close = () => go({ tag: "" });

/** What the last answer said that the live socket does not: names of quality and marks, when it was received. @type {import("../vendor/signals-core/signals-core.js").Signal<any>} */
const last = signal(null);
/** Lines of a plant file around those of a tag. @typedef {{what: string, file: string, line: number, first: number, lines: string[]}} Excerpt */
const sources = signal(/** @type {Excerpt[]} */ ([]));

/** Texts of the revision that was asked for last. @type {{revision: number, files: Record<string, string>} | null} */
let texts = null;

/** Where the plant file speaks of a tag: where it is read, and what its type says it means. @param {Tag} of */
async function readSources(of) {
  const { revision } = thePlant();
  const files = texts?.revision === revision ? texts.files : (await ask(`/api/revisions/${revision}`)).files;
  texts = { revision, files };
  const found = [excerpt(files, "Where it is read", of.file, of.line), excerpt(files, "What its type says", of.meant_file, of.meant_line)];
  if (tag.peek() === of) sources.value = found.filter((one) => one !== null);
}

/** @param {Record<string, string>} files @param {string} what @param {string} file @param {number} line @returns {Excerpt | null} */
function excerpt(files, what, file, line) {
  if (!Object.hasOwn(files, file) || !line) return null;
  const all = files[file].split("\n"), first = Math.max(1, line - BEFORE);
  return { what, file, line, first, lines: all.slice(first - 1, line + AFTER) };
}

/** @param {Tag} of */
async function readLast(of) {
  const found = await ask(`/api/last?${new URLSearchParams({ match: of.path, limit: "1" })}`);
  if (tag.peek() === of) last.value = found.find((/** @type {{path: string}} */ one) => one.path === of.path) ?? null;
}

const quietly = () => {}; // the frame says when the server is away

effect(() => {
  const of = tag.value;
  last.value = null;
  sources.value = [];
  if (!of) return;
  readSources(of).catch(quietly);
});

// names of quality follow the value, at most once a second
effect(() => {
  const of = tag.value;
  now.value;
  if (of && online.peek()) readLast(of).catch(quietly);
});

effect(() => {
  const wanted = tag.value !== null;
  queueMicrotask(() => {
    if (wanted && !box()?.open) box()?.showModal();
    if (!wanted && box()?.open) box()?.close();
  });
});

/** @param {Tag} of */
const times = (of) => {
  const reading = of.reading.value;
  if (!reading) return html`<dd>never</dd>`;
  return html`<dd>${fullTime(reading.at)} <span class="dim">${span(now.value - reading.at)} ago</span></dd>`;
};

/** @param {readonly [number, number] | undefined} ends @param {Tag} of */
const between = (ends, of) => (ends ? `${exact(ends[0])} to ${exact(ends[1])} ${unit(of.unit)}` : "none given");

/** @param {Tag} of */
const facts = (of) => html`<dl>
    <dt>Quality</dt><dd>${watch(() => last.value?.quality ?? "…")}${watch(() => (last.value?.marks ? html` <span class="dim">${last.value.marks}</span>` : nothing))}</dd>
    <dt>Time at the source</dt>${watch(() => times(of))}
    <dt>Received</dt><dd>${watch(() => (last.value?.seen ? fullTime(Date.parse(last.value.seen)) : "…"))}</dd>
    <dt>Normal</dt><dd>${between(of.normal, of)}</dd>
    <dt>Range</dt><dd>${between(of.range, of)}</dd>
    <dt>Type</dt><dd>${of.type}${Object.keys(of.labels).length ? html` <span class="dim">${Object.entries(of.labels).map(([key, name]) => `${key} ${name}`).join(", ")}</span>` : nothing}</dd>
    <dt>System</dt><dd><a href=${link({ page: "systems" })} @click=${follow({ page: "systems" })}>${of.system || "none"}</a></dd>
    <dt>Address there</dt><dd class="code">${of.address || "none"}</dd>
    <dt>Owner</dt><dd>${of.place.asset?.owner || "not said"}</dd>
    <dt>Number</dt><dd>${of.number}</dd>
  </dl>`;

/** @param {Excerpt} one */
const lines = (one) =>
  html`<h3>${one.what}: <span class="code">${one.file}:${one.line}</span></h3><pre class="source" tabindex="0" aria-label="Lines of ${one.file}">${one.lines.map((text, i) => html`<span class=${one.first + i === one.line ? "own" : ""}><i>${one.first + i}</i>${text}${"\n"}</span>`)}</pre>`;

/** Who wants to change something finds where. */
const places = () =>
  sources.value.length ? html`${sources.value.map(lines)}<p class="dim">To change it, edit these files of the plant file, and apply.</p>` : nothing;

/** @param {Tag} of */
const chart = (of) => {
  if (of.type === "text") return nothing;
  const trend = new Trend();
  trend.show([of], viewOf("-1h", "now", Date.now()));
  return html`<div class="chart small">${trend}</div>`;
};

/** @param {Tag} of */
const content = (of) => {
  const to = { page: /** @type {const} */ ("trend"), tags: [of.path] };
  const place = { path: of.place.parent ? of.place.path : "" };
  return html`<div class="inside">
    <form method="dialog"><button class="close" aria-label="Close">✕</button></form>
    <p class="trail"><a href=${link(place)} @click=${follow(place)}>${of.place.path}</a></p>
    <h2>${title(of.name)}</h2>${of.description ? html`<p class="about">${of.description}</p>` : nothing}
    <p class="large">${shownValue(of)} <span class="unit">${unit(of.unit)}</span> ${watch(() => badge(stateOf(of.reading.value, of)))}${watch(() => (online.value ? nothing : html`<span class="badge stale">no connection</span>`))}</p>
    ${bar(of)}
    ${chart(of)}
    <p>${of.type === "text" ? nothing : html`<a class="button" href=${link(to)} @click=${follow(to)}>Open in a trend</a>`}</p>
    ${facts(of)}${watch(places)}
  </div>`;
};

export const dialog = () =>
  html`<dialog class="tag" aria-label=${watch(() => (tag.value ? tag.value.path : "Tag"))} @close=${close} @click=${(/** @type {Event} */ event) => event.target === event.currentTarget && close()}>
    ${watch(() => {
      const of = tag.value;
      return of ? fresh(of.path, () => content(of)) : nothing;
    })}
  </dialog>`;
