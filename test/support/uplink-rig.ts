/** An agent's uplink on a real outbox, and the messages of a gateway that prove its statements. */

import { join } from "node:path";
import { present } from "@tamga/ledger-core/base/assert";
import { unixMillis } from "@tamga/ledger-core/base/time";
import { silentLogger } from "@tamga/ledger-core/daemon/logger";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { SystemClock } from "@tamga/ledger-core/daemon/system-clock";
import { parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { encodeHeadMessage, encodeProofMessage } from "@tamga/ledger-core/wire/downlink-message";
import type { ClockQuality } from "@tamga/ledger-core/wire/reading";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import { parseStatementMessage } from "@tamga/ledger-core/wire/uplink-message";
import type { AgentEvent } from "../../agent/src/agent-event.ts";
import { DeviceIdentity } from "../../agent/src/identity/device-identity.ts";
import { outboxMigrations } from "../../agent/src/outbox/outbox-schema.ts";
import type { OutboxRun } from "../../agent/src/outbox/sqlite-outbox.ts";
import { SqliteOutbox } from "../../agent/src/outbox/sqlite-outbox.ts";
import { openFileSigner } from "../../agent/src/signer/file-signer.ts";
import { Downlink } from "../../agent/src/uplink/downlink.ts";
import { GatewayChains } from "../../agent/src/uplink/gateway-chains.ts";
import { KeptEpochs } from "../../agent/src/uplink/kept-epochs.ts";
import { KnownEpochs } from "../../agent/src/uplink/known-epochs.ts";
import { MqttUplink } from "../../agent/src/uplink/mqtt-uplink.ts";
import type { EnrolledDevice } from "./enrolled-device.ts";
import type { SyntheticChannel } from "./synthetic-channel.ts";

/** A clock whose wall time a test sets; waiting is real. */
class SetClock extends SystemClock {
  wall: number | undefined;
  override now() {
    return this.wall === undefined ? super.now() : unixMillis(this.wall);
  }
}

/** Starts the uplink with one stream, whose start statement is in the outbox. */
export async function startUplink(
  device: EnrolledDevice,
  ports: readonly number[],
  options: { readonly host?: string; readonly quality?: ClockQuality; readonly wall?: number } = {},
) {
  const { dataDir } = device;
  const clock = new SetClock();
  clock.wall = options.wall;
  const signer = await openFileSigner({ path: join(dataDir, "signing.key"), create: false });
  const identity = await DeviceIdentity.load(dataDir, signer);
  const database = openDatabase(join(dataDir, "outbox.db"), { migrations: outboxMigrations });
  const holder: { uplink?: MqttUplink } = {};
  const outbox = new SqliteOutbox({
    database,
    config: {
      quota: 2 ** 30,
      whenFull: "stop",
      maxCount: 64,
      maxBytes: 900_000,
      journalAfterMs: 1,
    },
    address: identity.address,
    signer,
    clock,
    crypto: nodeCrypto,
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    onStatement: () => holder.uplink?.wake(),
    onFailure: (error) => {
      throw error;
    },
  });
  const events: AgentEvent[] = [];
  const epochs = new KnownEpochs(nodeCrypto, identity.policy);
  const keptEpochs = new KeptEpochs(join(dataDir, "epochs.tamga"));
  keptEpochs.restore(epochs);
  const downlink = new Downlink({
    crypto: nodeCrypto,
    policy: identity.policy,
    epochs,
    device: identity.address.device,
    find: (incarnation, first) => outbox.find(incarnation, first),
    checkpoint: outbox.checkpoint(),
  });
  const host = options.host ?? "localhost";
  const uplink = new MqttUplink({
    gateways: ports.map((port) => ({ text: `mqtts://${host}:${port}`, host, port })),
    identity,
    signer,
    outbox,
    downlink,
    chains: new GatewayChains(join(dataDir, "gateway-chains.json")),
    epochs,
    keptEpochs,
    clock,
    clockQuality: () => options.quality ?? "ntp",
    logger: silentLogger,
    challenged: () => undefined,
    events: (event) => events.push(event),
  });
  holder.uplink = uplink;
  const { run, started } = await outbox.openRun({
    stream: device.address.device,
    protocol: "dsmr-p1",
    emulated: true,
    incarnation: crypto.getRandomValues(new Uint8Array(16)),
    bootId: new Uint8Array(16),
    agentVersion: "0.1.0",
  });
  await started;
  const stop = new AbortController();
  const running = uplink.run({ signal: stop.signal });
  let isStopped = false;
  const close = async () => {
    if (isStopped) return;
    isStopped = true;
    stop.abort();
    await running;
    outbox.close();
    database.close();
  };
  return { uplink, outbox, run, events, identity, clock, close };
}

/** One bundle of `count` readings of `size` bytes each; resolves when it is in the outbox, signed. */
export async function bundle(
  outbox: SqliteOutbox,
  run: OutboxRun,
  count = 1,
  size = 64,
): Promise<void> {
  const readings = Array.from({ length: count }, () => ({
    bytes: incompressible(size),
    receiveTime: unixMillis(1_780_000_000_000),
  }));
  const { range, durable } = outbox.journal(run, readings);
  await durable;
  await outbox.closeBundle(run, range.first + BigInt(count));
}

function incompressible(size: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(size));
}

