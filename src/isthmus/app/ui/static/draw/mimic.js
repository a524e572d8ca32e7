// SPDX-License-Identifier: Apache-2.0
/**
 * The picture of a place: symbols with what they hold and do, values beside them, pipes between them. Each leads on.
 * @module
 */
import { html, nothing, svg } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { watch } from "../watch.js";
import { CELL, half, pictureOf } from "../plant/picture.js";
import { SAID, stateOf } from "../plant/state.js";
import { thePlant } from "../plant/tags.js";
import { title, unit, value } from "../plant/words.js";
import { follow, go, link, where } from "../where.js";
import { definitions, levelOf, openingOf, runningOf, shapeOf } from "./symbols.js";

/** @typedef {import("../plant/tags.js").Place} Place */
/** @typedef {import("../plant/tags.js").Tag} Tag */
/** @typedef {import("../plant/picture.js").Symbol} Drawn */
/** @typedef {import("../plant/picture.js").Pipe} Pipe */

/** Values beside a symbol. */
const VALUES = 2;
/** Letters of the name of a symbol. */
const LETTERS = 24;
/** Letters of a value's name. */
const SHORT = 15;

/** @param {string} text @param {number} most */
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1).trimEnd()}…` : text);

/** The values that stand beside a symbol: what fills or opens it, then numbers with a range. @param {Place} place */
function beside(place) {
  const chosen = [levelOf(place), openingOf(place), ...place.tags.filter((tag) => tag.normal), ...place.tags.filter((tag) => tag.range)];
  return [...new Set(chosen)].filter((tag) => tag !== undefined).filter((tag) => tag.type !== "boolean").slice(0, VALUES);
}

/** Whether it runs, in a word. @param {Tag} tag */
const runs = (tag) => {
  const reading = tag.reading.value, known = reading && typeof reading.value === "boolean" && stateOf(reading, tag) !== "bad";
  const idle = tag.name.endsWith("loaded");
  return known ? (reading.value ? (idle ? "loaded" : "running") : idle ? "not loaded" : "stopped") : "not known";
};

/** @param {Tag} tag @param {number} y */
const line = (tag, y) => {
  const said = () => `${title(tag.name)} ${value(tag.reading.value, tag)} ${unit(tag.unit)}, ${SAID[stateOf(tag.reading.value, tag)].word}`;
  const opens = (/** @type {MouseEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go({ tag: tag.path });
  };
  return svg`<a class="reading" href=${link({ ...where.peek(), tag: tag.path })} aria-label=${watch(said)} @click=${opens}>
    <text y=${y}><tspan class="name">${cut(title(tag.name), SHORT)} </tspan><tspan aria-hidden="true" class=${watch(() => `sign ${stateOf(tag.reading.value, tag)}`)}>${watch(() => SAID[stateOf(tag.reading.value, tag)].shape)}</tspan><tspan class=${watch(() => `value ${stateOf(tag.reading.value, tag)}`)}>${watch(() => cut(value(tag.reading.value, tag), 12))}</tspan><tspan class="name"> ${unit(tag.unit)}</tspan></text></a>`;
};

/** @param {Drawn} one */
const symbol = (one) => {
  const { place, kind } = one, [, down] = half(kind), running = runningOf(place), to = { path: place.parent ? place.path : "" };
  const name = title(place.name), values = one.away ? [] : beside(place);
  const worst = () => place.worst();
  const said = () => `${name}${running ? `, ${runs(running)}` : ""}${place.wrong().map((state) => `, ${place.count(state)} ${SAID[state].word}`).join("")}`;
  const flag = () => (one.away ? nothing : place.wrong().map((state, i) => svg`<text class="flag ${state}" aria-hidden="true" x=${half(kind)[0] + 4} y=${-down + 6 + 14 * i}>${SAID[state].shape}${place.count(state)}</text>`));
  const middle = `translate(${(one.x + 0.5) * CELL.width} ${(one.y + 0.5) * CELL.height})`;
  return svg`<g transform=${middle} class=${watch(() => `symbol ${kind} ${one.away ? "good" : worst()}`)}>
    <a href=${link(to)} aria-label=${watch(said)} @click=${follow(to)}>
      ${one.away ? svg`${shapeOf(kind, place)}<text y="4" x="-4">${cut(name, 15)}</text>` : svg`<rect class="room" x="-34" y=${-down - 22} width="68" height=${2 * down + 24}></rect>${shapeOf(kind, place)}<text class="title" y=${-down - 9}>${cut(name, LETTERS)}</text>`}</a>
    ${watch(flag)}
    ${values.map((tag, i) => line(tag, down + (kind === "valve" ? 23 : 15) + 15 * i))}
    ${running && !one.away ? svg`<text class="does" y=${down + 15 + 15 * values.length}>${watch(() => runs(running))}</text>` : nothing}
  </g>`;
};

/** @param {Pipe} one */
const pipe = ({ name, points, label }) => {
  const d = points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  return svg`<g class="pipe"><path d=${d} marker-end="url(#arrow)"></path>${label ? svg`<text x=${label.x} y=${label.y}>${cut(name, label.letters)}</text>` : nothing}</g>`;
};

/** What flows where, in words for who does not see it. @param {Pipe[]} pipes */
const flows = (pipes) => [...new Set(pipes.map((one) => one.name).filter(Boolean))].join(", ");

/** The picture of a place; nothing where there is none. @param {Place} place */
export function mimic(place) {
  const picture = pictureOf(thePlant(), place);
  if (!picture) return nothing;
  const { symbols, pipes, width, height } = picture, told = flows(pipes);
  return html`<div class="mimic" role="group" tabindex="0" aria-label="Picture of ${place.name}${told ? `; flows: ${told}` : ""}">
    <svg width=${width} height=${height} viewBox="0 0 ${width} ${height}">${definitions()}
      ${pipes.map(pipe)}${repeat(symbols, (one) => one.place.path, symbol)}</svg></div>`;
}
