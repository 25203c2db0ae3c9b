/** The composition root of tamga-gateway: every part, in the order in which it opens. */

import { availableParallelism } from "node:os";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { HttpServer } from "@tamga/ledger-core/daemon/metrics-server";
import { createHttpServer } from "@tamga/ledger-core/daemon/metrics-server";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Service } from "@tamga/ledger-core/daemon/service";
import { lockDataDir, writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import {
  encodeTrustPolicy,
  groupedHex,
  trustPolicyDigest,
} from "@tamga/ledger-core/receipt/trust-policy";
import { encodeCertificateMessage } from "@tamga/ledger-core/wire/downlink-message";
import { addRoutes } from "./api/routes.ts";
import { readStatus } from "./api/status.ts";
import type { GatewayConfig } from "./config.ts";
import { Delivery } from "./delivery/delivery.ts";
import type { AdmittedBatch } from "./ingest/admission-queue.ts";
import { AdmissionQueue } from "./ingest/admission-queue.ts";
import { Ingest } from "./ingest/ingest.ts";
import { MqttBroker } from "./ingest/mqtt-broker.ts";
import { renewOverLine } from "./ingest/renew.ts";
import { VerifyPool } from "./ingest/verify-pool.ts";
import { SqliteLane } from "./lane/sqlite-lane.ts";
import { createMetrics } from "./metrics.ts";
import { LaneOrderer } from "./ordering/lane-orderer.ts";
import { DeviceRegistry } from "./registry/device-registry.ts";
import type { SiteFacts } from "./registry/enrolment.ts";
import { openSite, sitePaths } from "./site/site.ts";
import { openSiteLedger } from "./site/site-ledger.ts";

/** Where the daemon listens, once it does. */
export type GatewayAddress = { readonly http: string; readonly mqttPort: number };

/** @returns the services for `runServices`; nothing has been opened yet. */
export function composeGateway(
  config: GatewayConfig,
  {
    clock,
    logger,
    ready,
  }: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly ready: (address: GatewayAddress) => void;
  },
): readonly Service[] {
  let built: Gateway | undefined;
  return [
    {
      name: "gateway",
      open: async () => {
        built = await Gateway.open(config, clock, logger);
        ready(await built.listen());
      },
      run: async ({ signal }) => built?.run(signal),
      close: async () => built?.close(),
    },
  ];
}

type Parts = {
  readonly lock: ReturnType<typeof lockDataDir>;
  readonly pool: VerifyPool;
  readonly lane: SqliteLane;
  readonly ledger: Awaited<ReturnType<typeof openSiteLedger>>;
  readonly registry: DeviceRegistry;
  readonly queue: AdmissionQueue;
  readonly orderer: LaneOrderer;
  readonly broker: MqttBroker;
  readonly http: HttpServer;
};

/** The running daemon. Opens from the disk outwards, closes from the network inwards. */
class Gateway {
  readonly #config: GatewayConfig;
  readonly #parts: Parts;
  readonly #stuck: Promise<never>;
  #mqttPort = 0;

  private constructor(config: GatewayConfig, parts: Parts, stuck: Promise<never>) {
    this.#config = config;
    this.#parts = parts;
    this.#stuck = stuck;
  }

