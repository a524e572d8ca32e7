// SPDX-License-Identifier: Apache-2.0
// One of the plant's OPC UA servers, by node-opcua: it offers what the simulation says.
// usage: node server.js '{"system": "packages", "port": 20000, "folder": ".../simulation", "status": ".../packages.json"}'
"use strict";
console.log = console.warn = console.info = () => undefined; // node-opcua tells its users what nobody here can act on
const fs = require("fs");
const net = require("net");
const path = require("path");
const readline = require("readline");
const {
  OPCUAServer, OPCUACertificateManager, DataType, Variant, StatusCodes, StatusCode, MessageSecurityMode, SecurityPolicy,
  nodesets, DataValue, coerceStatusCode,
} = require("node-opcua");

const config = JSON.parse(process.argv[2]);
const AGAIN = 300; // ms before the simulation is called again
const EVERY = 2000; // ms between two heartbeats
const SILENCE = 15000; // ms without a scan after which the simulation counts as away
const started = Date.now() * 1e6;
let variables = []; // in the order of the simulation's nodes
let ready = false;
let stopping = false;

function heartbeat() { // the same file as every other process of the plant writes
  const temporary = path.join(path.dirname(config.status), `.${path.basename(config.status)}.${process.pid}`);
  const said = { service: config.system, pid: process.pid, started, heartbeat: Date.now() * 1e6, ready, stopping, counters: {} };
  try {
    fs.writeFileSync(temporary, JSON.stringify(said) + "\n");
    fs.renameSync(temporary, config.status);
  } catch { /* a disk without room must not end the server */ }
}

function follow(line) { // calls the simulation; `line` gets each of its lines, a hang-up or an error gets null, once
  let over = false;
  const end = () => { if (!over) { over = true; socket.destroy(); line(null); } };
  let place;
  const socket = new net.Socket();
  try {
    place = JSON.parse(fs.readFileSync(path.join(config.folder, "desk.json"), "utf8"));
  } catch {
    setImmediate(end);
    return;
  }
  socket.setTimeout(SILENCE, end);
  socket.on("error", end).on("close", end);
  socket.connect(place.port, "127.0.0.1", () => {
    socket.write(JSON.stringify({ do: "follow", system: config.system, token: place.token }) + "\n");
  });
  readline.createInterface({ input: socket }).on("error", end).on("line", (text) => {
    if (over) return;
    let said;
    try {
      said = JSON.parse(text);
    } catch { // the simulation died in the middle of a line
      end();
      return;
    }
    line(said);
  });
}

const opening = () => new Promise((resolve) => {
  const call = () => {
    let first = true;
    follow((said) => {
      if (said && first) { first = false; resolve(said); }
      else if (!said && first) setTimeout(call, AGAIN);
    });
  };
  call();
});

function build(space, nodes) {
  const folders = new Map();
  const below = (names) => {
    if (names.length === 0) return "ObjectsFolder";
    const id = names.join("/");
    if (!folders.has(id)) {
      const parent = below(names.slice(0, -1));
      folders.set(id, space.addObject({ browseName: names[names.length - 1], nodeId: `s=${id}`, organizedBy: parent }));
    }
    return folders.get(id);
  };
  variables = nodes.map((node) => {
    const variable = space.addVariable({
      componentOf: below(node.path.slice(0, -1)), browseName: node.path[node.path.length - 1], nodeId: `s=${node.id}`,
      dataType: node.type, description: node.description, accessLevel: "CurrentRead", userAccessLevel: "CurrentRead",
      minimumSamplingInterval: 100,
    });
    return { variable, type: DataType[node.type] };
  });
}

function show(changes) {
  const now = new Date();
  for (const [position, value, quality, at] of changes) {
    const { variable, type } = variables[position];
    variable._internal_set_dataValue(new DataValue({
      value: new Variant({ dataType: type, value: type === DataType.Boolean ? value !== 0 : value }),
      statusCode: coerceStatusCode(quality), serverTimestamp: now,
      sourceTimestamp: new Date(Math.floor(at / 1000)), sourcePicoseconds: (at % 1000) * 1e6,
    }));
  }
}

function away() {
  for (const { variable, type } of variables) {
    variable.setValueFromSource(new Variant({ dataType: DataType.Null }), StatusCodes.BadNoCommunication);
  }
}

function live() {
  follow((said) => {
    if (!said) {
      away();
      setTimeout(live, AGAIN);
    } else if (said.changes) {
      show(said.changes);
      if (!ready) { ready = true; heartbeat(); }
    }
  });
}

async function main() {
  heartbeat();
  setInterval(heartbeat, EVERY);
  const said = await opening();
  const manager = async (name) => {
    const made = new OPCUACertificateManager({ rootFolder: path.join(config.folder, "pki", name) });
    await made.initialize();
    return made;
  };
  const server = new OPCUAServer({
    port: config.port, hostname: "127.0.0.1", host: "127.0.0.1", resourcePath: `/${config.system}`, nodeset_filename: [nodesets.standard],
    serverInfo: { applicationName: { text: said.title }, applicationUri: `${said.namespace}:server` },
    serverCertificateManager: await manager("server"), userCertificateManager: await manager("user"),
    securityModes: [MessageSecurityMode.None], securityPolicies: [SecurityPolicy.None], disableDiscovery: true,
    serverCapabilities: { maxSessions: 100 },
  });
  process.on("SIGTERM", async () => {
    stopping = true;
    setTimeout(() => process.exit(0), 2000).unref();
    await server.shutdown(0).catch(() => undefined);
    process.exit(0);
  });
  await server.initialize();
  build(server.engine.addressSpace.registerNamespace(said.namespace), said.nodes);
  away();
  await server.start();
  live();
}

process.on("SIGINT", () => undefined); // Ctrl-C reaches the parent, which ends this in good order
main().catch((error) => {
  process.stderr.write(`isthmus: ${config.system} cannot listen: ${(error && error.message) || error}\n`);
  process.exit(1);
});
