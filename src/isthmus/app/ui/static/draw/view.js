// SPDX-License-Identifier: Apache-2.0
/**
 * The time range of a trend: its words in the address bar, and how it is panned and zoomed.
 * @module
 */

/**
 * @typedef {object} View
 * @property {number} from ms
 * @property {number} to ms
 * @property {boolean} live it ends now, and goes on
 */

/** Shortest and longest range, ms. */
const SHORTEST = 2_000;
const LONGEST = 20 * 366 * 86_400_000;

/** @type {Readonly<Record<string, number>>} */
const UNITS = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** A time as the address bar has it: `now`, `-1h`, ISO 8601; null for anything else. @param {string} text @param {number} now */
function instant(text, now) {
  if (text === "now" || text === "") return now;
  const back = /^-(\d+(?:\.\d+)?)(ms|min|s|m|h|d|w)$/.exec(text);
  if (back) return now - Number(back[1]) * UNITS[back[2]];
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}

/** @param {string} from @param {string} to @param {number} now @returns {View} */
export function viewOf(from, to, now) {
  const end = instant(to, now) ?? now;
  const start = instant(from, now) ?? end - UNITS.h;
  return start < end ? { from: start, to: end, live: to === "now" } : { from: end - UNITS.h, to: end, live: to === "now" };
}

/** @param {View} view @returns {{from: string, to: string}} */
export const written = (view) =>
  view.live
    ? { from: `-${Math.round((view.to - view.from) / 1000)}s`, to: "now" }
    : { from: new Date(view.from).toISOString(), to: new Date(view.to).toISOString() };

/** Zooms about a time: `by` below 1 shows less. @param {View} view @param {number} by @param {number} about ms @param {number} now @returns {View} */
export function zoomed(view, by, about, now) {
  const width = view.to - view.from, wanted = Math.max(SHORTEST, Math.min(LONGEST, width * by));
  if (view.live) return { from: now - wanted, to: now, live: true };
  const from = about - ((about - view.from) / width) * wanted;
  return ended({ from, to: from + wanted, live: false }, now);
}

/** @param {View} view @param {number} by ms @param {number} now @returns {View} */
export const panned = (view, by, now) => ended({ from: view.from + by, to: view.to + by, live: false }, now);

/** Who reaches the present stays with it. @param {View} view @param {number} now @returns {View} */
const ended = (view, now) => (view.to >= now ? { from: now - (view.to - view.from), to: now, live: true } : view);
