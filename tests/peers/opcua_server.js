// SPDX-License-Identifier: Apache-2.0
// An OPC UA server (node-opcua) that a test drives over its standard input: one JSON command a line, one JSON answer each.
// usage: node opcua_server.js '{"port": 0, "pki": "/folder", ...}'; it says {"ready": true} once it listens and ends with its input.
"use strict";
const readline = require("readline");
const path = require("path");
const {
  OPCUAServer, OPCUACertificateManager, DataType, Variant, VariantArrayType, StatusCodes, MessageSecurityMode,
  SecurityPolicy, nodesets, standardUnits, DataValue,
} = require("node-opcua");

const config = JSON.parse(process.argv[2] || "{}");
const URI = config.uri || "urn:isthmus:plant";
const nodes = new Map(); // name -> variable
let plant; // the plant's namespace
let folder;
let server;
let timer = null;

const answer = (what) => process.stdout.write(JSON.stringify(what) + "\n");

function typed(type, value) {
  if (type === "Int64" || type === "UInt64") {
    const whole = BigInt(value);
    return [Number((BigInt.asUintN(64, whole) >> 32n) & 0xffffffffn), Number(BigInt.asUintN(64, whole) & 0xffffffffn)];
  }
  if (type === "DateTime") return new Date(value);
  if (type === "ByteString") return Buffer.from(value, "base64");
  if (type === "LocalizedText") return { text: value, locale: "en" };
  if (type === "QualifiedName") return { name: value, namespaceIndex: 1 };
  return value;
}

function variant(type, value) {
  return Array.isArray(value)
    ? new Variant({ dataType: DataType[type], arrayType: VariantArrayType.Array, value: value.map((v) => typed(type, v)) })
    : new Variant({ dataType: DataType[type], arrayType: VariantArrayType.Scalar, value: typed(type, value) });
}

function add({ name, type = "Double", value = 0, unit, range, description, history, writable, interval = 0 }) {
  const options = {
    componentOf: folder, browseName: name, nodeId: `s=${name}`, dataType: type === "Any" ? "BaseDataType" : type,
    minimumSamplingInterval: interval, description,
    accessLevel: writable === false ? "CurrentRead" : "CurrentRead | CurrentWrite",
    ...(Array.isArray(value) ? { valueRank: 1 } : {}),
  };
  let node;
  if (unit) {
    node = plant.addAnalogDataItem({
      ...options, engineeringUnitsRange: { low: range ? range[0] : 0, high: range ? range[1] : 100 },
      engineeringUnits: standardUnits[unit], value: variant(type, value),
    });
  } else {
    node = plant.addVariable(options);
  }
  node.setValueFromSource(variant(type === "Any" ? "Double" : type, value), StatusCodes.Good);
  if (history) server.engine.addressSpace.installHistoricalDataNode(node, { maxOnlineValues: history });
  nodes.set(name, node);
}

function set({ name, type = "Double", value, status = "Good", time }) {
  const node = nodes.get(name);
  if (time === undefined) return node.setValueFromSource(variant(type, value), StatusCodes[status]);
  const ticks = BigInt(time); // 100 ns since 1970: a Date has milliseconds, the rest goes into picoseconds
  const milliseconds = ticks >= 0n ? ticks / 10000n : (ticks - 9999n) / 10000n;
  return node._internal_set_dataValue(new DataValue({
    value: variant(type, value), statusCode: StatusCodes[status], serverTimestamp: new Date(),
    sourceTimestamp: new Date(Number(milliseconds)), sourcePicoseconds: Number(ticks - milliseconds * 10000n) * 100000,
  }));
}

