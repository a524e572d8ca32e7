// SPDX-License-Identifier: Apache-2.0
/**
 * The palette (Ctrl+K): finds a place, a tag, a system or a page by some of the letters of its name.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { computed, signal } from "../vendor/signals-core/signals-core.js";
import { watch } from "../watch.js";
import { plant } from "../plant/tags.js";
import { go } from "../where.js";
import { switchTheme } from "./frame.js";
import { condition } from "./systems.js";

/** @typedef {{kind: string, name: string, more: string, key: string, act: () => void}} Entry */

/** Entries that are shown. */
const MOST = 40;

const shown = signal(false);
const words = signal("");
const at = signal(0);

/** @param {Partial<import("../where.js").Where>} to */
const to = (to) => () => go({ page: "place", path: "", ...to });

/** @returns {Entry[]} */
function fixed() {
  /** @type {[string, () => void][]} */
  const pages = [
    ["Overview", to({})],
    ["Systems and services", to({ page: "systems" })],
    ["Trends", to({ page: "trend" })],
    ["Outside their normal band", to({ page: "abnormal" })],
    ["Light or dark colours", switchTheme],
  ];
  return pages.map(([name, act]) => ({ kind: "page", name, more: "", key: name.toLowerCase(), act }));
}

/** All there is to find; made anew with each revision. */
const entries = computed(() => {
  const found = plant.value;
  if (!found) return fixed();
  const skip = found.root.path.length + 1;
  const places = [...found.root.all()].slice(1).map((place) => ({
    kind: "place", name: place.path.slice(skip), more: place.asset?.description ?? "",
    key: `${place.path.slice(skip)} ${place.asset?.description ?? ""} ${place.asset?.type ?? ""}`.toLowerCase(), act: to({ path: place.path }),
  }));
  const tags = found.tags.map((tag) => ({
    kind: "tag", name: tag.path.slice(skip), more: tag.description, key: `${tag.path.slice(skip)} ${tag.description}`.toLowerCase(),
    act: () => go({ tag: tag.path }),
  }));
  const systems = [...new Set(found.tags.map((tag) => tag.system))].filter(Boolean).map((name) => ({
    kind: "system", name, more: condition.value?.systems.find((one) => one.name === name)?.kind ?? "", key: name.toLowerCase(), act: to({ page: "systems" }),
  }));
  return [...fixed(), ...systems, ...places, ...tags];
});

/**
 * Those in which all words occur; where they begin a part of the name, and short names, first.
 * @param {readonly Entry[]} all
 * @param {string} asked
 */
export function matching(all, asked) {
  const parts = asked.toLowerCase().split(/[\s/]+/).filter(Boolean);
  if (!parts.length) return all.slice(0, MOST);
  /** @type {[number, Entry][]} */
  const found = [];
  for (const entry of all) {
    if (!parts.every((part) => entry.key.includes(part))) continue;
    const name = entry.name.toLowerCase();
    const begins = parts.filter((part) => name.startsWith(part) || name.includes(`/${part}`) || name.includes(`-${part}`)).length;
    const inName = parts.filter((part) => name.includes(part)).length;
    found.push([name.length - 100 * begins - 60 * inName - (entry.kind === "page" ? 10 : 0), entry]);
  }
  return found.sort((a, b) => a[0] - b[0]).slice(0, MOST).map(([, entry]) => entry);
}

const results = computed(() => (shown.value ? matching(entries.value, words.value) : []));

const box = () => /** @type {HTMLDialogElement | null} */ (document.querySelector("dialog.palette"));

export function showPalette() {
  words.value = "";
  at.value = 0;
  shown.value = true;
  const input = box()?.querySelector("input");
  if (input) input.value = "";
  if (!box()?.open) box()?.showModal();
  input?.focus();
}

/** @param {Entry | undefined} entry */
function act(entry) {
  if (!entry) return;
  box()?.close();
  entry.act();
}

/** @param {KeyboardEvent} event */
function pressed(event) {
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
  if (step) {
    at.value = Math.max(0, Math.min(results.value.length - 1, at.value + step));
    box()?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter") act(results.value[at.value]);
  else return;
  event.preventDefault();
}

addEventListener("keydown", (event) => {
  const typing = event.target instanceof HTMLInputElement;
  if (((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") || (event.key === "/" && !typing)) {
    event.preventDefault();
    showPalette();
  }
});

/** @param {Entry} entry @param {number} i */
const option = (entry, i) =>
  html`<li id="found-${i}" role="option" aria-selected=${watch(() => (at.value === i ? "true" : "false"))} @click=${() => act(entry)}>
    <span class="kind">${entry.kind}</span><span class="name">${entry.name}</span><span class="more">${entry.more}</span></li>`;

export const palette = () =>
  html`<dialog class="palette" aria-label="Find" @close=${() => (shown.value = false)} @click=${(/** @type {Event} */ event) => event.target === event.currentTarget && box()?.close()}>
    <input type="text" role="combobox" aria-expanded="true" aria-controls="found" aria-label="Find a place, tag, system or page" autocomplete="off" spellcheck="false"
      placeholder="A place, tag, system or page" aria-activedescendant=${watch(() => (results.value.length ? `found-${at.value}` : nothing))}
      @input=${(/** @type {Event} */ event) => { words.value = /** @type {HTMLInputElement} */ (event.target).value; at.value = 0; }} @keydown=${pressed}>
    <ul id="found" role="listbox" aria-label="Found">${watch(() => results.value.map(option))}</ul>
    ${watch(() => (shown.value && !results.value.length ? html`<p class="nothing">Nothing has these words in its name: ${words.value}</p>` : nothing))}
  </dialog>`;

