// SPDX-License-Identifier: Apache-2.0
/**
 * A place: the whole plant and an area as cards, a piece of equipment as its values with their parts.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { watch } from "../watch.js";
import { bar } from "../draw/bar.js";
import { Trend, swatch } from "../draw/chart.js";
import { mimic } from "../draw/mimic.js";
import { viewOf } from "../draw/view.js";
import { badge, mark, shape, stateOf } from "../plant/state.js";
import { thePlant } from "../plant/tags.js";
import { title, unit, value } from "../plant/words.js";
import { follow, link } from "../where.js";
import { rows, shownValue, tagLink } from "./rows.js";

/** @typedef {import("../plant/tags.js").Tag} Tag */
/** @typedef {import("../plant/tags.js").Place} Place */

/** Tags that one page shows as rows; of more it shows cards. */
const MOST_ROWS = 90;
/** Cards on one page. */
const MOST_CARDS = 120;
/** Values on a card. */
const ON_CARD = 4;

/** All tags at and below a place. @param {Place} place */
const below = (place) => [...place.all()].flatMap((one) => one.tags);

/** The tags that tell most of a place, for its card. @param {Place} place */
export function headline(place) {
  const own = place.tags.filter((tag) => tag.range);
  const parts = [...place.all()].slice(1).flatMap((part) => part.main() ?? []);
  const rest = place.tags.filter((tag) => !tag.range);
  return [...own, ...parts.filter((tag) => tag.range), ...rest].slice(0, ON_CARD);
}

/** What says what a place is doing: the first enumeration of its own, or whether it runs. @param {Place} place */
const doing = (place) => place.tags.find((tag) => tag.type === "enumeration" || (tag.type === "boolean" && tag.name === "running"));

/** The same in words, and no more than is known. @param {Tag} tag */
function doingNow(tag) {
  const reading = tag.reading.value, state = stateOf(reading, tag);
  if (reading === null || reading.value === null || state === "bad") return "state not known";
  const word = tag.type === "boolean" ? (reading.value ? "running" : "stopped") : value(reading, tag);
  return state === "stale" ? `was ${word}` : word;
}

/** @param {Place} place @param {string} text */
const placeLink = (place, text) => {
  const to = { path: place.parent ? place.path : "" };
  return html`<a href=${link(to)} @click=${follow(to)}>${text}</a>`;
};

/** The worst state of a place, with how many tags, and how many are outside their normal band. @param {Place} place */
const worst = (place) => place.wrong().map((state) => (state === "abnormal" ? mark(state, place.count(state)) : badge(state, String(place.count(state)))));

/** @param {Tag} tag @param {Place} place */
const line = (tag, place) =>
  html`<li>
    <span class="name">${tagLink(tag, title(tag.place === place ? tag.name : `${tag.place.path.slice(place.path.length + 1).replaceAll("/", " ")} ${tag.name}`))}</span>
    ${bar(tag)}${shownValue(tag)}<span class="unit">${unit(tag.unit)}</span>
    <span class="state">${watch(() => shape(stateOf(tag.reading.value, tag)))}</span>
  </li>`;

/** @param {Place} place @param {number} level of its heading */
const card = (place, level) => {
  const does = doing(place);
  const found = headline(place).filter((tag) => tag !== does);
  const named = html`${placeLink(place, title(place.name))}${does ? html`<span class="does">${watch(() => doingNow(does))}</span>` : nothing}${watch(() => worst(place))}`;
  return html`<section class=${watch(() => `card ${place.worst()}`)}>
    ${level === 2 ? html`<h2>${named}</h2>` : html`<h3>${named}</h3>`}
    <ul>${repeat(found, (tag) => tag.number, (tag) => line(tag, place))}</ul>
  </section>`;
};

