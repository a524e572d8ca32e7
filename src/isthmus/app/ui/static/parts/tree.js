// SPDX-License-Identifier: Apache-2.0
/**
 * The plant's tree: each place with its worst state and a sparkline of the tag that stands for it.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { computed, effect, signal } from "../vendor/signals-core/signals-core.js";
import { watch } from "../watch.js";
import { mark } from "../plant/state.js";
import { plant } from "../plant/tags.js";
import { title } from "../plant/words.js";
import { follow, go, link, where } from "../where.js";
import { drawer } from "./frame.js";

/** @typedef {import("../plant/tags.js").Place} Place */

/** Paths of places that are open. */
const open = signal(/** @type {ReadonlySet<string>} */ (new Set()));

/** Lines up to which a tree shows two levels from the start. */
const AT_ONCE = 45;

/** Lines of two levels. @param {Place} root */
const firstLevels = (root) => [...root.children.values()].reduce((sum, one) => sum + 1 + one.children.size, 1);

/** The place that is shown. */
const chosen = computed(() => {
  const found = plant.value, at = where.value;
  if (!found || at.page !== "place") return null;
  return found.places.get(at.path || found.root.path) ?? null;
});

// whoever goes to a place sees it in the tree
effect(() => {
  const found = plant.value;
  if (!found) return;
  const needed = [found.root.path];
  if (open.peek().size === 0 && firstLevels(found.root) <= AT_ONCE) needed.push(...[...found.root.children.values()].map((one) => one.path));
  for (let at = chosen.value; at; at = at.parent) needed.push(at.path);
  const is = open.peek();
  if (needed.some((path) => !is.has(path))) open.value = new Set([...is, ...needed]);
});

/** @param {Place} place @param {boolean} wanted */
function unfold(place, wanted) {
  const next = new Set(open.peek());
  if (wanted) next.add(place.path);
  else next.delete(place.path);
  open.value = next;
}

/** @param {Place} place */
const address = (place) => ({ page: /** @type {const} */ ("place"), path: place.parent ? place.path : "" });

/** @param {Place} place @returns {unknown} */
function branch(place) {
  const kids = place.children.size > 0;
  const main = place.main();
  const opened = computed(() => open.value.has(place.path));
  return html`<li role="none">
    <div class="node" role="treeitem" tabindex=${watch(() => (chosen.value === place || (!chosen.value && !place.parent) ? "0" : "-1"))}
      data-path=${place.path} data-depth=${Math.min(place.depth, 7)} aria-level=${place.depth + 1} title=${place.asset?.description || nothing}
      aria-expanded=${kids ? watch(() => (opened.value ? "true" : "false")) : nothing}
      aria-selected=${watch(() => (chosen.value === place ? "true" : "false"))}
      @click=${() => { go(address(place)); drawer.value = false; }} @keydown=${pressed(place)}>
      <span class="fold" aria-hidden="true" @click=${(/** @type {Event} */ event) => { event.stopPropagation(); if (kids) unfold(place, !opened.peek()); }}>${kids ? watch(() => (opened.value ? "▾" : "▸")) : ""}</span>
      <span class="name">${place.parent ? title(place.name) : place.path}</span>
      ${watch(() => place.wrong().map((state) => mark(state, place.count(state))))}${main ? html`<is-spark .tag=${main}></is-spark>` : html`<span class="nospark"></span>`}
    </div>
    ${watch(() => (kids && opened.value ? html`<ul role="group">${repeat(place.children.values(), (child) => child.path, branch)}</ul>` : nothing))}
  </li>`;
}

/** Keys as the ARIA practices have them for trees. @param {Place} place */
const pressed = (place) => (/** @type {KeyboardEvent} */ event) => {
  const item = /** @type {HTMLElement} */ (event.currentTarget);
  const all = [.../** @type {HTMLElement} */ (item.closest("[role=tree]")).querySelectorAll("[role=treeitem]")];
  const at = all.indexOf(item), isOpen = open.peek().has(place.path);
  /** @param {Element | null | undefined} to */
  const focus = (to) => /** @type {HTMLElement | null} */ (to)?.focus();
  switch (event.key) {
    case "ArrowDown": focus(all[at + 1]); break;
    case "ArrowUp": focus(all[at - 1]); break;
    case "Home": focus(all[0]); break;
    case "End": focus(all[all.length - 1]); break;
    case "ArrowRight":
      if (place.children.size && !isOpen) unfold(place, true);
      else if (place.children.size) focus(all[at + 1]);
      break;
    case "ArrowLeft":
      if (place.children.size && isOpen) unfold(place, false);
      else focus(all.find((one) => one.getAttribute("data-path") === place.parent?.path));
      break;
    case "Enter":
    case " ": item.click(); break;
    default: return;
  }
  event.preventDefault();
};

export const tree = () =>
  html`<nav id="tree" aria-label="Plant">
    <ul role="tree" aria-label="Places">${watch(() => (plant.value ? branch(plant.value.root) : nothing))}</ul>
    <a class="to-systems" href=${link({ page: "systems" })} @click=${follow({ page: "systems" })}
      aria-current=${watch(() => (where.value.page === "systems" ? "page" : "false"))}>Systems and services</a>
    <a class="to-systems" href=${link({ page: "trend" })} @click=${follow({ page: "trend" })}
      aria-current=${watch(() => (where.value.page === "trend" ? "page" : "false"))}>Trends</a>
  </nav>`;
