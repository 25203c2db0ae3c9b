/** The agent's parts list: the one place that knows ports and what implements them. */

import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import { createHttpServer } from "@tamga/ledger-core/daemon/metrics-server";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { NotifyEnvironment } from "@tamga/ledger-core/daemon/sd-notify";
import { SdNotify } from "@tamga/ledger-core/daemon/sd-notify";
import type { Service } from "@tamga/ledger-core/daemon/service";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import { openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import { ensureDir, lockDataDir } from "@tamga/ledger-core/daemon/state-dir";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { bootId, clockQuality as lookAtClock } from "@tamga/ledger-core/daemon/system-clock";
import { watchdogServices } from "@tamga/ledger-core/daemon/watchdog-service";
import type { EventSink } from "./agent-event.ts";
import type { AgentStatus } from "./agent-status.ts";
import { healthChecks } from "./agent-status.ts";
import { openRestKey } from "./at-rest/rest-key.ts";
import { cachedClockQuality } from "./cached-clock-quality.ts";
import type { AgentConfig } from "./config.ts";
import { gatewaysOf, requireSame } from "./device-config.ts";
import type { EvidenceSourceOptions } from "./evidence-source.ts";
import { EvidenceSource } from "./evidence-source.ts";
import { Heartbeats } from "./heartbeats.ts";
import { deviceFile, writeDeviceFile } from "./identity/device-files.ts";
import { DeviceIdentity, readDeviceRecord } from "./identity/device-identity.ts";
import { makeTpmKeyProof } from "./identity/tpm-claim.ts";
import { createLink } from "./link/create-link.ts";
import { createMetrics } from "./metrics.ts";
import { outboxMigrations } from "./outbox/outbox-schema.ts";
import { RowSealing, restCheckOf } from "./outbox/row-sealing.ts";
import { SqliteOutbox } from "./outbox/sqlite-outbox.ts";
import { KeyRotation } from "./rotation/key-rotation.ts";
import { keyInUse, readRotation } from "./rotation/rotation-file.ts";
import { settleFiles, takeWayBack } from "./rotation/settle-files.ts";
import { HeldSigner } from "./signer/held-signer.ts";
import { openSigner, requireKeyUri } from "./signer/open-signer.ts";
import { processModules } from "./signer/pkcs11-module.ts";
import { renderStatusPage } from "./status-page.ts";
import { StatusReporter } from "./status-reporter.ts";
import { StreamSource } from "./stream-source.ts";
import { tpmEvidence } from "./tpm/tpm-evidence.ts";
import { Downlink } from "./uplink/downlink.ts";
import { GatewayChains } from "./uplink/gateway-chains.ts";
import { KeptEpochs } from "./uplink/kept-epochs.ts";
import { KnownEpochs } from "./uplink/known-epochs.ts";
import { MqttUplink } from "./uplink/mqtt-uplink.ts";
import { agentVersion } from "./version.ts";

export type Surroundings = {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly notify: NotifyEnvironment;
  /** Undefined where nobody wants a line for each reading. */
  readonly events: EventSink | undefined;
};

export type Agent = {
  /** In the order of opening. */
  readonly services: readonly Service[];
  readonly notify: SdNotify;
  readonly status: () => AgentStatus;
};

/**
 * Opens key, identity and outbox, and puts all together; nothing runs yet. Throws what the parts throw,
 * and CONFIG_MISMATCH where the configuration names another device than the enrolment.
 */
export async function compose(config: AgentConfig, around: Surroundings): Promise<Agent> {
  const { clock, logger, events } = around;
  const dataDir = config.data_dir;
  ensureDir(dataDir, 0o700);
  await using opened = new AsyncDisposableStack();
  const lock = lockDataDir(dataDir);
  opened.defer(() => lock.release());
  // Before the key is looked for: who is not enrolled should be told that.
  requireSame(config, readDeviceRecord(dataDir));
  const record = takeWayBack(dataDir, readRotation(dataDir));
  const uri = keyInUse(config, record);
  // A power cut may have come between the one file that decides and those that follow it.
  if (record?.key === uri) settleFiles(dataDir, record);
  const maker = evidenceMaker(config, { uri, clock });
  const signerLogger = logger.child({ component: "signer" });
  const { profile } = config;
  const open = (of: string) =>
    openSigner({ uri: of, profile, create: false, logger: signerLogger, clock });
  const signer = new HeldSigner(await open(uri));
  opened.defer(() => signer.close());
  const identity = await DeviceIdentity.load(dataDir, signer);
  const database = openDatabase(deviceFile(dataDir, "outbox"), { migrations: outboxMigrations });
  opened.defer(() => {
    database.close();
  });
  const rows = await openRows(config, { uri: record?.restKey ?? uri, database, clock });

  const failure = Promise.withResolvers<never>();
  // Whoever waits for it comes later; until then it must not count as unhandled.
  failure.promise.catch(() => undefined);
  const wake: { call: () => void } = { call: () => undefined };
  const outbox = new SqliteOutbox({
    database,
    rows,
    config: {
      quota: config.outbox.quota,
      whenFull: config.outbox.when_full,
      maxCount: config.bundle.max_count,
      maxBytes: config.bundle.max_bytes,
      bundleHash: config.bundle.hash,
      journalAfterMs: config.outbox.journal_after,
    },
    address: identity.address,
    signer: signer.current,
    clock,
    crypto: nodeCrypto,
    randomBytes: freshBytes,
    onStatement: () => wake.call(),
    onFailure: (error) => failure.reject(error),
  });
  opened.defer(() => outbox.close());
  const rotation = new KeyRotation({
    dataDir,
    record,
    key: uri,
    identity,
    held: signer,
    outbox,
    open,
    prove: (of, requests, { signal }) => {
      const key = requireKeyUri(of);
      const request = { device: identity.address.device, ...requests };
      return key.scheme === "tpm"
        ? makeTpmKeyProof(key, request, { clock, signal })
        : Promise.resolve(undefined);
    },
    clock,
    logger: logger.child({ component: "rotation" }),
  });

  const clockQuality = cachedClockQuality(clock, () => lookAtClock(config.clock_source));
  const chains = new GatewayChains(deviceFile(dataDir, "gatewayChains"));
  const epochs = new KnownEpochs(nodeCrypto, identity.policy);
  const keptEpochs = new KeptEpochs(deviceFile(dataDir, "epochs"));
  const givenUp = keptEpochs.restore(epochs);
  if (givenUp !== undefined)
    logger.warn({ event: "epochs.given-up", code: givenUp }, "the epochs file does not verify");
  const downlink = new Downlink({
    crypto: nodeCrypto,
    policy: identity.policy,
    epochs,
    device: identity.address.device,
    find: (incarnation, first) => outbox.find(incarnation, first),
    checkpoint: outbox.checkpoint(),
  });
  for (const [gateway, chain] of chains.list()) downlink.rememberGateway(gateway, chain);
  const uplink = new MqttUplink({
    gateways: gatewaysOf(config, identity.record),
    identity,
    signer,
    outbox,
    rotation,
    downlink,
    chains,
    epochs,
    keptEpochs,
    clock,
    clockQuality,
    logger: logger.child({ component: "uplink" }),
    events: events ?? (() => undefined),
    challenged: (nonce) => {
      for (const source of evidence) source.challenged(nonce);
    },
  });
  wake.call = () => uplink.wake();

  const streams = config.stream.map(
    (stream) =>
      new StreamSource({
        stream: stream.name,
        protocol: stream.protocol,
        emulated: stream.emulated,
        link: createLink(stream.link),
        limits: {
          maxCount: config.bundle.max_count,
          maxBytes: config.bundle.max_bytes,
          maxAgeMs: stream.max_age ?? config.bundle.max_age,
        },
        outbox,
        bootId: bootId(),
        agentVersion,
        randomBytes: freshBytes,
        clock,
        clockQuality,
        events,
        logger: logger.child({ component: "stream", stream: stream.name }),
      }),
  );
  const evidence = evidenceSources(config, maker, {
    outbox,
    device: identity.address.device,
    isEmulated: signer.keyKind !== "tpm",
    bootId: bootId(),
    agentVersion,
    randomBytes: freshBytes,
    clock,
    logger: logger.child({ component: "attestation" }),
  });
  const heartbeats = new Heartbeats({
    outbox,
    runs: () => [...streams, ...evidence].flatMap(({ outboxRun }) => outboxRun ?? []),
    everyMs: config.heartbeat_every,
    clock,
    clockQuality,
    logger,
  });
  const reporter = new StatusReporter({
    config,
    clock,
    clockQuality,
    signer,
    outbox,
    uplink,
    streams,
    evidence: evidence[0],
    rotation,
  });
  const status = () => reporter.status();
  const notify = new SdNotify(around.notify, logger.child({ component: "systemd" }));
  const http = httpService(config, { status, logger, events });
  const held = opened.move();
  const services: readonly Service[] = [
    {
      name: "outbox",
      open: async () => undefined,
      run: ({ signal }) => untilAborted(signal, failure.promise),
      close: () => held.disposeAsync(),
    },
    {
      name: "uplink",
      open: async () => undefined,
      run: (options) => uplink.run(options),
      close: async () => undefined,
    },
    {
      name: "rotation",
      open: async () => undefined,
      run: (options) => rotation.run(options),
      close: async () => undefined,
    },
    ...streams,
    ...evidence,
    heartbeats,
    http,
    ...watchdogServices(around.notify, { systemd: notify, clock }),
  ];
  return { services, notify, status };
}

/** Throws KEY_NOT_IN_TPM where evidence is asked of a device that cannot give any. */
function evidenceMaker(
  { attestation }: AgentConfig,
  { uri, clock }: { readonly uri: string; readonly clock: Clock },
) {
  if (attestation === undefined) return undefined;
  const { pcrs, event_log: log } = attestation;
  return tpmEvidence(requireKeyUri(uri), { pcrs, log, clock });
}

/** One where the configuration asks for it, else none. */
function evidenceSources(
  { attestation }: AgentConfig,
  maker: EvidenceSourceOptions["maker"] | undefined,
  part: Omit<EvidenceSourceOptions, "maker" | "everyMs">,
): readonly EvidenceSource[] {
  if (attestation === undefined || maker === undefined) return [];
  return [new EvidenceSource({ ...part, maker, everyMs: attestation.every })];
}

async function openRows(
  config: AgentConfig,
  part: { readonly uri: string; readonly database: Database; readonly clock: Clock },
): Promise<RowSealing> {
  const { uri, database, clock } = part;
  const isOn = config.outbox.at_rest !== "off";
  const key = await openRestKey({
    file: deviceFile(config.data_dir, "outboxKey"),
    uri: requireKeyUri(uri),
    wanted: config.outbox.at_rest,
    known: restCheckOf(database),
    clock,
    modules: processModules,
  });
  return RowSealing.open(database, { key, isOn });
}

function httpService(
  config: AgentConfig,
  part: {
    readonly status: () => AgentStatus;
    readonly logger: Logger;
    readonly events: EventSink | undefined;
  },
): Service {
  const { status, logger, events } = part;
  const server = createHttpServer({
    host: config.http.host,
    port: config.http.port,
    allowRemote: config.http.allow_remote,
    registry: createMetrics(status),
    health: healthChecks(status),
    routes: (routes) => {
      routes.get("/status.json", (_request, reply) => reply.send(status()));
      routes.get("/", (_request, reply) =>
        reply.type("text/html; charset=utf-8").send(renderStatusPage(status())),
      );
    },
  });
  const addressFile = deviceFile(config.data_dir, "httpAddress");
  return {
    name: "http",
    open: async () => {
      const { host, port } = await server.listen();
      const address = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
      // `status` finds the port here where the configuration leaves it open.
      writeDeviceFile(config.data_dir, "httpAddress", `${address}\n`);
      logger.info({ event: "http.listening", address }, "status page ready");
      events?.({ event: "ready", http: address });
    },
    close: async () => {
      rmSync(addressFile, { force: true });
      await server.close();
    },
  };
}

/** Resolves when the signal aborts; rejects with what comes first. */
function untilAborted(signal: AbortSignal, failure?: Promise<never>): Promise<void> {
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  return failure === undefined ? aborted : Promise.race([aborted, failure]);
}

function freshBytes(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length));
}
