// SPDX-License-Identifier: Apache-2.0
/**
 * How systems, outputs, services and the log are, asked for every few seconds.
 * @module
 */
import { effect, signal } from "../vendor/signals-core/signals-core.js";
import { online } from "../plant/live.js";
import { ask } from "../plant/tags.js";

/**
 * @typedef {object} System
 * @property {string} name
 * @property {string} kind
 * @property {string} zone
 * @property {string} owner
 * @property {string} node
 * @property {string} state
 * @property {string} problem
 * @property {string | null} again
 * @property {number} tags
 * @property {number} bad
 * @property {number} without_value
 * @property {string} tags_problem
 * @property {number} samples
 * @property {number} quarantined
 * @property {string} file
 * @property {number} line
 */

/**
 * @typedef {object} Output
 * @property {string} name
 * @property {string} kind
 * @property {string} zone
 * @property {string} owner
 * @property {string} state
 * @property {string} problem
 * @property {number} tags
 * @property {number} delivered
 * @property {number} parked
 * @property {number | null} behind
 * @property {number | null} lag
 * @property {string} file
 * @property {number} line
 */

/**
 * @typedef {object} Condition
 * @property {string} state
 * @property {System[]} systems
 * @property {Output[]} outputs
 * @property {{name: string, state: string, pid: number | null, restarts: number, age: number | null}[]} services
 * @property {{state: string, bytes: number, limit: number, fill: number, unread: number, unwritten: number, problem: string}} log
 */

/** How often it is asked for, ms. */
const EVERY = 4000;

/** The newest answer; null before there is one. */
export const condition = signal(/** @type {Condition | null} */ (null));

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

async function look() {
  clearTimeout(timer);
  if (!online.peek()) return;
  try {
    condition.value = await ask("/api/systems");
  } catch {
    // the socket says when the server is gone
  }
  timer = setTimeout(look, EVERY);
}

effect(() => {
  if (online.value) look();
});
