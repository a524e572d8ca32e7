// SPDX-License-Identifier: Apache-2.0
// node-opcua's client receiving N tags for SECONDS: node opcua_client.js URL NAMESPACE_URI N SECONDS INTERVAL
// It prints one JSON object: values received and CPU seconds spent while it only received.
"use strict";
const { OPCUAClient, AttributeIds, TimestampsToReturn } = require("node-opcua");

const [url, uri] = process.argv.slice(2, 4);
const [count, seconds, interval] = process.argv.slice(4).map(Number);

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
      items.push({ nodeId: `ns=${namespace};s=t${i}`, attributeId: AttributeIds.Value });
    }
    const group = await subscription.monitorItems(
      items, { samplingInterval: 0, queueSize: 10, discardOldest: true }, TimestampsToReturn.Both);
    group.on("changed", () => { values++; });
  }
  await new Promise((done) => setTimeout(done, 2000));
  values = 0;
  const before = process.cpuUsage();
  await new Promise((done) => setTimeout(done, seconds * 1000));
  const used = process.cpuUsage(before);
  console.log(JSON.stringify({ values, cpu: (used.user + used.system) / 1e6 }));
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
