// SPDX-License-Identifier: Apache-2.0
/**
 * A value as a bar: its range as a band, in it the normal one, a pointer where it stands, and room for what lies outside.
 * @module
 */
import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { watch } from "../watch.js";
import { SAID, stateOf } from "../plant/state.js";
import { exact, unit, value } from "../plant/words.js";

/** @typedef {import("../plant/tags.js").Tag} Tag */

/** Room outside the band on each side, of 100. */
const ROOM = 7;

/** Where a value stands, 0 to 100. @param {number} found @param {readonly [number, number]} range */
export function position(found, [low, high]) {
  const share = high > low ? (found - low) / (high - low) : 0.5;
  return Math.max(1, Math.min(99, ROOM + share * (100 - 2 * ROOM)));
}

/** @param {readonly [number, number]} range */
const words = ([low, high]) => `${exact(low)} to ${exact(high)}`;

/** What a bar shows from end to end: the range; where only a normal band is given, as much again on both sides. @param {Tag} tag */
function ends({ range, normal }) {
  if (range || !normal) return range;
  const width = normal[1] - normal[0];
  return /** @type {const} */ ([normal[0] - width, normal[1] + width]);
}

/** The bar of a tag; nothing for one without numbers or range. @param {Tag} tag */
export function bar(tag) {
  const range = ends(tag), { normal } = tag;
  if (!range) return nothing;
  const stands = () => {
    const found = tag.reading.value?.value;
    return typeof found === "number" ? position(found, range) : null;
  };
  const zero = position(Math.max(range[0], Math.min(range[1], 0)), range);
  const left = () => Math.min(zero, stands() ?? zero);
  const width = () => Math.abs((stands() ?? zero) - zero);
  const said = () => {
    const reading = tag.reading.value;
    return `${value(reading, tag)} ${unit(tag.unit)}, ${SAID[stateOf(reading, tag)].word}; ${tag.range ? `range ${words(tag.range)}` : ""}${tag.range && normal ? ", " : ""}${normal ? `normal ${words(normal)}` : ""}`;
  };
  return html`<svg class=${watch(() => `bar ${stateOf(tag.reading.value, tag)}`)} viewBox="0 0 100 12" preserveAspectRatio="none"
    role="img" aria-label=${watch(said)}>
    <rect class="track" x="0" y="4" width="100" height="4"></rect>
    <rect class="band" x=${ROOM} y="2" width=${100 - 2 * ROOM} height="8"></rect>
    ${normal ? svg`<rect class="normal" x=${position(normal[0], range)} width=${Math.max(1, position(normal[1], range) - position(normal[0], range))} y="1" height="10"></rect>` : nothing}
    <rect class="fill" x=${watch(left)} y="4" width=${watch(width)} height="4"></rect>
    <line class="pointer" x1=${watch(() => stands() ?? -10)} x2=${watch(() => stands() ?? -10)} y1="0" y2="12"></line></svg>`;
}
