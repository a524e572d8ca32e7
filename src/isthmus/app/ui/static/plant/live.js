// SPDX-License-Identifier: Apache-2.0
/**
 * The live socket: the only place that writes readings. It comes back by itself, and says how it is.
 * @module
 */
import { batch, signal } from "../vendor/signals-core/signals-core.js";
import { load, plant, take, thePlant } from "./tags.js";

/** Longest pause between two tries, ms. */
const LONGEST_PAUSE = 4000;

/** Silence after which the server is asked whether it is there, ms: a page is only turned when there is news. */
const QUIET = 4000;

/** How long an answer may take before the connection is given up, ms. */
const PATIENCE = 8000;

/** Whether the server answers. */
export const online = signal(false);
/** Whether the log answers the server. */
export const away = signal(false);
/** When the last page came, ms; 0: never. */
export const heard = signal(0);
/** When the connection was lost, ms; 0: it is not. */
export const lost = signal(0);
/** Counts the pages: a small thing to hang sparklines on. */
export const pages = signal(0);
/** What time it is, by the second. */
export const now = signal(Date.now());

/** @type {WebSocket | null} */
let socket = null;
let pause = 250;
/** The page that came last, and the life of the server that gave it. */
let latest = 0;
let life = "";
/** When the server was asked last, ms. */
let asked = 0;

/** Connects, for as long as the page is open. */
export async function connect() {
  setInterval(tick, 1000);
  await open();
}

function tick() {
  now.value = Date.now();
  if (!online.peek() || now.peek() - heard.peek() < QUIET) return;
  if (asked < heard.peek()) want(latest);
  else if (now.peek() - asked > PATIENCE) given();
}

/** Asks for all that changed since a page. @param {number} since */
function want(since) {
  asked = Date.now();
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ since, life }));
}

/** Gives the connection up without waiting for the other side to agree. */
function given() {
  if (socket) socket.onclose = socket.onmessage = null;
  socket?.close();
  again();
}

async function open() {
  const show = await load().catch(() => null);
  if (!show) return again();
  show();
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`);
  socket.onopen = () => want(latest);
  socket.onmessage = (event) => turned(JSON.parse(event.data));
  socket.onclose = again;
}

function again() {
  socket = null;
  batch(() => {
    online.value = false;
    if (!lost.peek()) lost.value = Date.now();
  });
  setTimeout(open, pause);
  pause = Math.min(pause * 2, LONGEST_PAUSE);
}

/** @param {{page: number, life: string, at: number, revision: number, away?: boolean, values: [number, any, number, number, number][]}} page */
function turned(page) {
  pause = 250;
  latest = page.page;
  life = page.life;
  if (page.revision !== plant.peek()?.revision) reload();
  const { byNumber } = thePlant();
  batch(() => {
    online.value = true;
    lost.value = 0;
    heard.value = Date.now();
    away.value = page.away ?? false;
    for (const [number, value, at, code, flags] of page.values) {
      const tag = byNumber.get(number);
      if (tag) take(tag, { value, at, code, flags });
    }
    pages.value++;
  });
}

let reloading = false;
/** A new revision runs: the tags are asked for anew, and all their values. */
async function reload() {
  if (reloading) return;
  reloading = true;
  const show = await load().catch(() => null);
  reloading = false;
  if (!show) return socket?.close();
  show();
  want(0);
}