/** @param {Iterable<Place>} places @param {number} level of their headings */
const cards = (places, level) => {
  const all = [...places];
  return html`<div class="cards">${repeat(all.slice(0, MOST_CARDS), (one) => one.path, (one) => card(one, level))}</div>
    ${all.length > MOST_CARDS ? html`<p class="more">${all.length - MOST_CARDS} more are in the tree, and Ctrl+K finds them.</p>` : nothing}`;
};

/** The areas of a plant, each with its equipment. @param {Place} place */
const areas = (place) => {
  let room = MOST_CARDS;
  return [...place.children.values()].map((area) => {
    const shown = area.children.size ? [...area.children.values()] : [area];
    const some = shown.slice(0, Math.max(0, room));
    room -= some.length;
    return html`<section class="area"><h2>${placeLink(area, title(area.name))} ${watch(() => worst(area))}</h2>
      ${cards(some, 3)}${some.length < shown.length ? html`<p class="more">${placeLink(area, `${shown.length - some.length} more in ${area.name}`)}</p>` : nothing}</section>`;
  });
};

/** The way from the plant down to a place. @param {Place} place */
const trail = (place) => {
  /** @type {Place[]} */
  const above = [];
  for (let at = place.parent; at; at = at.parent) above.unshift(at);
  return html`<nav class="trail" aria-label="Where this is">${above.map((one, i) => html`${i ? html` <span aria-hidden="true">›</span> ` : nothing}${placeLink(one, one.parent ? title(one.name) : one.path)}`)}</nav>`;
};

/** @param {Place} place */
const heading = (place) => {
  const trend = { page: /** @type {const} */ ("trend"), tags: headline(place).filter((tag) => tag.type !== "text").map((tag) => tag.path) };
  return html`${place.parent ? trail(place) : nothing}
    <div class="heading"><h1>${place.parent ? title(place.name) : place.path}</h1>
      <span class="about">${[place.asset?.type.replace(/@\d+$/, ""), place.asset?.description, place.asset?.owner && `owner: ${place.asset.owner}`].filter(Boolean).join(" · ")}</span>
      ${watch(() => worst(place))}
      ${place.parent && trend.tags.length ? html`<a class="button" href=${link(trend)} @click=${follow(trend)}>Trend</a>` : nothing}</div>`;
};

/** The last hour of the tags that tell most. @param {Place} place */
function small(place) {
  const numbers = headline(place).filter((tag) => tag.type !== "text");
  const units = [...new Set(numbers.map((tag) => tag.unit))].slice(0, 2);
  const drawn = numbers.filter((tag) => units.includes(tag.unit));
  if (!drawn.length) return nothing;
  const trend = new Trend();
  trend.show(drawn, viewOf("-1h", "now", Date.now()));
  return html`<div class="chart">${trend}</div>
    <ul class="keys">${drawn.map((tag, i) => html`<li>${swatch(i)} ${tagLink(tag, title(tag.name))} <span class="unit">${unit(tag.unit)}</span></li>`)}</ul>`;
}

/** @param {Place} place */
function body(place) {
  if (!place.parent && place.children.size) return html`${mimic(place)}${place.tags.length ? rows(place.tags, place, place.name) : nothing}${areas(place)}`;
  const all = below(place);
  const detailed = !!place.asset?.type || place.tags.length > 0 || place.children.size === 0;
  if (detailed && all.length <= MOST_ROWS)
    return html`${all.length ? html`<div class="with-trend"><div>${rows(all, place, title(place.name))}</div><div class="beside">${mimic(place)}${small(place)}</div></div>` : nothing}`;
  return html`${mimic(place)}${place.tags.length ? rows(place.tags, place, title(place.name)) : nothing}${cards(place.children.values(), 2)}`;
}

/** @param {string} path empty for the plant */
export function placePage(path) {
  const { places, root } = thePlant();
  const place = places.get(path || root.path);
  if (!place) return html`<h1>Not in this plant</h1><p>No place has the path <b>${path}</b>. <a href="/" @click=${follow({})}>To the overview</a>, or press Ctrl+K to find it.</p>`;
  return html`${heading(place)}${body(place)}`;
}
