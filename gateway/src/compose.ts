/** The composition root of tamga-gateway: every part, in the order in which it opens. */

import { availableParallelism } from "node:os";
import { utf8 } from "@tamga/ledger-core/base/bytes";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { HttpServer } from "@tamga/ledger-core/daemon/metrics-server";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Service } from "@tamga/ledger-core/daemon/service";
import { writeFileDurable } from "@tamga/ledger-core/daemon/state-dir";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { encodeCertificateMessage } from "@tamga/ledger-core/wire/downlink-message";
import type { Base } from "./compose-base.ts";
import { openStores, siteFacts } from "./compose-base.ts";
import { composeHttp } from "./compose-http.ts";
import type { GatewayConfig } from "./config.ts";
import { Delivery } from "./delivery/delivery.ts";
import { AdmissionQueue } from "./ingest/admission-queue.ts";
import { Ingest } from "./ingest/ingest.ts";
import { MqttBroker } from "./ingest/mqtt-broker.ts";
import { renewOverLine } from "./ingest/renew.ts";
import { VerifyPool } from "./ingest/verify-pool.ts";
import { countAdmitted, createMetrics } from "./metrics.ts";
import { LaneOrderer } from "./ordering/lane-orderer.ts";
import { RegistryWatch } from "./registry/registry-watch.ts";

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

/** The running daemon. Opens from the disk outwards, closes from the network inwards. */
class Gateway {
  readonly #base: Base;
  readonly #broker: MqttBroker;
  readonly #http: HttpServer;
  readonly #queue: AdmissionQueue;
  readonly #pool: VerifyPool;
  readonly #ingest: Ingest;
  readonly #loops: (signal: AbortSignal) => readonly Promise<unknown>[];

  private constructor(base: Base, parts: { readonly http: HttpServer } & NetworkParts) {
    this.#base = base;
    this.#broker = parts.broker;
    this.#http = parts.http;
    this.#queue = parts.queue;
    this.#pool = parts.pool;
    this.#ingest = parts.ingest;
    this.#loops = (signal) => [
      parts.orderer.run({ signal }),
      parts.watch.run({ signal }),
      parts.ingest.watch({ signal }),
    ];
  }

  static async open(config: GatewayConfig, clock: Clock, logger: Logger): Promise<Gateway> {
    const stores = await openStores(config, clock);
    const metrics = createMetrics();
    const base: Base = { ...stores, config, clock, logger, metrics, line: { mqttPort: 0 } };
    const delivery = composeDelivery(base);
    const orderer = composeOrderer(base, delivery);
    const queue = composeQueue(base, { delivery, orderer });
    const watch = composeWatch(base, orderer);
    const pool = new VerifyPool(Math.min(config.ingest.verify_threads, availableParallelism()));
    const ingest = composeIngest(base, { delivery, queue, watch, pool });
    const broker = await composeBroker(base, { delivery, ingest });
    base.line.broker = broker;
    const parts = { broker, queue, pool, orderer, watch, ingest };
    const http = composeHttp(base, parts);
    logger.info(
      { event: "site.opened", origin: base.lane.origin, bodyCopies: 1 },
      "bodies are kept in one copy: a lost disk is made good by what the agents still hold",
    );
    return new Gateway(base, { ...parts, http });
  }

  /** Listens, and says where in `address.json` for the commands that run beside the daemon. */
  async listen(): Promise<GatewayAddress> {
    const { config, line, paths } = this.#base;
    line.mqttPort = await this.#broker.listen(config.mqtt.host, config.mqtt.port);
    const { host, port } = await this.#http.listen();
    const name = host.includes(":") ? `[${host}]` : host;
    const address = { http: `http://${name}:${port}`, mqttPort: line.mqttPort };
    writeFileDurable(paths.address, utf8(`${JSON.stringify(address)}\n`), 0o644);
    return address;
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.race(this.#loops(signal));
  }

  async close(): Promise<void> {
    const { closeLedger, registry, lane, lock } = this.#base;
    await this.#http.close();
    this.#ingest.close();
    await this.#broker.close();
    this.#queue.flush();
    await this.#pool.close();
    await closeLedger();
    registry.close();
    lane.close();
    lock.release();
  }
}

type NetworkParts = {
  readonly broker: MqttBroker;
  readonly queue: AdmissionQueue;
  readonly pool: VerifyPool;
  readonly orderer: LaneOrderer;
  readonly watch: RegistryWatch;
  readonly ingest: Ingest;
};

function composeDelivery(base: Base): Delivery {
  const { config, clock, logger, metrics, site, ledger, lane, line } = base;
  return new Delivery({
    lane,
    gatewayChain: site.gatewayChain,
    send: (device, kind, payload) => line.broker?.send(device, kind, payload) ?? false,
    isOnline: (device) => line.broker?.isOnline(device) ?? false,
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
}

function composeOrderer(base: Base, delivery: Delivery): LaneOrderer {
  const { config, clock, logger, site, ledger, lane, registry } = base;
  return new LaneOrderer({
    crypto: nodeCrypto,
    lane,
    ledger,
    registry,
    gateway: config.gateway,
    gatewayChain: site.gatewayChain,
    sealed: (from, to) => delivery.sealed(from, to),
    clock,
    logger: logger.child({ component: "orderer" }),
    orderEveryMs: config.ledger.order_every,
    orderEveryMsMax: config.ledger.order_every_max,
    retryAfterMs: config.ledger.retry_after,
  });
}

function composeQueue(
  base: Base,
  { delivery, orderer }: { readonly delivery: Delivery; readonly orderer: LaneOrderer },
): AdmissionQueue {
  const { config, clock, lane, metrics } = base;
  return new AdmissionQueue({
    admit: (batch) => lane.admit(batch),
    committed: (batch) => {
      countAdmitted(metrics, batch);
      delivery.admitted(batch);
      orderer.notify();
    },
    clock,
    waitMs: config.ingest.commit_wait,
  });
}

function composeWatch(base: Base, orderer: LaneOrderer): RegistryWatch {
  const { clock, registry, line, metrics } = base;
  const watch: RegistryWatch = new RegistryWatch({
    registry,
    changed: () => {
      // A revocation is also a transaction that waits for the ledger.
      orderer.notify();
      const cut = line.broker?.cutOff((device) => !watch.maySign(device)) ?? 0;
      for (let i = 0; i < cut; i++) metrics.refused("CLIENT_REVOKED");
    },
    clock,
  });
  return watch;
}

function composeIngest(
  base: Base,
  parts: {
    readonly delivery: Delivery;
    readonly queue: AdmissionQueue;
    readonly watch: RegistryWatch;
    readonly pool: VerifyPool;
  },
): Ingest {
  const { clock, metrics, site, registry, line } = base;
  const { delivery, queue, watch, pool } = parts;
  return new Ingest({
    pool,
    admit: (admission) => queue.add(admission),
    keysOf: (device) => watch.keysOf(device),
    have: async (access, payload) => delivery.have(access.device, payload),
    renew: async ({ device }, payload) => {
      const request = { device, payload, now: clock.now() };
      const renewed = await renewOverLine({ ca: site.ca, registry }, siteFacts(base), request);
      watch.forget();
      if (!renewed.ok) metrics.refused(renewed.fault.code);
      else line.broker?.send(device, "certificate", encodeCertificateMessage(renewed.value));
    },
    clock,
  });
}

function composeBroker(
  base: Base,
  { delivery, ingest }: { readonly delivery: Delivery; readonly ingest: Ingest },
): Promise<MqttBroker> {
  const { config, clock, logger, metrics, site, registry } = base;
  return MqttBroker.create({
    channel: config.channel,
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
}
