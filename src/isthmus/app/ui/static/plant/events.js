// SPDX-License-Identifier: Apache-2.0
/**
 * Events of tags in a range of time: of the tag itself, of what it lies in, and of the system it is read from.
 * @module
 */
import { ask } from "./tags.js";

/** @typedef {import("./tags.js").Tag} Tag */
/** @typedef {{id: string, kind: string, severity: string, source: string, time: string, message: string, details: Record<string, any>}} Happened */
/** @typedef {Happened & {at: number}} Timed at: ms */

/** Events that one question brings; of more, the newest. */
const MOST = 1000;

/** Whether an event concerns a tag. @param {Happened} event @param {Tag} tag */
export function concerns(event, tag) {
  const { source } = event;
  if (source === tag.path || tag.path.startsWith(`${source}/`)) return true;
  if (source !== tag.system) return false;
  // where the addresses are named, all of them, it concerns only their tags
  const { addresses, tags } = event.details, named = typeof addresses === "string" ? addresses.split("\n") : [];
  return !named.length || named.length < tags || named.includes(tag.address);
}

/** @param {readonly Tag[]} tags @param {number} from ms @param {number} to ms @param {AbortSignal} signal @returns {Promise<Timed[]>} */
export async function eventsOf(tags, from, to, signal) {
  const said = new URLSearchParams({ from: new Date(from).toISOString(), to: new Date(to).toISOString(), limit: String(MOST) });
  /** @type {Happened[]} */
  const found = await ask(`/api/events?${said}`, signal);
  return found.filter((event) => tags.some((tag) => concerns(event, tag))).map((event) => ({ ...event, at: Date.parse(event.time) }));
}

/**
 * Events that would stand on top of each other, together.
 * @param {readonly Timed[]} events in order of time
 * @param {number} apart ms
 * @returns {Timed[][]}
 */
export function bunched(events, apart) {
  /** @type {Timed[][]} */
  const found = [];
  for (const event of events) {
    const last = found[found.length - 1];
    if (last && event.at - last[0].at < apart) last.push(event);
    else found.push([event]);
  }
  return found;
}
