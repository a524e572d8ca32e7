// SPDX-License-Identifier: Apache-2.0
// A node-opcua server with N Double tags that all change every PERIOD ms: node opcua_source.js N PERIOD [CHANGES]
// It prints "READY <port>" and one line per change of the whole set: "<k> <ms>".
"use strict";
const { OPCUAServer, DataType, StatusCodes } = require("node-opcua");

const [count, period] = process.argv.slice(2).map(Number);

async function main() {
  const server = new OPCUAServer({
    port: 0,
    host: "127.0.0.1",
    resourcePath: "/bench",
    allowAnonymous: true,
    serverCapabilities: {
      maxMonitoredItems: 200000,
      maxMonitoredItemsPerSubscription: 100000,
      operationLimits: { maxNodesPerRead: 10000, maxMonitoredItemsPerCall: 10000, maxNodesPerBrowse: 10000 },
    },
  });
  await server.initialize();
  const own = server.engine.addressSpace.getOwnNamespace();
  const folder = own.addFolder("ObjectsFolder", { browseName: "Bench" });
  const tags = [];
  for (let i = 0; i < count; i++) {
    const tag = own.addVariable({
      componentOf: folder, browseName: `t${i}`, nodeId: `s=t${i}`, dataType: "Double", minimumSamplingInterval: 0,
    });
    tag.setValueFromSource({ dataType: DataType.Double, value: 0 });
    tags.push(tag);
  }
  await server.start();
  let round = 0;
  let next = Date.now() + period;
  const change = () => {
    round++;
    const now = new Date();
    tags.forEach((tag, i) => {
      tag.setValueFromSource({ dataType: DataType.Double, value: round + i * 0.001 }, StatusCodes.Good, now);
    });
    next += period;
    setTimeout(change, Math.max(0, next - Date.now()));
  };
  setTimeout(change, period);
  const port = server.endpoints[0].port;
  console.log(`READY ${port} ${own.namespaceUri}`);
}

process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
main().catch((error) => { console.error(error); process.exit(1); });