export function statementOf(payload: Uint8Array): Uint8Array {
  const parsed = parseStatementMessage(payload);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  return parsed.value.statement;
}

export function positionOf(statement: Uint8Array) {
  const parsed = parseStatement(statement);
  if (!parsed.ok) throw new Error(parsed.fault.code);
  const { type } = parsed.value.header;
  if (type !== "start" && type !== "bundle") throw new Error(type);
  const claims = parseDeviceClaims(type, parsed.value.claims);
  if (!claims.ok) throw new Error(claims.fault.code);
  return claims.value.position;
}

/** Puts statements into the synthetic lane and gives the messages that prove them. */
export function prove(
  channel: SyntheticChannel,
  statements: readonly Uint8Array[],
  {
    from,
    sealedBy,
  }: { readonly from?: number; readonly sealedBy?: SyntheticChannel["validators"] } = {},
) {
  const indices = statements.map((statement) => channel.admit(statement));
  const head = channel.seal();
  const proof = buildProof(channel, statements, indices, Number(head.lane.size));
  const { lane, ...sealed } = head;
  const index = Number(head.channel.index);
  const evidence =
    sealedBy === undefined ? sealed : { ...sealed, channel: channel.evidence(index, sealedBy) };
  const consistency =
    from === undefined
      ? {}
      : {
          consistency: {
            fromSize: BigInt(from),
            path: channel.log.consistency(from, Number(head.channel.size)),
          },
        };
  return {
    head: encodeHeadMessage({ ...evidence, ...consistency }),
    final: encodeProofMessage({ ...laneOf(channel), ...lane, ...proof }),
    provisional: encodeProofMessage({
      ...laneOf(channel),
      ...lane,
      signature: head.laneSignature,
      ...proof,
    }),
    size: Number(head.channel.size),
  };
}

/** Which lane a proof speaks of. */
function laneOf({ gateway, laneIncarnation: incarnation }: SyntheticChannel) {
  return { gateway: gateway.name, incarnation };
}

function buildProof(
  channel: SyntheticChannel,
  statements: readonly Uint8Array[],
  indices: readonly number[],
  size: number,
) {
  const hashes = channel.lane.multiproof(indices, size);
  const entries = statements.map((statement, i) => {
    const { incarnation, range } = positionOf(statement);
    const leafIndex = BigInt(present(indices[i], "index"));
    return { incarnation, first: range.first, leafIndex };
  });
  return { entries, hashes };
}
