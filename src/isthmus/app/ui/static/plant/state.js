// SPDX-License-Identifier: Apache-2.0
/**
 * What a reading is worth, as a word and a shape: never by colour alone.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";

/**
 * One reading as the live socket gives it.
 * @typedef {object} Reading
 * @property {number|string|boolean|null} value
 * @property {number} at the device's time, ms
 * @property {number} code OPC UA StatusCode
 * @property {number} flags our marks; 256: stale
 */

/** @typedef {"good"|"abnormal"|"outside"|"uncertain"|"none"|"stale"|"bad"} State */

/** From the best to the worst. @type {readonly State[]} */
export const STATES = ["good", "abnormal", "outside", "uncertain", "none", "stale", "bad"];

/** @type {Readonly<Record<State, {word: string, shape: string}>>} */
export const SAID = {
  good: { word: "good", shape: "" },
  abnormal: { word: "outside normal", shape: "△" },
  outside: { word: "out of range", shape: "▲" },
  uncertain: { word: "uncertain", shape: "◆" },
  none: { word: "no value yet", shape: "○" },
  stale: { word: "stale", shape: "◷" },
  bad: { word: "bad", shape: "■" },
};

const OUT_OF_RANGE = 1;
const STALE = 256;

/**
 * How far a number stands outside its normal band, in widths of the band; 0 inside, at its ends, and where none is given.
 * @param {Reading["value"]} value
 * @param {readonly [number, number] | null | undefined} normal
 */
export function strayed(value, normal) {
  if (!normal || typeof value !== "number") return 0;
  const [low, high] = normal;
  return Math.max(low - value, value - high, 0) / (high - low || 1);
}

/**
 * What a reading is worth; only one of good quality and within its range is asked whether it is normal.
 * @param {Reading | null} reading
 * @param {Pick<import("./tags.js").Tag, "normal">} tag
 * @returns {State}
 */
export function stateOf(reading, { normal }) {
  if (reading === null) return "none";
  if (reading.code >>> 30 >= 2) return "bad";
  if (reading.flags & STALE) return "stale";
  if (reading.code >>> 30 === 1) return "uncertain";
  if (reading.flags & OUT_OF_RANGE) return "outside";
  return strayed(reading.value, normal) > 0 ? "abnormal" : "good";
}

/**
 * The shape of a state where room is short; the word is there for who listens or points.
 * @param {State} state
 */
export const shape = (state) =>
  state === "good" ? nothing : html`<span class="shape ${state}" title=${SAID[state].word}><i aria-hidden="true">${SAID[state].shape}</i><span class="hidden">${SAID[state].word}</span></span>`;

/**
 * The shape of a state with how many tags have it, where room is short.
 * @param {State} state
 * @param {number} count
 */
export const mark = (state, count) =>
  html`<span class="mark ${state}" title="${count} ${SAID[state].word}"><i aria-hidden="true">${SAID[state].shape}</i>${count}<span class="hidden"> ${SAID[state].word}</span></span>`;

/**
 * The shape and word of a state; nothing for good.
 * @param {State} state
 * @param {string} [more] what goes before the word, such as a count
 */
export const badge = (state, more = "") =>
  state === "good"
    ? nothing
    : html`<span class="badge ${state}"><i aria-hidden="true">${SAID[state].shape}</i>${more} ${SAID[state].word}</span>`;
