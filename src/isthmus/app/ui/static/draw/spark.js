// SPDX-License-Identifier: Apache-2.0
/**
 * `<is-spark>`: the last half hour of one tag as a small line. It asks the history once and goes on from live values.
 * @module
 */
import { effect } from "../vendor/signals-core/signals-core.js";
import { lines } from "../plant/lines.js";
import { stateOf } from "../plant/state.js";

/** @typedef {import("../plant/tags.js").Tag} Tag */

/** What it shows, ms. */
const SPAN = 30 * 60_000;
/** Points kept of it. */
const POINTS = 60;
/** Pause after a question that failed, ms. */
const AGAIN = 3000;
/** Shortest time between two drawings, ms. */
const PAUSE = 2000;

/** Times and values of one tag; NaN breaks the line. */
class Recent {
  /** @type {[number, number][]} */
  points = [];
  /** How often its history may still be asked for; without any it begins now. */
  tries = 4;
  /** Whether its history was asked for. */
  asked = false;

  /** @param {number} at @param {number} found */
  add(at, found) {
    const { points } = this;
    const before = points.length > 1 ? points[points.length - 2][0] : -Infinity;
    if (points.length && at - before < SPAN / POINTS && !Number.isNaN(found)) points[points.length - 1] = [at, found];
    else points.push([at, found]);
    while (points.length > 1 && points[1][0] < at - SPAN) points.shift();
  }

  /** What the history has of the time before the first point. @param {Line} line */
  before(line) {
    const first = this.points[0]?.[0] ?? Infinity;
    /** @type {[number, number][]} */
    const found = [];
    for (let k = 0; k < line.time.length && line.time[k] < first; k++) found.push([line.time[k], line.value[k]]);
    this.points = [...found, ...this.points];
  }
}

/** @typedef {import("../plant/lines.js").Line} Line */

/** By tag number, for as long as the page is open. @type {Map<number, Recent>} */
const known = new Map();
/** Tags whose history has still to be asked for. @type {Map<string, Recent>} */
const wanted = new Map();

/** @param {Tag} tag */
function recent(tag) {
  const found = known.get(tag.number) ?? new Recent();
  known.set(tag.number, found);
  return found;
}

/** Asks for the history of a tag whose line is on the screen, once. @param {Tag} tag */
function remember(tag) {
  const own = recent(tag);
  if (own.asked) return;
  own.asked = true;
  if (wanted.size === 0) setTimeout(fetchWanted, 60);
  wanted.set(tag.path, own);
}

/** Asks for all that are wanted, in questions of a size the server takes. */
async function fetchWanted() {
  const asked = [...wanted];
  wanted.clear();
  let failed = false;
  for (let i = 0; i < asked.length; i += 100) {
    const some = new Map(asked.slice(i, i + 100));
    try {
      for (const line of (await lines([...some.keys()], `-${SPAN / 60_000}m`, "now", POINTS)).lines) {
        const one = some.get(line.path);
        one?.before(line);
      }
    } catch {
      for (const [path, one] of some) if (--one.tries) wanted.set(path, one);
      failed = true;
    }
  }
  if (failed && wanted.size) setTimeout(fetchWanted, AGAIN);
  document.querySelectorAll("is-spark").forEach((one) => /** @type {Spark} */ (one).draw());
}

/** Only what is on the screen is drawn. */
const seen = new IntersectionObserver((found) => {
  for (const one of found) {
    const spark = /** @type {Spark} */ (one.target);
    spark.seen = one.isIntersecting;
    if (spark.seen) spark.draw();
  }
});

export class Spark extends HTMLElement {
  /** @type {Tag | undefined} */
  #tag;
  /** @type {undefined | (() => void)} */
  #stop;
  #drawn = 0;
  seen = false;

  /** @param {Tag | undefined} tag */
  set tag(tag) {
    if (tag === this.#tag) return;
    this.#tag = tag;
    if (this.isConnected) this.#begin();
  }

  connectedCallback() {
    this.setAttribute("aria-hidden", "true");
    if (!this.firstChild) {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("preserveAspectRatio", "none");
      svg.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
      this.append(svg);
    }
    seen.observe(this);
    this.#begin();
  }

  disconnectedCallback() {
    seen.unobserve(this);
    this.#stop?.();
  }

  #begin() {
    this.#stop?.();
    const tag = this.#tag;
    if (!tag) return;
    const own = recent(tag);
    this.#stop = effect(() => {
      const reading = tag.reading.value;
      if (!reading) return;
      own.add(reading.at, typeof reading.value === "number" && reading.code >>> 30 < 2 ? reading.value : NaN);
      if (this.seen && performance.now() - this.#drawn > PAUSE) this.draw();
    });
  }

  /** A twentieth of its range; where it has none, a hundredth of what it is. */
  #flat() {
    const range = this.#tag?.range, found = this.#tag?.reading.peek()?.value;
    return range ? (range[1] - range[0]) / 20 : typeof found === "number" ? Math.abs(found) / 100 : 0;
  }

  draw() {
    const path = this.querySelector("path");
    if (!path || !this.#tag || !this.seen) return;
    remember(this.#tag);
    this.#drawn = performance.now();
    const width = this.clientWidth || 80, height = this.clientHeight || 16;
    path.parentElement?.setAttribute("viewBox", `0 0 ${width} ${height}`);
    path.setAttribute("d", drawn(recent(this.#tag).points, width, height, stateOf(this.#tag.reading.peek(), this.#tag) === "stale" ? 0 : Date.now(), this.#flat()));
  }
}
customElements.define("is-spark", Spark);

/**
 * An SVG path through points; what changes by less than `least` looks flat.
 * @param {readonly [number, number][]} points
 * @param {number} width
 * @param {number} height
 * @param {number} now ms; the last value holds until then
 * @param {number} flat the smallest change that fills the height
 */
export function drawn(points, width, height, now, flat) {
  let low = Infinity, high = -Infinity;
  for (const [, y] of points) {
    if (y < low) low = y;
    if (y > high) high = y;
  }
  if (!(low <= high)) return "";
  const least = Math.max(high - low, flat, 1e-9);
  const middle = (low + high) / 2, [last, held] = points[points.length - 1], end = Math.max(last, now);
  let pen = "M";
  return [...points, /** @type {[number, number]} */ ([end, held])]
    .map(([x, y]) => {
      if (Number.isNaN(y)) return (pen = "M"), "";
      const at = width * Math.max(0, 1 - (end - x) / SPAN), up = height / 2 - ((y - middle) / least) * (height - 3);
      const step = `${pen}${at.toFixed(1)} ${up.toFixed(1)}`;
      pen = "L";
      return step;
    })
    .join("");
}
