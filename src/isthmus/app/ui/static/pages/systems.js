// SPDX-License-Identifier: Apache-2.0
/**
 * Systems, outputs, services, the log, and what happened in the last day.
 * @module
 */
import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { signal } from "../vendor/signals-core/signals-core.js";
import { watch } from "../watch.js";
import { ask } from "../plant/tags.js";
import { fullTime, size, span } from "../plant/words.js";
import { condition } from "../parts/systems.js";

/** @typedef {import("../plant/events.js").Happened} Happened */

/** Events that are shown. */
const MOST = 200;

/** @typedef {{events: Happened[], gaps: Happened[], problem: string}} Told */
const told = signal(/** @type {Told | null} */ (null));

/** Asks for events and gaps of the last day. */
async function look() {
  try {
    const [events, gaps] = await Promise.all([ask(`/api/events?from=-1d&limit=${MOST}`), ask(`/api/gaps?from=-1d&limit=${MOST}`)]);
    told.value = { events: events.reverse(), gaps: gaps.reverse(), problem: "" };
  } catch (error) {
    told.value = { events: [], gaps: [], problem: String(error instanceof Error ? error.message : error) };
  }
}

/** @param {string} text @param {string} fine */
const state = (text, fine) => (text === fine ? html`<span class="fine">${text}</span>` : html`<span class="badge bad"><i aria-hidden="true">■</i> ${text}</span>`);

/**
 * Why it is not connected, and when it is tried again; while it is, what is wrong with single tags.
 * @param {import("../parts/systems.js").System} one
 */
const problem = (one) => {
  const left = one.again ? Date.parse(one.again) - Date.now() : 0;
  return one.problem ? `${one.problem}${left > 0 ? `; tried again in ${span(left)}` : ""}` : one.tags_problem;
};

/** @param {import("../parts/systems.js").System} one */
const system = (one) =>
  html`<tr><th scope="row">${one.name}</th><td>${state(one.state, "connected")}</td><td>${one.kind}</td><td class="number">${one.tags}</td>
    <td class="number">${one.bad ? html`<span class="badge bad"><i aria-hidden="true">■</i> ${one.bad} bad</span>` : "0"}</td><td class="number">${one.samples.toLocaleString("en-GB")}</td>
    <td class="number">${one.quarantined ? html`<a href=${`/api/quarantine?system=${encodeURIComponent(one.name)}`} target="_blank" rel="noopener">${one.quarantined.toLocaleString("en-GB")}</a>` : "0"}</td>
    <td>${one.zone}</td><td>${one.owner}</td><td class="wide">${problem(one)}</td><td class="dim">${one.file}:${one.line}</td></tr>`;

/** @param {import("../parts/systems.js").Output} one */
const output = (one) =>
  html`<tr><th scope="row">${one.name}</th><td>${state(one.state, "connected")}</td><td>${one.kind}</td><td class="number">${one.tags}</td>
    <td class="number">${one.delivered.toLocaleString("en-GB")}</td><td class="number">${one.behind === null ? "–" : one.behind ? `${one.behind.toLocaleString("en-GB")} messages${one.lag ? `, ${span(one.lag * 1000)}` : ""}` : "0"}</td>
    <td class="number">${one.parked ? html`<span class="badge stale"><i aria-hidden="true">▲</i> ${one.parked.toLocaleString("en-GB")} parked</span>` : "0"}</td>
    <td>${one.zone}</td><td>${one.owner}</td><td class="wide">${one.problem}</td><td class="dim">${one.file}:${one.line}</td></tr>`;

/** Columns of numbers. */
const NUMBERS = new Set(["Tags", "Bad", "Samples", "Quarantined", "Delivered", "Behind", "Parked", "Process", "Restarts", "Heard of"]);

/** @param {string} name @param {readonly string[]} columns @param {unknown} body */
const table = (name, columns, body) =>
  html`<div class="scroll" tabindex="0" role="region" aria-label=${name}><table class="plain"><caption class="hidden">${name}</caption>
    <thead><tr>${columns.map((text) => html`<th scope="col" class=${NUMBERS.has(text) ? "number" : ""}>${text}</th>`)}</tr></thead><tbody>${body}</tbody></table></div>`;

const condensed = () => {
  const found = condition.value;
  if (!found) return html`<p role="status">Asking …</p>`;
  const { log } = found;
  return html`<h2>Systems</h2>
    ${table("Systems", ["System", "State", "Kind", "Tags", "Bad", "Samples", "Quarantined", "Zone", "Owner", "Problem", "Plant file"], found.systems.map(system))}
    ${found.outputs.length ? html`<h2>Outputs</h2>${table("Outputs", ["Output", "State", "Kind", "Tags", "Delivered", "Behind", "Parked", "Zone", "Owner", "Problem", "Plant file"], found.outputs.map(output))}` : nothing}
    <h2>Services</h2>
    ${table("Services", ["Service", "State", "Process", "Restarts", "Heard of"], found.services.map((one) => html`<tr><th scope="row">${one.name}</th><td>${state(one.state, "ready")}</td><td class="number">${one.pid ?? "–"}</td><td class="number">${one.restarts}</td><td class="number">${one.age === null ? "never" : `${span(one.age * 1000)} ago`}</td></tr>`))}
    <h2>Log</h2>
    <p class="log">${state(log.state, "ready")} <meter min="0" max="1" high="0.8" value=${log.fill} aria-label="Fill of the log"></meter>
      ${size(log.bytes)} of ${size(log.limit)} (${(log.fill * 100).toFixed(1)} %), ${log.unread} messages not read yet, ${log.unwritten} not in segments yet.${log.problem ? html` <b>${log.problem}</b>` : nothing}</p>`;
};

/** @param {Happened} one */
const event = (one) =>
  html`<tr class=${one.severity}><td class="number"><time datetime=${one.time}>${fullTime(Date.parse(one.time))}</time></td><td>${one.kind}</td>
    <td>${one.severity === "information" ? "information" : html`<span class="badge ${one.severity === "warning" ? "stale" : "bad"}"><i aria-hidden="true">${one.severity === "warning" ? "▲" : "■"}</i> ${one.severity}</span>`}</td><td>${one.source}</td><td class="wide">${one.message}</td></tr>`;

/** @param {string} name @param {readonly Happened[]} found @param {string} none */
const list = (name, found, none) =>
  html`<h2>${name}</h2>${found.length ? table(name, ["Time", "Kind", "Severity", "Of", "What"], found.map(event)) : html`<p class="fine">${none}</p>`}`;

const happened = () => {
  const found = told.value;
  if (!found) return html`<p role="status">Asking for events …</p>`;
  if (found.problem) return html`<p role="alert">Events could not be read: ${found.problem}</p>`;
  return html`${list("Gaps of the last day", found.gaps, "No samples are missing.")}${list("Events of the last day", found.events, "Nothing happened.")}`;
};

export function systemsPage() {
  look();
  return html`<div class="heading"><h1>Systems and services</h1><span class="about">What Isthmus talks to, and how its own parts are</span><button @click=${look}>Read events anew</button></div>
    ${watch(condensed)}${watch(happened)}`;
}
