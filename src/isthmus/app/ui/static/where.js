// SPDX-License-Identifier: Apache-2.0
/**
 * The address bar says where one is: page, place, tags, time range, the tag that is open. A link shows the same thing.
 * @module
 */
import { signal } from "./vendor/signals-core/signals-core.js";

/**
 * @typedef {object} Where
 * @property {"place"|"trend"|"systems"|"abnormal"} page
 * @property {string} path the place; empty for the whole plant
 * @property {string[]} tags of a trend
 * @property {string} from start of a trend, `-1h` or ISO 8601
 * @property {string} to end of a trend
 * @property {string} tag that is open in the dialog; empty for none
 */

/** @type {Where} */
const START = { page: "place", path: "", tags: [], from: "-1h", to: "now", tag: "" };

/** @param {string} search @returns {Where} */
export function read(search) {
  const said = new URLSearchParams(search);
  const page = said.get("page");
  return {
    page: page === "trend" || page === "systems" || page === "abnormal" ? page : "place",
    path: said.get("path") ?? "",
    tags: said.getAll("show"),
    from: said.get("from") ?? START.from,
    to: said.get("to") ?? START.to,
    tag: said.get("tag") ?? "",
  };
}

/** @param {Where} to */
export function written(to) {
  const said = new URLSearchParams();
  if (to.page !== "place") said.set("page", to.page);
  if (to.path) said.set("path", to.path);
  if (to.page === "trend") {
    for (const tag of to.tags) said.append("show", tag);
    said.set("from", to.from);
    said.set("to", to.to);
  }
  if (to.tag) said.set("tag", to.tag);
  const text = said.toString().replaceAll("%2F", "/").replaceAll("%3A", ":");
  return text ? `/?${text}` : "/";
}

export const where = signal(read(location.search));
addEventListener("popstate", () => (where.value = read(location.search)));

/** Goes somewhere else on the screen. @param {Partial<Where>} to @param {boolean} [quietly] without an entry in the browser's list */
export function go(to, quietly = false) {
  const next = { ...where.peek(), tag: "", ...to };
  if (written(next) === written(where.peek())) return;
  if (quietly) history.replaceState(null, "", written(next));
  else history.pushState(null, "", written(next));
  where.value = next;
}

/** The address of somewhere else. @param {Partial<Where>} to */
export const link = (to) => written({ ...START, ...to });

/** For links: goes there without loading the page, unless a new tab is wanted. @param {Partial<Where>} to */
export const follow = (to) => (/** @type {MouseEvent} */ event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go({ ...START, ...to });
};
