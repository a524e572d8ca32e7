// SPDX-License-Identifier: Apache-2.0
/**
 * Marks of events along the upper edge of a trend: a button each, which tells what happened. Those too close are one.
 * @module
 */
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { bunched } from "../plant/events.js";
import { fullTime } from "../plant/words.js";

/** @typedef {import("../plant/events.js").Timed} Timed */

/** Closest two marks stand, pixels. */
const CLOSE = 16;
/** Events of one mark that are told. */
const MOST = 30;

/** From the mildest to the gravest. */
const GRAVE = ["information", "warning", "error"];
/** @type {Readonly<Record<string, string>>} */
const SHAPES = { information: "▽", warning: "▲", error: "■" };

/** @param {readonly Timed[]} events */
const gravest = (events) => events.reduce((worst, one) => (GRAVE.indexOf(one.severity) > GRAVE.indexOf(worst) ? one.severity : worst), "information");

/** @param {readonly Timed[]} events */
const told = (events) => (events.length === 1 ? `${events[0].kind}: ${events[0].message}` : `${events.length} events, the first: ${events[0].message}`);

export class Marks {
  /** @type {HTMLElement} */
  #box = document.createElement("div");
  /** @type {HTMLElement} */
  #card = document.createElement("div");
  /** @type {readonly Timed[]} */
  #events = [];
  /** The time of the mark that is open. */
  #open = NaN;

  constructor() {
    this.#box.className = "marks";
    this.#card.className = "told";
  }

  /** What a trend holds: marks, and what an open one tells. */
  get elements() {
    return [this.#box, this.#card];
  }

  /** @param {readonly Timed[]} events */
  set events(events) {
    this.#events = events;
  }

  /**
   * Puts the marks where their times are.
   * @param {{left: number, width: number}} area pixels in the trend
   * @param {{from: number, to: number}} view
   */
  draw(area, view) {
    const each = (view.to - view.from) / Math.max(1, area.width);
    const shown = bunched(this.#events.filter((one) => one.at >= view.from && one.at <= view.to), CLOSE * each);
    render(shown.map((events) => this.#mark(events)), this.#box);
    shown.forEach((events, i) => {
      const button = /** @type {HTMLElement} */ (this.#box.children[i]);
      button.style.left = `${area.left + (events[0].at - view.from) / each}px`;
    });
    const open = shown.find((events) => events[0].at === this.#open);
    this.#tell(open ?? null);
    if (open) this.#card.style.left = `${Math.max(4, Math.min(area.left + area.width - 330, area.left + (open[0].at - view.from) / each - 160))}px`;
  }

  /** @param {readonly Timed[]} events */
  #mark(events) {
    const grave = gravest(events), at = events[0].at;
    const turn = () => {
      this.#open = this.#open === at ? NaN : at;
      this.#box.dispatchEvent(new CustomEvent("marked", { bubbles: true }));
    };
    return html`<button class="event ${grave}" title=${told(events)} aria-label="${fullTime(at)} ${told(events)}" aria-expanded=${this.#open === at ? "true" : "false"}
      @pointerdown=${stop} @keydown=${(/** @type {KeyboardEvent} */ event) => this.#key(event)} @click=${turn}><span aria-hidden="true">${SHAPES[grave]}${events.length > 1 ? events.length : ""}</span></button>`;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key !== "Escape" || Number.isNaN(this.#open)) return;
    event.stopPropagation();
    event.preventDefault(); // a dialog around it stays
    this.#open = NaN;
    this.#box.dispatchEvent(new CustomEvent("marked", { bubbles: true }));
  }

  /** @param {readonly Timed[] | null} events */
  #tell(events) {
    this.#card.hidden = !events;
    if (!events) return render(nothing, this.#card);
    render(
      html`<div class="card" role="status">${events.slice(0, MOST).map((one) => html`<p><b class=${one.severity}>${SHAPES[one.severity]} ${one.kind}, ${one.severity}</b> <time datetime=${one.time}>${fullTime(one.at)}</time><br>${one.message} <span class="dim">${one.source}</span></p>`)}
        ${events.length > MOST ? html`<p class="dim">${events.length - MOST} more</p>` : nothing}</div>`,
      this.#card,
    );
  }
}

/** A click on a mark does not grab the trend under it. @param {Event} event */
const stop = (event) => event.stopPropagation();
