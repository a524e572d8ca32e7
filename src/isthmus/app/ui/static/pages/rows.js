// SPDX-License-Identifier: Apache-2.0
/**
 * Tags as rows: name, bar, value, unit, what is wrong with it, the last half hour.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { watch } from "../watch.js";
import { bar } from "../draw/bar.js";
import "../draw/spark.js";
import { badge, stateOf } from "../plant/state.js";
import { title, unit, value } from "../plant/words.js";
import { go, link, where } from "../where.js";

/** @typedef {import("../plant/tags.js").Tag} Tag */
/** @typedef {import("../plant/tags.js").Place} Place */

/** Opens the dialog of a tag, over what is shown. @param {Tag} tag */
export const opens = (tag) => (/** @type {MouseEvent} */ event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({ tag: tag.path });
};

/** A link that opens the dialog. @param {Tag} tag @param {string} text */
export const tagLink = (tag, text) =>
  html`<a href=${link({ ...where.peek(), tag: tag.path })} title=${tag.description || nothing} @click=${opens(tag)}>${text}</a>`;

/** The value, drawn as what it is worth. @param {Tag} tag */
export const shownValue = (tag) =>
  html`<span class=${watch(() => `value ${stateOf(tag.reading.value, tag)}`)}>${watch(() => value(tag.reading.value, tag))}</span>`;

/** @param {Tag} tag @param {Place} within */
const row = (tag, within) => {
  const part = tag.place === within ? "" : tag.place.path.slice(within.path.length + 1).replaceAll("/", " / ");
  return html`<tr>
    <th scope="row">${tagLink(tag, title(part ? `${part} ${tag.name}` : tag.name))}</th>
    <td class="bars">${bar(tag)}</td>
    <td class="number">${shownValue(tag)}</td>
    <td class="unit">${unit(tag.unit)}</td>
    <td class="state">${watch(() => badge(stateOf(tag.reading.value, tag)))}</td>
    <td class="trend">${tag.type === "text" ? nothing : html`<is-spark .tag=${tag}></is-spark>`}</td>
  </tr>`;
};

/** @param {readonly Tag[]} tags @param {Place} within @param {string} name */
export const rows = (tags, within, name) =>
  html`<table class="rows">
    <caption class="hidden">${name}</caption>
    <thead><tr><th scope="col">Tag</th><th scope="col">In its range</th><th scope="col" class="number">Value</th><th scope="col">Unit</th><th scope="col">State</th><th scope="col">Last 30 minutes</th></tr></thead>
    <tbody>${repeat(tags, (tag) => tag.number, (tag) => row(tag, within))}</tbody>
  </table>`;