const commands = {
  add,
  async set({ then, ...how }) { // answers so many milliseconds of its own later: it has looked at the value by then
    set(how);
    if (then) await new Promise((go) => { setTimeout(go, then); });
  },
  many({ count, prefix = "t", type = "Double", ...rest }) {
    for (let i = 0; i < count; i++) add({ name: prefix + i, type, value: 0, ...rest });
  },
  remove({ name }) { server.engine.addressSpace.deleteNode(nodes.get(name)); nodes.delete(name); },
  retype({ name, type, value }) { const node = nodes.get(name); node.dataType = server.engine.addressSpace.findDataType(type).nodeId; set({ name, type, value }); },
  burst({ name, count, first = 0, time }) { // many values, one time when it is given
    for (let i = 0; i < count; i++) set({ name, value: first + i, time });
  },
  all({ prefix, status }) { // every node another status, at once
    const now = new Date();
    for (const [name, node] of nodes) {
      if (name.startsWith(prefix)) node.setValueFromSource({ dataType: DataType.Double, value: 1 }, StatusCodes[status], now);
    }
  },
  run({ period, prefix = "t" }) { // every node a new value, every period
    clearInterval(timer);
    let k = 0;
    const moving = [...nodes].filter(([name]) => name.startsWith(prefix)).map(([, node]) => node);
    const coarse = config.clock || 1;
    timer = period && setInterval(() => {
      k += 1;
      const now = new Date(Math.floor(Date.now() / coarse) * coarse);
      moving.forEach((node, i) => node.setValueFromSource({ dataType: DataType.Double, value: k + i * 0.001 }, StatusCodes.Good, now));
    }, period);
  },
  sessions() { return { sessions: server.engine.currentSessionCount, subscriptions: server.engine.currentSubscriptionCount }; },
  unacknowledged() {
    let most = 0;
    for (const session of Object.values(server.engine._sessions)) {
      for (const subscription of Object.values(session.publishEngine ? session.publishEngine._subscriptions || {} : {})) {
        most = Math.max(most, subscription.getAvailableSequenceNumbers().length);
      }
    }
    return { most };
  },
  async drop() { // closes every socket, as a network would; sessions live on
    for (const endpoint of server.endpoints) {
      for (const channel of endpoint.getChannels ? endpoint.getChannels() : Object.values(endpoint._channels)) {
        const socket = channel.transport._socket || channel.transport.socket;
        if (socket) socket.destroy();
      }
    }
  },
  end() { setImmediate(() => process.exit(0)); },
};

async function main() {
  const manager = async (name) => {
    const made = new OPCUACertificateManager({ rootFolder: path.join(config.pki, name), automaticallyAcceptUnknownCertificate: true });
    await made.initialize();
    return made;
  };
  const users = config.users;
  server = new OPCUAServer({
    port: config.port, hostname: "127.0.0.1", resourcePath: "/plant", nodeset_filename: [nodesets.standard],
    allowAnonymous: !users,
    ...(users ? { userManager: { isValidUser: (user, password) => users[user] === password } } : {}),
    ...(config.certificate ? { certificateFile: config.certificate, privateKeyFile: config.key } : {}),
    serverCertificateManager: await manager("server"), userCertificateManager: await manager("user"),
    securityModes: config.secure
      ? [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt] : [MessageSecurityMode.None],
    securityPolicies: config.secure
      ? [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep, SecurityPolicy.Aes256_Sha256_RsaPss, SecurityPolicy.Basic256]
      : [SecurityPolicy.None],
    disableDiscovery: true,
    serverCapabilities: {
      maxMonitoredItems: 200000, maxMonitoredItemsPerSubscription: 100000, maxSessions: 1000,
      operationLimits: { maxNodesPerRead: 2000, maxMonitoredItemsPerCall: config.perCall || 2000, maxNodesPerBrowse: 2000, ...(config.limits || {}) },
    },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  for (const uri of config.before || []) space.registerNamespace(uri);
  plant = space.registerNamespace(URI);
  folder = plant.addFolder("ObjectsFolder", { browseName: "Plant", nodeId: "s=Plant" });
  for (const node of config.nodes || []) add(node);
  if (config.many) commands.many(config.many);
  if (config.run) commands.run(config.run);
  await server.start();
  answer({ ready: true, index: plant.index });
}

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  try {
    const { do: what, ...how } = JSON.parse(line);
    answer({ ok: true, ...((await commands[what](how)) || {}) });
  } catch (error) {
    answer({ ok: false, error: String(error && error.stack) });
  }
});
lines.on("close", () => process.exit(0)); // the test is gone
main().catch((error) => { answer({ error: String(error && error.stack) }); process.exit(1); });
