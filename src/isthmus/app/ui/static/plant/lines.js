// SPDX-License-Identifier: Apache-2.0
/**
 * History as lines for so many pixels: asks `/api/history/lines` and reads its binary columns.
 * @module
 */

/**
 * @typedef {object} Line
 * @property {string} path
 * @property {number} number
 * @property {string} unit
 * @property {boolean} stepped
 * @property {Float64Array} time ms
 * @property {Float64Array} value NaN breaks the line
 * @property {Uint32Array} code OPC UA StatusCodes
 */

/** @typedef {{start: number, end: number, lines: Line[]}} Lines */

/** Tags that one question may name. */
const MOST = 150;

/**
 * @param {readonly string[]} paths
 * @param {string} from
 * @param {string} to
 * @param {number} width pixels
 * @param {AbortSignal} [signal]
 * @returns {Promise<Lines>}
 */
export async function lines(paths, from, to, width, signal) {
  const said = new URLSearchParams({ from, to, width: String(Math.max(1, Math.round(width))) });
  for (const path of paths.slice(0, MOST)) said.append("tag", path);
  const answer = await fetch(`/api/history/lines?${said}`, { signal });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ title: `the server answered ${answer.status}` }));
    throw new Error([problem.title, problem.hint].filter(Boolean).join("; "));
  }
  return decoded(await answer.arrayBuffer());
}

/** @param {ArrayBuffer} bytes @returns {Lines} */
export function decoded(bytes) {
  const length = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  let at = padded(4 + length);
  /** @type {Line[]} */
  const found = [];
  for (const tag of head.tags) {
    const time = new Float64Array(bytes, at, tag.points);
    const value = new Float64Array(bytes, at + 8 * tag.points, tag.points);
    const code = new Uint32Array(bytes, at + 16 * tag.points, tag.points);
    at = padded(at + 20 * tag.points);
    found.push({ ...tag, time, value, code });
  }
  return { start: head.start, end: head.end, lines: found };
}

/** @param {number} at */
const padded = (at) => at + ((8 - (at % 8)) % 8);