  static async open(config: GatewayConfig, clock: Clock, logger: Logger): Promise<Gateway> {
    const paths = sitePaths(config.data_dir);
    const site = await openSite(config, clock.now());
    const lock = lockDataDir(config.data_dir);
    const ledger = await openSiteLedger(config, site, clock);
    const registry = new DeviceRegistry(paths.registry);
    const { consortium, channel, gateway } = config;
    const lane = SqliteLane.open({
      path: paths.lane,
      clock,
      crypto: nodeCrypto,
      signer: site.signer,
      identity: { consortium, channel, gateway, channelId: ledger.channel.id },
      lastOrdered: ledger.lane(gateway),
    });
    const metrics = createMetrics();
    const stuck = Promise.withResolvers<never>();
    stuck.promise.catch(() => undefined);
    const facts: SiteFacts = {
      channel,
      gateway,
      uplink: config.mqtt.advertised.map((host) => `mqtts://${host}:${config.mqtt.port}`),
      trust: encodeTrustPolicy(ledger.trustPolicy),
      certificateDays: config.certificates.device_days,
    };

    const holder: { broker?: MqttBroker; mqttPort: number } = { mqttPort: 0 };
    const delivery = new Delivery({
      lane,
      gatewayChain: site.gatewayChain,
      send: (device, kind, payload) => holder.broker?.send(device, kind, payload) ?? false,
      isOnline: (device) => holder.broker?.isOnline(device) ?? false,
      channelConsistency: (size1, size2) => ledger.consistency(size1, size2),
      checkpointAhead: (device, checkpoint) => {
        metrics.refused("CHANNEL_BEHIND_DEVICE");
        logger.error(
          { event: "channel.behind", device, size: checkpoint.size.toString() },
          "a device knows a newer checkpoint than this site: it was restored; run tamga-gateway restore",
        );
      },
      clock,
      provisionalWaitMs: config.ingest.provisional_wait,
    });
    const orderer = new LaneOrderer({
      lane,
      ledger,
      registry,
      gateway,
      gatewayChain: site.gatewayChain,
      sealed: (from, to) => delivery.sealed(from, to),
      clock,
      logger: logger.child({ component: "orderer" }),
      orderEveryMs: config.ledger.order_every,
      retryAfterMs: config.ledger.retry_after,
    });
    const queue = new AdmissionQueue({
      admit: (batch) => lane.admit(batch),
      committed: (batch) => {
        countAdmitted(metrics, batch);
        delivery.admitted(batch);
        orderer.notify();
      },
      clock,
      waitMs: config.ingest.commit_wait,
    });
    const pool = new VerifyPool(Math.min(config.ingest.verify_threads, availableParallelism()));
    const ingest = new Ingest({
      pool,
      admit: (admission) => queue.add(admission),
      keysOf: (device) => registry.keysOf(device).filter((key) => key.revoked === undefined),
      have: async (access, payload) => delivery.have(access.device, payload),
      renew: async ({ device }, payload) => {
        const renewed = await renewOverLine({ ca: site.ca, registry }, facts, {
          device,
          payload,
          now: clock.now(),
        });
        if (renewed.ok) {
          holder.broker?.send(device, "certificate", encodeCertificateMessage(renewed.value));
        } else metrics.refused(renewed.fault.code);
      },
      clock,
      stuck: (error: OperationalError) => stuck.reject(error),
    });
    const broker = await MqttBroker.create({
      channel,
      tls: site.tls,
      certificate: (fingerprint) => registry.tls(fingerprint),
      deliver: (access, kind, payload) => ingest.deliver(access, kind, payload),
      online: ({ device }) => logger.info({ event: "device.online", device }, "device online"),
      offline: (device) => {
        delivery.offline(device);
        logger.info({ event: "device.offline", device }, "device offline");
      },
      refused: metrics.refused,
      clock,
      logger: logger.child({ component: "broker" }),
    });
    holder.broker = broker;
    metrics.watch({
      connections: () => broker.connections,
      bytesInFlight: () => broker.bytesInFlight,
      laneSize: () => Number(lane.status().size),
      orderedSize: () => Number(lane.status().orderedSize),
      verifyPending: () => pool.pending,
      quarantineBytes: () => lane.status().quarantineBytes,
    });
    const digest = trustPolicyDigest((bytes) => nodeCrypto.sha256(bytes), ledger.trustPolicy);
    const status = () =>
      readStatus({
        gateway,
        trustDigest: groupedHex(digest),
        lane,
        ledger,
        registry,
        metrics,
        isOnline: (device) => broker.isOnline(device),
        mqttPort: () => holder.mqttPort,
        clock,
      });
    const http = createHttpServer({
      host: config.http.host,
      port: config.http.port,
      allowRemote: config.http.allow_remote,
      registry: metrics.registry,
      health: [
        {
          name: "lane",
          reason: () => (lane.status().quarantineDropped > 0 ? "quarantine is full" : undefined),
        },
      ],
      routes: (server) =>
        addRoutes(server, {
          status,
          registry,
          ca: site.ca,
          site: () => ({
            ...facts,
            uplink: config.mqtt.advertised.map((host) => `mqtts://${host}:${holder.mqttPort}`),
          }),
          receipts: {
            lane,
            ledger,
            crypto: nodeCrypto,
            deviceChain: (_device, kid) => registry.key(kid)?.chain,
            gatewayChain: site.gatewayChain,
          },
          clock,
        }),
    });
    logger.info(
      { event: "site.opened", origin: lane.origin, bodyCopies: 1 },
      "bodies are kept in one copy: a lost disk is made good by what the agents still hold",
    );
    const parts = { lock, pool, lane, ledger, registry, queue, orderer, broker, http };
    const gatewayDaemon = new Gateway(config, parts, stuck.promise);
    gatewayDaemon.#onPort = (port) => {
      holder.mqttPort = port;
    };
    return gatewayDaemon;
  }

  #onPort: (port: number) => void = () => undefined;

  /** Listens, and says where in `address.json` for the commands that run beside the daemon. */
  async listen(): Promise<GatewayAddress> {
    const { broker, http } = this.#parts;
    const { mqtt, data_dir } = this.#config;
    this.#mqttPort = await broker.listen(mqtt.host, mqtt.port);
    this.#onPort(this.#mqttPort);
    const { host, port } = await http.listen();
    const name = host.includes(":") ? `[${host}]` : host;
    const address = { http: `http://${name}:${port}`, mqttPort: this.#mqttPort };
    writeFileDurable(sitePaths(data_dir).address, utf8(`${JSON.stringify(address)}\n`), 0o644);
    return address;
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#parts.orderer.run({ signal }), this.#stuck]);
  }

  async close(): Promise<void> {
    const { http, broker, queue, pool, ledger, registry, lane, lock } = this.#parts;
    await http.close();
    await broker.close();
    queue.flush();
    await pool.close();
    await ledger.close();
    registry.close();
    lane.close();
    lock.release();
  }
}

function countAdmitted(metrics: ReturnType<typeof createMetrics>, batch: AdmittedBatch): void {
  for (const { admission, admitted } of batch) {
    if (admitted.outcome === "duplicate") metrics.duplicates.inc();
    else if (admitted.outcome === "rejected") metrics.rejections.inc();
    else {
      metrics.statements.inc();
      if (admission.kind === "statement" && admission.type === "bundle") {
        metrics.readings.inc(admission.range.count);
      }
    }
  }
}
