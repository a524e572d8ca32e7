// SPDX-License-Identifier: Apache-2.0
/**
 * `<is-trend>`: tags as lines over time. Pan and zoom ask the history anew, for as many pixels as there are.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import uPlot from "../vendor/uplot/uPlot.js";
import { effect, signal } from "../vendor/signals-core/signals-core.js";
import { lines } from "../plant/lines.js";
import { exact, unit, zoneName } from "../plant/words.js";
import { theme } from "../parts/frame.js";
import { eventsOf } from "../plant/events.js";
import { Marks } from "./marks.js";
import { panned, viewOf, zoomed } from "./view.js";

/** @typedef {import("../plant/tags.js").Tag} Tag */
/** @typedef {import("../plant/lines.js").Lines} Lines */
/** @typedef {import("./view.js").View} View */

/** Pause between a movement and the question that follows it, ms. */
const REST = 120;
/** Shortest time between two questions of a view that ends now, ms; the same for its events. */
const LIVE = 2000;
const EVENTS = 10_000;
/** Colours, and with them strokes, of which there are: `--s1` and so on in the style sheet. */
const STROKES = [[], [8, 3], [2, 3], [10, 3, 2, 3], [5, 5], [14, 4], [1, 2], [6, 2, 1, 2, 1, 2]];
/** A swatch with the stroke that the line has. @param {number} i */
export const swatch = (i) =>
  html`<svg class="swatch" width="26" height="10" aria-hidden="true"><line x1="0" y1="5" x2="26" y2="5" class="s${(i % 8) + 1}" stroke-dasharray=${STROKES[i % 8].join(" ") || nothing}></line></svg>`;

/** Height of the strip of bad quality of each line, CSS pixels. */
const STRIP = 5;
/** Below this width, pixels, axes take less of it: a phone's. */
const NARROW = 480;
const NO_DATA = 0x809b0000;

export class Trend extends HTMLElement {
  /** Value of each tag under the cursor; null where there is none. */
  cursor = signal(/** @type {{at: number, values: (number | null)[]} | null} */ (null));
  /** What cannot be shown, in words. */
  problem = signal("");
  /** Whether an answer is waited for. */
  waiting = signal(false);
  /** Least and greatest of each tag in the view. */
  extremes = signal(/** @type {([number, number] | null)[]} */ ([]));
  /** Told when a person moved the view. @type {(view: View) => void} */
  moved = () => {};

  /** @type {readonly Tag[]} */
  #tags = [];
  /** @type {View} */
  #view = viewOf("-1h", "now", Date.now());
  /** @type {uPlot | null} */
  #plot = null;
  /** @type {Lines | null} */
  #found = null;
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {(() => void)[]} */
  #ends = [];
  #marks = new Marks();
  /** When events were asked for last, and for what: ms. */
  #told = { at: 0, from: 0, to: 0 };

  /** @param {readonly Tag[]} tags @param {View} view */
  show(tags, view) {
    const same = tags.length === this.#tags.length && tags.every((tag, i) => tag === this.#tags[i]);
    this.#tags = tags;
    this.#view = view;
    if (!this.isConnected) return;
    if (!same) {
      this.#told = { at: 0, from: 0, to: 0 };
      this.#build();
    }
    this.#range();
    this.#ask(0);
  }

  get view() {
    return this.#view;
  }

