// SPDX-License-Identifier: Apache-2.0
// An OPC UA client (node-opcua) that a test drives over its standard input: one JSON command a line, one JSON answer each.
// usage: node opcua_client.js '{"url": "opc.tcp://...", "pki": "/folder", "security": "None", "user": "", ...}'
// It says {"ready": true} once it has a session, or {"error": "..."} and ends. What is subscribed comes as {"heard": [...]}
// answers to {"do": "heard"}.
"use strict";
const readline = require("readline");
const path = require("path");
const {
  OPCUAClient, OPCUACertificateManager, AttributeIds, TimestampsToReturn, MessageSecurityMode, SecurityPolicy,
  UserTokenType, DataType, Variant, AggregateFunction, MonitoringMode, DataChangeFilter, DataChangeTrigger,
  DeadbandType, HistoryReadRequest, ReadRawModifiedDetails, ReadProcessedDetails, ReadAtTimeDetails, BrowseDirection,
  resolveNodeId, NodeClass,
} = require("node-opcua");

const config = JSON.parse(process.argv[2] || "{}");
const answer = (what) => process.stdout.write(JSON.stringify(what) + "\n");
let client, session, namespace;
let restored = 0; // times it had its session back after its connection was lost
const heard = [];
const groups = new Map(); // name -> { subscription, items }

function plain(value) {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) {
    // 64-bit integers are pairs [high, low]
    return value.map(plain);
  }
  if (typeof value === "object") {
    if (value.text !== undefined && value.locale !== undefined) return value.text;
    if (value.toJSON) return value.toJSON();
  }
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

function sample(data) {
  const type = data.value ? DataType[data.value.dataType] : null;
  let value = data.value ? data.value.value : null;
  if (type === "Int64" || type === "UInt64") {
    const whole = (BigInt(value[0]) << 32n) | BigInt(value[1]);
    const exact = type === "Int64" ? BigInt.asIntN(64, whole) : whole;
    value = Number.isSafeInteger(Number(exact)) ? Number(exact) : String(exact);
  } else if (type === "StatusCode") value = value.value;
  else value = plain(value);
  return {
    value, type, status: data.statusCode.value,
    at: data.sourceTimestamp ? data.sourceTimestamp.getTime() : null,
    server: data.serverTimestamp ? data.serverTimestamp.getTime() : null,
  };
}

const id = (text) => (/^(ns=|i=|s=)/.test(text) ? text : `ns=${namespace};s=${text}`);

async function connect() {
  const [policy, mode] = (config.security || "None").split("/");
  const policies = { Aes128_Sha256_RsaOaep: "Aes128_Sha256_RsaOaep", Aes256_Sha256_RsaPss: "Aes256_Sha256_RsaPss" };
  const options = {
    applicationName: "peer", endpointMustExist: false, clientName: config.name,
    connectionStrategy: { maxRetry: config.retry ?? 0, initialDelay: 100, maxDelay: 500 },
    securityMode: MessageSecurityMode[mode || "None"],
    securityPolicy: SecurityPolicy[policies[policy] || policy],
    requestedSessionTimeout: config.session ?? 120000, defaultTransactionTimeout: 90000, keepSessionAlive: config.keep ?? false,
    transportSettings: { maxMessageSize: 1 << 24, maxChunkCount: 1000, receiveBufferSize: 65535, sendBufferSize: 65535 },
  };
  if (config.pki) {
    const manager = new OPCUACertificateManager({ rootFolder: config.pki, automaticallyAcceptUnknownCertificate: true });
    await manager.initialize();
    options.clientCertificateManager = manager;
  }
  if (config.certificate) {
    options.certificateFile = config.certificate;
    options.privateKeyFile = config.key;
    options.applicationUri = config.uri;
  }
  client = OPCUAClient.create(options);
  await client.connect(config.url);
  session = await client.createSession(
    config.user ? { type: UserTokenType.UserName, userName: config.user, password: config.password }
      : { type: UserTokenType.Anonymous });
  session.on("session_restored", () => restored++);
  namespace = (await session.readNamespaceArray()).indexOf(config.namespace);
}

