// SPDX-License-Identifier: Apache-2.0
/**
 * Which values are outside their normal band now, the one farthest from it first.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { untracked } from "../vendor/signals-core/signals-core.js";
import { watch } from "../watch.js";
import { strayed } from "../plant/state.js";
import { thePlant } from "../plant/tags.js";
import { rows } from "./rows.js";

/** @typedef {import("../plant/tags.js").Tag} Tag */

/** Rows on the page. */
const MOST = 90;

/** How far it is out, in widths of its band. @param {Tag} tag */
const far = (tag) => strayed(tag.reading.peek()?.value ?? null, tag.normal);

/** Asked anew when a tag of the plant comes or goes, not for each value: rows do not change places while they are read. */
const found = () => {
  const { root, tags } = thePlant();
  root.changed.value;
  return untracked(() => tags.filter((tag) => tag.state === "abnormal").sort((a, b) => far(b) - far(a)));
};

const list = () => {
  const all = found(), { root } = thePlant();
  if (!all.length) return html`<p class="fine">No value of good quality is outside its normal band.</p>`;
  return html`${rows(all.slice(0, MOST), root, "Values outside their normal band, the farthest first")}
    ${all.length > MOST ? html`<p class="more">${all.length - MOST} more are nearer to their band; the tree counts them.</p>` : nothing}`;
};

export const abnormalPage = () =>
  html`<div class="heading"><h1>Outside their normal band</h1><span class="about">Good values, the farthest first, in widths of the band. These are not alarms.</span></div>
    ${watch(list)}`;
