// SPDX-License-Identifier: Apache-2.0
// node-opcua's client receiving N tags for SECONDS: node opcua_client.js URL NAMESPACE_URI N SECONDS INTERVAL [PREFIX]
// Tags are PREFIXt0, PREFIXt1, ... It prints {"subscribed": true} once it receives, and at the end one JSON object: values
// received, in how many seconds, and CPU seconds spent while it only received.
"use strict";
const { OPCUAClient, AttributeIds, TimestampsToReturn } = require("node-opcua");

const [url, uri] = process.argv.slice(2, 4);
const [count, seconds, interval] = process.argv.slice(4, 7).map(Number);
const prefix = process.argv[7] || "";

async function main() {
  const client = OPCUAClient.create({
    endpointMustExist: false, transportSettings: { maxMessageSize: 1 << 24, maxChunkCount: 1000 },
  });
  await client.connect(url);
  const session = await client.createSession();
  const namespace = (await session.readNamespaceArray()).indexOf(uri);
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: interval, publishingEnabled: true, requestedLifetimeCount: 1000,
    requestedMaxKeepAliveCount: 20, maxNotificationsPerPublish: 0,
  });
  let values = 0;
  for (let start = 0; start < count; start += 1000) {
    const items = [];
    for (let i = start; i < Math.min(count, start + 1000); i++) {
      items.push({ nodeId: `ns=${namespace};s=${prefix}t${i}`, attributeId: AttributeIds.Value });
    }
    const group = await subscription.monitorItems(
      items, { samplingInterval: 0, queueSize: 10, discardOldest: true }, TimestampsToReturn.Both);
    group.on("changed", () => { values++; });
  }
  await new Promise((done) => setTimeout(done, 2000));
  console.log(JSON.stringify({ subscribed: true }));
  values = 0;
  const began = Date.now();
  const before = process.cpuUsage();
  await new Promise((done) => setTimeout(done, seconds * 1000));
  const used = process.cpuUsage(before);
  console.log(JSON.stringify({ values, seconds: (Date.now() - began) / 1000, cpu: (used.user + used.system) / 1e6 }));
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