const commands = {
  async read({ nodes }) {
    const ask = nodes.map((one) => ({ nodeId: id(one), attributeId: AttributeIds.Value }));
    return { values: (await session.read(ask)).map(sample) };
  },
  async attribute({ node, name }) {
    const found = await session.read({ nodeId: id(node), attributeId: AttributeIds[name] });
    return { value: found.value ? plain(found.value.value) : null, status: found.statusCode.value,
      text: found.value ? String(found.value.value) : "" };
  },
  async browse({ node, most = 0, inverse = false }) {
    const ask = {
      nodeId: id(node), browseDirection: inverse ? BrowseDirection.Inverse : BrowseDirection.Forward,
      referenceTypeId: null, includeSubtypes: true, nodeClassMask: 0, resultMask: 63,
    };
    session.requestedMaxReferencesPerNode = most;
    let result = await session.browse(ask);
    let references = result.references || [], pages = 1;
    while (result.continuationPoint && result.continuationPoint.length) {
      result = await session.browseNext(result.continuationPoint, false);
      references = references.concat(result.references || []);
      pages++;
    }
    return { pages, status: result.statusCode.value, references: references.map((one) => ({
      node: one.nodeId.toString(), name: one.browseName.name, by: one.referenceTypeId.value,
      class: NodeClass[one.nodeClass], type: one.typeDefinition.toString(),
    })) };
  },
  async write({ node, value }) {
    const status = await session.write({
      nodeId: id(node), attributeId: AttributeIds.Value, value: { value: new Variant({ dataType: DataType.Double, value }) },
    });
    return { status: status.value };
  },
  async subscribe({ name = "all", nodes, interval = 100, sampling = 0, size = 10, oldest = true, trigger, deadband,
    percent, mode = "Reporting", stamps = "Both", most = 0, lifetime = 1000, keepAlive = 20 }) {
    let group = groups.get(name);
    if (!group) {
      const subscription = await session.createSubscription2({
        requestedPublishingInterval: interval, publishingEnabled: true, requestedLifetimeCount: lifetime,
        requestedMaxKeepAliveCount: keepAlive, maxNotificationsPerPublish: most,
      });
      group = { subscription, items: [], numbers: [] };
      groups.set(name, group);
    }
    const filter = deadband !== undefined || percent !== undefined || trigger !== undefined
      ? new DataChangeFilter({
        trigger: DataChangeTrigger[trigger || "StatusValue"],
        deadbandType: DeadbandType[percent !== undefined ? "Percent" : deadband !== undefined ? "Absolute" : "None"],
        deadbandValue: percent ?? deadband ?? 0,
      }) : null;
    const revised = [];
    for (let start = 0; start < nodes.length; start += 1000) {
      const some = nodes.slice(start, start + 1000);
      const made = await group.subscription.monitorItems(
        some.map((one) => ({ nodeId: id(one), attributeId: AttributeIds.Value })),
        { samplingInterval: sampling, queueSize: size, discardOldest: oldest, filter },
        TimestampsToReturn[stamps]);
      if (mode !== "Reporting") await made.setMonitoringMode(MonitoringMode[mode]);
      made.on("changed", (item, data, index) => heard.push({ node: some[index], ...sample(data) }));
      for (const item of made.monitoredItems) {
        group.items.push(item);
        revised.push({ status: item.statusCode ? item.statusCode.value : 0,
          size: item.result ? item.result.revisedQueueSize : null,
          sampling: item.result ? item.result.revisedSamplingInterval : null });
      }
    }
    return { subscription: group.subscription.subscriptionId, revised: revised.length > 20 ? revised.slice(0, 20) : revised,
      good: revised.filter((one) => one.status === 0).length };
  },
  async trigger({ from, to }) {
    const group = groups.get("all");
    const found = await group.subscription.setTriggering(
      groups.get(from).items[0], groups.get(to).items.map((one) => one), null);
    return { status: (found.addResults || []).map((one) => one.value) };
  },
  async restored() { return { times: restored }; },
  async heard() { return { heard: heard.splice(0) }; },
  async unsubscribe({ name = "all" }) {
    await groups.get(name).subscription.terminate();
    groups.delete(name);
    return {};
  },
  async history({ nodes, details, points, release = false, stamps = "Both" }) {
    const when = (ms) => (ms === null || ms === undefined ? null : new Date(ms));
    const make = {
      raw: () => new ReadRawModifiedDetails({
        isReadModified: false, startTime: when(details.start), endTime: when(details.end),
        numValuesPerNode: details.most || 0, returnBounds: details.bounds || false,
      }),
      processed: () => new ReadProcessedDetails({
        startTime: when(details.start), endTime: when(details.end), processingInterval: details.every,
        aggregateType: nodes.map(() => resolveNodeId(AggregateFunction[details.aggregate])),
        aggregateConfiguration: details.configuration || { useServerCapabilitiesDefaults: true },
      }),
      at: () => new ReadAtTimeDetails({ reqTimes: details.times.map(when), useSimpleBounds: details.simple || false }),
    };
    const request = new HistoryReadRequest({
      historyReadDetails: make[details.kind](), releaseContinuationPoints: release,
      timestampsToReturn: TimestampsToReturn[stamps],
      nodesToRead: nodes.map((one, place) => ({
        nodeId: id(one), continuationPoint: points && points[place] ? Buffer.from(points[place], "hex") : undefined,
      })),
    });
    const response = await session.performMessageTransaction(request);
    return { results: (response.results || []).map((one) => ({
      status: one.statusCode.value,
      point: one.continuationPoint && one.continuationPoint.length ? one.continuationPoint.toString("hex") : null,
      values: one.historyData && one.historyData.dataValues ? one.historyData.dataValues.map(sample) : null,
    })) };
  },
};

async function main() {
  try {
    await connect();
  } catch (error) {
    answer({ error: String(error.message || error) });
    process.exit(1);
  }
  answer({ ready: true });
  const lines = readline.createInterface({ input: process.stdin });
  for await (const line of lines) {
    const { do: what, ...given } = JSON.parse(line);
    try {
      answer(await commands[what](given));
    } catch (error) {
      answer({ error: String(error.message || error) });
    }
  }
  process.exit(0);
}

main();
