// SPDX-License-Identifier: Apache-2.0
// A web server of Node's own http module: serves JSON that a test sets, and takes pushes, checking their signatures.
// node web_server.js PORT [CERTIFICATE KEY]; commands are JSON lines on stdin, each answered with one line.
"use strict";
const crypto = require("crypto");
const fs = require("fs");
const zlib = require("zlib");

const fresh = () => ({ pages: {}, asked: {}, pushes: [], answers: [], stored: [], ids: {}, secret: "", refuse: null, echo: [] });
const state = fresh();

function page(request, response) {
  const path = request.url;
  state.asked[path] = (state.asked[path] || 0) + 1;
  state.echo.push({ path, headers: request.headers, at: performance.now() / 1000 });
  const found = state.pages[path] || { status: 404, body: "no such page" };
  if (found.raw !== undefined) { request.socket.end(Buffer.from(found.raw, "base64")); return; }
  if (found.silent) return;
  const body = found.base64 ? Buffer.from(found.body, "base64") : Buffer.from(found.body || "");
  const headers = { "content-type": "application/json", ...found.headers };
  if (headers.etag && request.headers["if-none-match"] === headers.etag) { response.writeHead(304, headers); response.end(); return; }
  if (found.drip) { response.writeHead(200, headers); drip(response, body, found.drip); return; }
  response.writeHead(found.status || 200, headers);
  response.end(body);
}

function drip(response, body, pause) {
  let place = 0;
  const timer = setInterval(() => {
    if (place >= body.length || response.destroyed) { clearInterval(timer); response.end(); return; }
    response.write(body.subarray(place, ++place));
  }, pause);
}

function push(request, response) {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const wire = Buffer.concat(pieces);
    const body = request.headers["content-encoding"] === "gzip" ? zlib.gunzipSync(wire) : wire;
    const id = request.headers["webhook-id"] || "";
    const text = body.toString("utf8");
    const rows = request.headers["content-type"].includes("ndjson")
      ? text.split("\n").filter((line) => line).map((line) => JSON.parse(line)) : JSON.parse(text);
    const seen = { id, key: request.headers["idempotency-key"], rows: rows.length, signed: signed(request.headers, wire), headers: request.headers };
    const answer = state.answers.length ? state.answers.shift() : verdict(rows);
    seen.status = answer.status;
    state.pushes.push(seen);
    if (answer.silent) return;
    if (answer.status < 300 || answer.store) { if (!state.ids[id]) state.stored.push(...rows); state.ids[id] = true; }
    if (answer.hang) { request.socket.destroy(); return; }
    response.writeHead(answer.status, answer.headers || {});
    response.end(answer.body || "");
  });
}

function verdict(rows) {
  const bad = state.refuse !== null && rows.some((row) => row.value === state.refuse);
  return bad ? { status: 422, body: JSON.stringify({ error: `value ${state.refuse} is not wanted` }) } : { status: 202 };
}

function signed(headers, wire) {
  if (!state.secret || !headers["webhook-signature"]) return false;
  const content = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), wire]);
  const right = "v1," + crypto.createHmac("sha256", state.secret).update(content).digest("base64");
  return headers["webhook-signature"] === right;
}

function handle(request, response) {
  if (request.method === "POST") push(request, response); else page(request, response);
}

const [port, certificate, key] = process.argv.slice(2);
const server = certificate
  ? require("https").createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, handle)
  : require("http").createServer(handle);
server.keepAliveTimeout = 60000;
server.listen(Number(port), "127.0.0.1", () => process.stdout.write("READY\n"));

const commands = {
  page: ({ path, ...said }) => { if (said.gone) delete state.pages[path]; else state.pages[path] = said; },
  set: (said) => Object.assign(state, said),
  get: ({ what }) => state[what],
  values: () => state.stored.map((row) => [row.tag, row.value]),
  reset: () => { Object.assign(state, fresh()); },
  count: () => ({ stored: state.stored.length, pushes: state.pushes.length }),
};
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { do: what, ...said } = JSON.parse(line);
  process.stdout.write(JSON.stringify(commands[what](said) ?? null) + "\n");
}).on("close", () => process.exit(0));
