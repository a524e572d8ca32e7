// SPDX-License-Identifier: Apache-2.0
// A Sparkplug edge node (sparkplug-client) and a host (mqtt, sparkplug-payload), driven by a test over stdin: one JSON
// command per line, one JSON answer per line. argv[2]: {url, edge: {group, node, metrics, devices}, host: {id}}.
"use strict";
const { createInterface } = require("node:readline");
const sparkplug = require("sparkplug-client");
const mqtt = require("mqtt");
const payloads = require("sparkplug-payload").get("spBv1.0");

const config = JSON.parse(process.argv[2]);
const answer = (said) => process.stdout.write(JSON.stringify(said, plain) + "\n");

// 64-bit numbers come as Long: exact only as text
function plain(key, value) {
  if (value && typeof value === "object" && "low" in value && "high" in value && "unsigned" in value) return `${BigInt.asUintN(64, (BigInt(value.high) << 32n) | BigInt(value.low >>> 0))}`;
  if (value && value.type === "Buffer") return Buffer.from(value.data).toString("base64");
  return value;
}

// A metric as the library wants it; `quality` becomes the property Quality, bytes come as base64
function metric(said) {
  const { quality, ...one } = said;
  if (quality !== undefined) one.properties = { ...one.properties, Quality: { type: "Int32", value: quality } };
  if (one.type === "Bytes") one.value = Buffer.from(one.value, "base64");
  return one;
}
const metrics = (some) => some.map(metric);

let edge = null;
let births = 0;
let commands = 0;
let present = {}; // device ("" for the node) -> name -> what it is now

function define(device, some) {
  present[device] = Object.fromEntries(some.map((one) => [one.name, one]));
}

function bear() {
  births += 1;
  const now = Date.now();
  edge.publishNodeBirth({ timestamp: now, metrics: [{ name: "Node Control/Rebirth", type: "Boolean", value: false }, ...metrics(Object.values(present[""] || {}))] });
  for (const device of Object.keys(present).filter((one) => one)) edge.publishDeviceBirth(device, { timestamp: now, metrics: metrics(Object.values(present[device])) });
}

function startEdge(said) {
  present = {};
  define("", said.metrics || []);
  for (const [device, some] of Object.entries(said.devices || {})) define(device, some);
  edge = sparkplug.newClient({
    serverUrl: config.url, username: said.user || "", password: said.password || "", groupId: said.group, edgeNode: said.node,
    clientId: `${said.group}-${said.node}-${process.pid}`, publishDeath: true, mqttOptions: { reconnectPeriod: 100, ...said.options },
  });
  edge.on("birth", bear);
  edge.on("error", () => {});
  edge.on("ncmd", (payload) => {
    commands += 1;
    if (payload.metrics.some((one) => one.name === "Node Control/Rebirth" && one.value === true) && !said.deaf) bear();
  });
}

let host = null;
let heard = [];

function startHost() {
  host = mqtt.connect(config.url, { clientId: `host-${process.pid}`, reconnectPeriod: 100 });
  host.on("error", () => {});
  host.on("connect", () => host.subscribe("spBv1.0/#", { qos: 0 }));
  host.on("message", (topic, data, packet) => {
    const state = topic.startsWith("spBv1.0/STATE/");
    heard.push({ topic, retain: packet.retain, qos: packet.qos, payload: state ? JSON.parse(data.toString()) : payloads.decodePayload(data) });
  });
}

const does = {
  data({ device = "", metrics: some, keep = true }) {
    if (keep) for (const one of some) if (one.name && present[device][one.name]) Object.assign(present[device][one.name], { isNull: undefined, quality: undefined, ...one });
    const known = (one) => present[device][one.name] || {};
    const sent = some.map((one) => (known(one).alias === undefined ? one : { ...one, name: undefined, alias: known(one).alias }));
    const payload = { timestamp: Date.now(), metrics: metrics(sent) };
    if (device) edge.publishDeviceData(device, payload);
    else edge.publishNodeData(payload);
  },
  define({ device = "", metrics: some }) { define(device, some); bear(); },
  bear,
  die({ device }) { edge.publishDeviceDeath(device, { timestamp: Date.now() }); },
  skip({ count }) { edge.seq = (edge.seq + count) % 256; },
  raw({ topic, payload, retain = false }) { edge.client.publish(topic, Buffer.from(payload, "base64"), { retain }); },
  start(said) { startEdge(said.edge); },
  stop() { edge.stop(); },
  counts() { return { births, commands, connected: Boolean(edge && edge.connected) }; },
  heard() { const found = heard; heard = []; return { heard: found }; },
  listening() { return { connected: Boolean(host && host.connected) }; },
  state({ id, online }) { host.publish(`spBv1.0/STATE/${id}`, JSON.stringify({ online, timestamp: Date.now() }), { qos: 1, retain: true }); },
  rebirth({ group, node }) {
    host.publish(`spBv1.0/${group}/NCMD/${node}`, Buffer.from(payloads.encodePayload({ timestamp: Date.now(), metrics: [{ name: "Node Control/Rebirth", type: "Boolean", value: true }] })));
  },
  encode({ payload }) { return { data: Buffer.from(payloads.encodePayload({ ...payload, metrics: metrics(payload.metrics) })).toString("base64") }; },
  decode({ data }) { return { payload: payloads.decodePayload(Buffer.from(data, "base64")) }; },
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const said = JSON.parse(line);
  try {
    answer({ ok: true, ...does[said.do](said) });
  } catch (error) {
    answer({ ok: false, why: String(error.stack || error) });
  }
}).on("close", () => process.exit(0));

if (config.edge) startEdge(config.edge);
if (config.host) startHost();
answer({ ready: true });