  connectedCallback() {
    if (!this.hasAttribute("tabindex")) this.tabIndex = 0;
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", "Trend; arrow keys move it in time, plus and minus zoom");
    const watcher = new ResizeObserver(() => this.#resize());
    watcher.observe(this);
    this.#ends = [() => watcher.disconnect(), effect(() => { theme.value; queueMicrotask(() => this.#build()); })];
    this.append(...this.#marks.elements);
    this.addEventListener("marked", this.#place);
    this.addEventListener("wheel", this.#wheel, { passive: false });
    this.addEventListener("keydown", this.#key);
    this.addEventListener("pointerdown", this.#grab);
    this.#ask(0);
  }

  disconnectedCallback() {
    for (const end of this.#ends) end();
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#plot?.destroy();
    this.#plot = null;
    this.removeEventListener("marked", this.#place);
    this.removeEventListener("wheel", this.#wheel);
    this.removeEventListener("keydown", this.#key);
    this.removeEventListener("pointerdown", this.#grab);
  }

  /** A person moves the view. @param {View} view */
  go(view) {
    this.#view = view;
    this.#range();
    this.moved(view);
    this.#ask(REST);
  }

  /** Asks for the view as it then is. @param {number} after ms */
  #ask(after) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fetch(), after);
  }

  async #fetch() {
    this.#asking?.abort();
    if (!this.#tags.length || !this.isConnected) return this.#draw(null);
    const asking = (this.#asking = new AbortController());
    const span = this.#view.to - this.#view.from;
    if (this.#view.live) this.#view = { from: Date.now() - span, to: Date.now(), live: true };
    const { from, to } = this.#view;
    this.waiting.value = true;
    const width = Math.max(100, this.#plot?.bbox ? this.#plot.bbox.width / devicePixelRatio : this.clientWidth);
    try {
      const names = this.#tags.map((tag) => tag.path);
      const found = await lines(names, new Date(from).toISOString(), new Date(to).toISOString(), width, asking.signal);
      if (asking.signal.aborted) return;
      this.problem.value = "";
      this.#draw(found);
      await this.#events(asking.signal);
    } catch (error) {
      if (asking.signal.aborted) return;
      this.problem.value = String(error instanceof Error ? error.message : error);
    }
    this.waiting.value = false;
    if (this.#view.live) this.#ask(Math.max(LIVE, span / width));
  }

  /** Asks for the events of the view; while it only goes on, no more often than needed. @param {AbortSignal} signal */
  async #events(signal) {
    const { from, to, live } = this.#view, told = this.#told;
    if (live && Date.now() - told.at < EVENTS && Math.abs(told.to - told.from - (to - from)) < 1) return;
    this.#marks.events = await eventsOf(this.#tags, from, to, signal);
    this.#told = { at: Date.now(), from, to };
    this.#place();
  }

  /** Puts the marks of events where their times are now. */
  #place = () => {
    if (!this.#plot) return;
    const left = this.#plot.bbox.left / devicePixelRatio, width = this.#plot.bbox.width / devicePixelRatio;
    this.#marks.draw({ left, width }, this.#view);
  };

  /** @param {Lines | null} found */
  #draw(found) {
    this.#found = found;
    const by = new Map(found?.lines.map((line) => [line.path, line]));
    const drawn = this.#tags.map((tag) => by.get(tag.path));
    this.extremes.value = drawn.map((line) => (line ? extremes(line.value) : null));
    if (!this.#plot) this.#build();
    this.#plot?.setData(joined(drawn.map((line) => [line?.time ?? [], line?.value ?? []])), false);
    this.#range();
  }

  #range() {
    this.#plot?.setScale("x", { min: this.#view.from, max: this.#view.to });
    this.#place();
  }

  #resize() {
    if (!this.clientWidth) return;
    if (!this.#plot) return this.#build();
    if (this.clientWidth === this.#plot.width && this.clientHeight === this.#plot.height) return;
    this.#plot.setSize({ width: this.clientWidth, height: this.clientHeight });
    this.#ask(REST);
  }

  #build() {
    this.#plot?.destroy();
    this.#plot = null;
    if (!this.isConnected || !this.clientWidth) return;
    const data = joined(this.#tags.map(() => [[], []]));
    this.#plot = new uPlot(options(this, this.#tags, () => this.#strips()), data, this);
    if (this.#found) this.#draw(this.#found);
    this.#range();
  }

  /** Draws, below the lines, where each tag was bad. */
  #strips() {
    const plot = this.#plot;
    if (!plot || !this.#found) return;
    const { ctx, bbox } = plot, css = getComputedStyle(this), ratio = devicePixelRatio;
    const tags = this.#tags, high = STRIP * ratio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const line of this.#found.lines) {
      const i = tags.findIndex((tag) => tag.path === line.path);
      const top = bbox.top + bbox.height - (tags.length - i) * (high + ratio);
      for (const [start, end] of badSpans(line.time, line.code, this.#view.to)) {
        const left = plot.valToPos(start, "x", true), right = Math.max(left + 2 * ratio, plot.valToPos(end, "x", true));
        ctx.fillStyle = css.getPropertyValue("--bad");
        ctx.fillRect(left, top, right - left, high);
        ctx.fillStyle = css.getPropertyValue("--panel");
        for (let x = Math.max(left, bbox.left) + 3 * ratio; x < Math.min(right, bbox.left + bbox.width); x += 6 * ratio) ctx.fillRect(x, top, 2 * ratio, high);
      }
    }
    ctx.restore();
  }

  #wheel = (/** @type {WheelEvent} */ event) => {
    if (!this.#plot) return;
    event.preventDefault();
    const about = this.#plot.posToVal(event.clientX - this.#plot.over.getBoundingClientRect().left, "x");
    const width = this.#view.to - this.#view.from;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.go(panned(this.#view, ((event.deltaX || event.deltaY) / 1000) * width, Date.now()));
    else this.go(zoomed(this.#view, Math.exp(Math.max(-120, Math.min(120, event.deltaY)) / 400), about, Date.now()));
  };

  #key = (/** @type {KeyboardEvent} */ event) => {
    const width = this.#view.to - this.#view.from, middle = (this.#view.to + this.#view.from) / 2, now = Date.now();
    /** @type {Record<string, () => View>} */
    const does = {
      ArrowLeft: () => panned(this.#view, -width / 5, now),
      ArrowRight: () => panned(this.#view, width / 5, now),
      "+": () => zoomed(this.#view, 0.5, middle, now),
      "=": () => zoomed(this.#view, 0.5, middle, now),
      "-": () => zoomed(this.#view, 2, middle, now),
      End: () => ({ from: now - width, to: now, live: true }),
    };
    if (!does[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.go(does[event.key]());
  };

  #grab = (/** @type {PointerEvent} */ event) => {
    const plot = this.#plot;
    if (!plot || event.button || !plot.over.contains(/** @type {Node} */ (event.target))) return;
    const began = event.clientX, view = this.#view, each = (view.to - view.from) / plot.over.clientWidth;
    const move = (/** @type {PointerEvent} */ to) => {
      if (Math.abs(to.clientX - began) > 3) this.go(panned(view, (began - to.clientX) * each, Date.now()));
    };
    const end = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
  };
}
customElements.define("is-trend", Trend);

/** Between a value and the break that follows it at the same time, ms: a joined axis has each time once. */
const BREAK = 0.001;

/**
 * Columns with times of their own on one axis: undefined where a line goes on, null from a break to the next value.
 * @param {[ArrayLike<number>, ArrayLike<number>][]} columns NaN is a break
 * @returns {uPlot.AlignedData}
 */
export function joined(columns) {
  if (!columns.length) return [[]];
  const tables = columns.map(([time, value]) => [
    Array.from(time, (at, i) => (Number.isNaN(value[i]) ? at + BREAK : at)),
    Array.from(value, (one) => (Number.isNaN(one) ? null : one)),
  ]);
  const all = uPlot.join(/** @type {uPlot.AlignedData[]} */ (tables));
  for (const column of all.slice(1)) {
    let broken = false;
    for (let i = 0; i < column.length; i++) {
      if (column[i] !== undefined) broken = column[i] === null;
      else if (broken) /** @type {(number | null | undefined)[]} */ (column)[i] = null;
    }
  }
  return all;
}

/** @param {ArrayLike<number>} values @returns {[number, number] | null} */
function extremes(values) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  return low <= high ? [low, high] : null;
}

/** Spans of time in which the quality is Bad; where there is no data at all is a gap, not this. @param {Float64Array} time @param {Uint32Array} code @param {number} end @returns {[number, number][]} */
export function badSpans(time, code, end) {
  /** @type {[number, number][]} */
  const found = [];
  for (let i = 0; i < time.length; i++) {
    if (code[i] >>> 30 < 2 || code[i] >>> 16 === NO_DATA >>> 16) continue;
    const until = i + 1 < time.length ? time[i + 1] : end, last = found[found.length - 1];
    if (last && last[1] >= time[i]) last[1] = until;
    else found.push([time[i], until]);
  }
  return found;
}

/** @param {Trend} trend @param {readonly Tag[]} tags @param {() => void} strips @returns {uPlot.Options} */
function options(trend, tags, strips) {
  const css = getComputedStyle(trend);
  const ink = css.getPropertyValue("--dim"), grid = { stroke: css.getPropertyValue("--line"), width: 1 };
  const scaleOf = (/** @type {Tag} */ tag) => tag.unit || (tag.type === "boolean" ? "boolean" : tag.path);
  const scales = [...new Set(tags.map(scaleOf))];
  const font = "12px system-ui, sans-serif", narrow = trend.clientWidth < NARROW;
  return {
    width: trend.clientWidth,
    height: trend.clientHeight,
    ms: 1,
    tzDate: (ms) => uPlot.tzDate(new Date(ms), zoneName()),
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 7 } },
    scales: { x: { time: true, auto: false }, boolean: { range: [-0.15, 1.15] } },
    axes: [
      { stroke: ink, grid, ticks: grid, font, space: 70, values: TIMES },
      ...scales.slice(0, 3).map((scale, i) => ({
        scale, stroke: ink, font, size: narrow ? 48 : 62, side: /** @type {1 | 3} */ (i % 2 ? 1 : 3), grid: i ? { show: false } : grid, ticks: narrow ? { show: false } : grid,
        label: unit(tags.find((tag) => scaleOf(tag) === scale)?.unit ?? "") || undefined, labelSize: narrow ? 14 : 18, labelFont: font, labelGap: 0,
        values: (/** @type {uPlot} */ _plot, /** @type {number[]} */ splits) => splits.map((at) => (scale === "boolean" ? SWITCHED[at] ?? "" : axisNumber(at, splits))),
      })),
    ],
    series: [
      {},
      ...tags.map((tag, i) => ({
        label: tag.name, scale: scaleOf(tag), stroke: css.getPropertyValue(`--s${(i % 8) + 1}`), width: 1.5, dash: STROKES[i % 8], points: { show: false },
        ...(tag.stepped ? { paths: uPlot.paths.stepped?.({ align: 1 }) } : {}),
      })),
    ],
    hooks: {
      draw: [strips],
      setCursor: [(plot) => {
        const at = plot.cursor.idx;
        trend.cursor.value = at == null || plot.cursor.left == null || plot.cursor.left < 0 ? null
          : { at: plot.posToVal(plot.cursor.left, "x"), values: tags.map((_, i) => before(plot.data[i + 1], at)) };
      }],
    },
  };
}

/** The value that a line has at a place: its own or the one before. @param {ArrayLike<number | null | undefined>} values @param {number} at */
function before(values, at) {
  for (let i = at; i >= 0; i--) if (values[i] !== undefined) return values[i] ?? null;
  return null;
}

/** What a boolean's axis says. @type {Readonly<Record<number, string>>} */
const SWITCHED = { 0: "off", 1: "on" };

/** @param {number} at @param {number[]} all */
function axisNumber(at, all) {
  const step = all.length > 1 ? Math.abs(all[1] - all[0]) : Math.abs(at) || 1;
  const digits = [0, 1, 2, 3, 4, 5, 6].find((many) => Math.abs(step - Number(step.toFixed(many))) < step / 1e6) ?? 6;
  return exact(Number(at.toFixed(digits)), digits);
}

/** Times in 24 hours, dates as day and month; the date on a line of its own where it changes. @type {any} */
const TIMES = [
  [31_536_000_000, "{YYYY}", null, null, null, null, null, null, 1],
  [2_419_200_000, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86_400_000, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [3_600_000, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [60_000, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [1000, ":{ss}", "\n{HH}:{mm}", null, "\n{HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
  [1, ":{ss}.{fff}", "\n{HH}:{mm}", null, "\n{HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
];
