// SPDX-License-Identifier: Apache-2.0
/**
 * Symbols of equipment, drawn about their middle: grey outlines, filled by what they hold, alive by the tags they have.
 * @module
 */
import { nothing, svg } from "../vendor/lit-html/lit-html.js";
import { watch } from "../watch.js";
import { stateOf } from "../plant/state.js";
import { half } from "../plant/picture.js";

/** @typedef {import("../plant/tags.js").Place} Place */
/** @typedef {import("../plant/tags.js").Tag} Tag */

/** Part of a tag's range that its value is, 0 to 1; null where that is not known. @param {Tag | undefined} tag */
export function share(tag) {
  const found = tag?.reading.value;
  if (!tag || !found || stateOf(found, tag) === "bad") return null;
  if (typeof found.value === "boolean") return found.value ? 1 : 0;
  const [low, high] = tag.range ?? [0, 100];
  return typeof found.value === "number" ? Math.max(0, Math.min(1, (found.value - low) / (high - low))) : null;
}

/** @param {Place} place @param {readonly string[]} names */
const first = (place, names) => names.flatMap((name) => place.tags.filter((tag) => tag.name === name))[0];

/** What fills it. @param {Place} place */
export const levelOf = (place) => first(place, ["level"]);
/** What opens it. @param {Place} place */
export const openingOf = (place) => first(place, ["position", "open"]);
/** Whether it runs. @param {Place} place */
export const runningOf = (place) => place.tags.find((tag) => tag.type === "boolean" && /^(.+-)?(running|loaded)$/.test(tag.name));

/** What a vessel holds, from its bottom up. @param {Place} place @param {number} x @param {number} y @param {number} width @param {number} height */
const held = (place, x, y, width, height) => {
  const level = levelOf(place);
  if (!level) return nothing;
  const part = () => share(level) ?? 0;
  return svg`<rect class="held" x=${x} width=${width} y=${watch(() => y + height * (1 - part()))} height=${watch(() => height * part())}></rect>
    <line class="surface" x1=${x} x2=${x + width} y1=${watch(() => y + height * (1 - part()))} y2=${watch(() => y + height * (1 - part()))}></line>`;
};

/** What turns is light while it runs and dark while it stands. @param {Place} place */
const turning = (place) => {
  const running = runningOf(place);
  return running ? watch(() => `body ${[null, 0].includes(share(running)) ? (share(running) === null ? "" : "stopped") : "running"}`) : "body";
};

/** @param {Place} place */
const stirrer = (place) => svg`<g class=${runningOf(place) ? watch(() => (share(runningOf(place)) ? "stirrer running" : "stirrer")) : "stirrer"}>
    <line x1="0" x2="0" y1="-30" y2="12"></line><rect x="-6" y="-37" width="12" height="8"></rect><path d="M-13 9 L0 13 L13 9 L13 17 L0 13 L-13 17 Z"></path></g>`;

/** @type {Readonly<Record<string, (place: Place) => unknown>>} */
const SHAPES = {
  tank: (place) => svg`<rect class="body" x="-28" y="-26" width="56" height="54"></rect>${held(place, -28, -26, 56, 54)}
    <path class="edge" d="M-28 -26 V28 H28 V-26 M-30 -26 L0 -32 L30 -26 Z"></path>`,
  vessel: (place) => svg`<g clip-path="url(#vessel)"><rect class="body" x="-20" y="-30" width="40" height="60"></rect>${held(place, -20, -30, 40, 60)}</g>
    <rect class="edge" x="-20" y="-30" width="40" height="60" rx="18" ry="12"></rect>`,
  reactor: (place) => svg`<path class="jacket" d="M-31 -14 H-22 M31 -14 H22 M-31 -14 V18 Q-31 33 -14 33 H14 Q31 33 31 18 V-14"></path>
    <g clip-path="url(#reactor)"><rect class="body" x="-23" y="-29" width="46" height="55"></rect>${held(place, -23, -29, 46, 55)}</g>
    <rect class="edge" x="-23" y="-29" width="46" height="55" rx="18" ry="11"></rect>${stirrer(place)}`,
  column: () => svg`<rect class="body edge" x="-22" y="-76" width="44" height="152" rx="20" ry="14"></rect>
    ${[-44, -27, -10, 7, 24, 41].map((y, i) => svg`<line class="tray" x1=${i % 2 ? -22 : -12} x2=${i % 2 ? 12 : 22} y1=${y} y2=${y}></line>`)}`,
  pump: (place) => svg`<circle class=${turning(place)} r="22"></circle><path class="edge" d="M-4 -21.5 L22 0 L-4 21.5"></path>`,
  compressor: (place) => svg`<circle class=${turning(place)} r="22"></circle><path class="edge" d="M-16 -15 L20 -8 M-16 15 L20 8"></path>`,
  valve: (place) => {
    const opening = openingOf(place);
    return svg`<path class=${opening ? watch(() => (share(opening) === 0 ? "body stopped" : "body")) : "body"} d="M-22 -13 V13 L22 -13 V13 Z"></path>
      ${opening ? svg`<rect class="track" x="-22" y="17" width="44" height="5"></rect><rect class="held" x="-22" y="17" height="5" width=${watch(() => 44 * (share(opening) ?? 0))}></rect>` : nothing}`;
  },
  exchanger: () => svg`<circle class="body" r="23"></circle><path class="edge" d="M-22 7 H-12 L-5 -11 L6 11 L13 -7 H22"></path>`,
  meter: () => svg`<circle class="body" r="21"></circle><path class="edge" d="M-13 8 A15 15 0 1 1 13 8 M0 4 L9 -8"></path><circle class="dot" r="2.5" cy="4"></circle>`,
  boiler: (place) => svg`<path class=${turning(place)} d="M-28 30 V-16 Q-28 -26 -18 -26 H8 V-36 H18 V-26 Q28 -26 28 -16 V30 Z"></path>
    <path class="edge" d="M-14 22 Q-22 8 -10 -2 Q-10 8 -3 10 Q-6 -4 4 -14 Q4 0 12 6 Q18 14 12 22 Z"></path>`,
  "cooling-tower": () => svg`<path class="body" d="M-28 30 Q-12 0 -19 -30 H19 Q12 0 28 30 Z"></path><path class="edge" d="M-24 22 H24 M-13 -20 L13 -12 M13 -20 L-13 -12"></path>`,
  machine: (place) => svg`<rect class=${turning(place)} x="-29" y="-22" width="58" height="44" rx="4"></rect><path class="edge" d="M-29 8 H29 M-19 15 H-7 M7 15 H19"></path>`,
  away: () => svg`<path class="body" d="M-58 -15 H44 L58 0 L44 15 H-58 Z"></path>`,
};

/** The shape of a kind, with what is wrong hatched over it. @param {string} kind @param {Place} place */
export function shapeOf(kind, place) {
  const [across, down] = half(kind);
  return svg`${(SHAPES[kind] ?? SHAPES.machine)(place)}<rect class="hatched" x=${-across - 3} y=${-down - 3} width=${2 * across + 6} height=${2 * down + 6}></rect>`;
}

/** What the shapes refer to. */
export const definitions = () => svg`<defs>
    <clipPath id="vessel"><rect x="-20" y="-30" width="40" height="60" rx="18" ry="12"></rect></clipPath>
    <clipPath id="reactor"><rect x="-23" y="-29" width="46" height="55" rx="18" ry="11"></rect></clipPath>
    <pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line class="hatch" x1="0" x2="0" y1="0" y2="7"></line></pattern>
    <marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="arrow" d="M0 0.5 L8 4 L0 7.5 Z"></path></marker>
  </defs>`;
