/** One channel of the daemon, from its devices' lines to its receipts: nothing in it knows of another channel. */

import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { encodeTrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { thumbprint } from "@tamga/ledger-core/wire/algorithm";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { Appraiser } from "./appraisal/appraiser.ts";
import { isOfChannel } from "./channels.ts";
import type { SharedAppraisal } from "./compose-appraiser.ts";
import { composeAppraiser } from "./compose-appraiser.ts";
import type { Base, ChannelStores } from "./compose-base.ts";
import { Delivery } from "./delivery/delivery.ts";
import { AdmissionQueue } from "./ingest/admission-queue.ts";
import { Ingest } from "./ingest/ingest.ts";
import { MqttBroker } from "./ingest/mqtt-broker.ts";
import { renewOverLine } from "./ingest/renew.ts";
import type { VerifyPool } from "./ingest/verify-pool.ts";
import { evidenceOf } from "./lane/surviving-head.ts";
import { countAdmitted } from "./metrics.ts";
import { KeyOrderer } from "./ordering/key-orderer.ts";
import type { LaneOrdererOptions } from "./ordering/lane-orderer.ts";
import { LaneOrderer } from "./ordering/lane-orderer.ts";
import type { SiteFacts } from "./registry/enrolment.ts";
import type { RegistryWatch } from "./registry/registry-watch.ts";
import { readTpmRoots } from "./registry/tpm-roots.ts";
import { caSigner } from "./site/site-ledger.ts";

/** What all channels of the daemon have in common. */
export type SharedParts = {
  readonly pool: VerifyPool;
  readonly watch: RegistryWatch;
  /** Undefined where no device's state is judged. */
  readonly appraisal: SharedAppraisal | undefined;
};

/** Filled in as the broker comes up: parts that speak to devices exist before it. */
type Line = {
  broker?: MqttBroker;
  orderer?: LaneOrderer;
  appraiser?: Appraiser | undefined;
  mqttPort: number;
};

type ChannelBase = Base & ChannelStores & { readonly line: Line };

/** A running channel. Opens from the disk outwards, closes from the network inwards. */
export class ChannelLine {
  readonly stores: ChannelStores;
  readonly broker: MqttBroker;
  readonly orderer: LaneOrderer;
  /** Undefined where no device's state is judged. */
  readonly appraiser: Appraiser | undefined;
  readonly #base: ChannelBase;
  readonly #queue: AdmissionQueue;
  readonly #ingest: Ingest;
  readonly #delivery: Delivery;
  readonly #failure = Promise.withResolvers<never>();

  private constructor(
    base: ChannelBase,
    stores: ChannelStores,
    parts: {
      readonly broker: MqttBroker;
      readonly orderer: LaneOrderer;
      readonly queue: AdmissionQueue;
      readonly ingest: Ingest;
      readonly delivery: Delivery;
      readonly appraiser: Appraiser | undefined;
    },
  ) {
    this.#base = base;
    this.stores = stores;
    this.broker = parts.broker;
    this.orderer = parts.orderer;
    this.appraiser = parts.appraiser;
    this.#queue = parts.queue;
    this.#ingest = parts.ingest;
    this.#delivery = parts.delivery;
    // Told before `run` listens, or after it has ended, it is still said there.
    this.#failure.promise.catch(() => undefined);
  }

  static async open(
    shared: Base,
    stores: ChannelStores,
    { pool, watch, appraisal }: SharedParts,
  ): Promise<ChannelLine> {
    const base: ChannelBase = { ...shared, ...stores, line: { mqttPort: 0 } };
    shared.metrics.begin(stores.config.channel);
    const delivery = composeDelivery(base);
    const orderer = composeOrderer(base, delivery);
    const queue = composeQueue(base, { delivery, orderer });
    const appraiser = composeAppraiser(base, appraisal, {
      admit: (admission) => queue.add(admission),
      send: (device, kind, payload) => base.line.broker?.send(device, kind, payload) ?? false,
    });
    const ingest = composeIngest(base, { delivery, queue, watch, pool, appraiser });
    const broker = await composeBroker(base, { delivery, ingest, appraiser });
    base.line.broker = broker;
    base.line.orderer = orderer;
    base.line.appraiser = appraiser;
    return new ChannelLine(base, stores, { broker, orderer, queue, ingest, delivery, appraiser });
  }

  get mqttPort(): number {
    return this.#base.line.mqttPort;
  }

  /** Read at each request: the port is known once the broker listens. */
  siteFacts(): SiteFacts {
    return siteFacts(this.#base);
  }

  /** @throws OperationalError BROKER_PORT_TAKEN. */
  async listen(): Promise<number> {
    const { config, line } = this.#base;
    line.mqttPort = await this.broker.listen(config.mqtt.host, config.mqtt.port);
    return line.mqttPort;
  }

  /** Until the signal aborts, or the channel can go on no more. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.race([
      this.orderer.run({ signal }),
      this.#ingest.watch({ signal }),
      ...(this.appraiser === undefined ? [] : [this.appraiser.run({ signal })]),
      this.#failure.promise,
    ]);
  }

  /** As the ledger does it. One that stops for good over it stops the channel with it. */
  async submit(...args: Parameters<Ledger["submit"]>): ReturnType<Ledger["submit"]> {
    const { ledger } = this.stores;
    try {
      return await ledger.submit(...args);
    } catch (error) {
      if (ledger.sight().hasStopped) this.fail(error);
      throw error;
    }
  }

  /** The validators changed, here or in another channel. */
  membersChanged(): void {
    this.#delivery.membersChanged();
  }

  /** Its ledger stopped for good. */
  fail(error: unknown): void {
    this.#failure.reject(error);
  }

  /** Takes nothing any more; what was acknowledged is in the lane. */
  async close(): Promise<void> {
    this.#ingest.close();
    await this.broker.close();
    this.#queue.flush();
  }
}

function siteFacts({ config, ledger, line }: ChannelBase): SiteFacts {
  const { channel, gateway, mqtt, certificates } = config;
  return {
    channel,
    gateway,
    uplink: mqtt.advertised.map((host) => `mqtts://${host}:${line.mqttPort}`),
    trust: encodeTrustPolicy(ledger.trustPolicy),
    certificateDays: certificates.device_days,
  };
}

function composeDelivery(base: ChannelBase): Delivery {
  const { config, clock, logger, metrics, site, ledger, lane, line } = base;
  const { channel } = config;
  return new Delivery({
    lane,
    gatewayChain: site.gatewayChain,
    send: (device, kind, payload) => line.broker?.send(device, kind, payload) ?? false,
    isOnline: (device) => line.broker?.isOnline(device) ?? false,
    boundaries: () => ledger.boundaries(),
    channelConsistency: (size1, size2) => ledger.consistency(size1, size2),
    evidenceOf: (log, ordered) => evidenceOf({ ledger, crypto: nodeCrypto }, log, ordered),
    checkpointAhead: (device, checkpoint) => {
      metrics.refused("CHANNEL_BEHIND_DEVICE");
      logger.error(
        { event: "channel.behind", channel, device, size: checkpoint.size.toString() },
        "a device knows a newer checkpoint than this site: it was restored; run tamga-gateway restore",
      );
    },
    clock,
    provisionalWaitMs: config.ingest.provisional_wait,
  });
}

function composeOrderer(base: ChannelBase, delivery: Delivery): LaneOrderer {
  const { config, clock, logger, site, ledger, lane, trouble } = base;
  const { channel } = config;
  return new LaneOrderer({
    crypto: nodeCrypto,
    lane,
    ledger,
    registry: revocationsOf(base),
    keys: composeKeys(base),
    gateway: config.gateway,
    gatewayChain: site.gatewayChain,
    sealed: (from, to) => delivery.sealed(from, to),
    clock,
    logger: logger.child({ component: "orderer", channel }),
    trouble: {
      begins: (code) => trouble.begins(channel, code),
      ends: () => trouble.ends(channel),
    },
    orderEveryMs: config.ledger.order_every,
    orderEveryMsMax: config.ledger.order_every_max,
    retryAfterMs: config.ledger.retry_after,
  });
}

function composeKeys({ config, registry, ca, ledger, clock, logger }: ChannelBase): KeyOrderer {
  const signer = caSigner(ca);
  const subject = parseIdentifier("channel");
  return new KeyOrderer({
    statements: registry.keyStatements,
    isOurs: (device) => isOfChannel(config, device),
    channel: {
      id: ledger.channel.id,
      name: config.channel,
      subject: present(subject.ok ? subject.value : undefined, "subject of an organisation's"),
    },
    organisation: {
      name: config.organisation,
      kid: thumbprint((bytes) => nodeCrypto.sha256(bytes), signer.publicKey),
    },
    signer,
    clock,
    logger: logger.child({ component: "orderer", channel: config.channel }),
  });
}

/** A revocation goes to the ledger of the device's channel, and to no other. */
function revocationsOf({
  config,
  registry,
  channels,
  stopped,
}: ChannelBase): LaneOrdererOptions["registry"] {
  if (channels.length + stopped.length === 1) return registry;
  const isOurs = (kid: Parameters<typeof registry.key>[0]) => {
    const device = registry.key(kid)?.device;
    return device !== undefined && isOfChannel(config, device);
  };
  return {
    unorderedRevocations: () => registry.unorderedRevocations().filter(({ kid }) => isOurs(kid)),
    markRevocationOrdered: (kid) => registry.markRevocationOrdered(kid),
    reviveRevocations: (isHeld) => registry.reviveRevocations((kid) => !isOurs(kid) || isHeld(kid)),
  };
}

function composeQueue(
  base: ChannelBase,
  { delivery, orderer }: { readonly delivery: Delivery; readonly orderer: LaneOrderer },
): AdmissionQueue {
  const { config, clock, lane, metrics } = base;
  return new AdmissionQueue({
    admit: (batch) => lane.admit(batch),
    committed: (batch) => {
      countAdmitted(metrics, config.channel, batch);
      delivery.admitted(batch);
      base.line.appraiser?.committed(batch);
      orderer.notify();
    },
    clock,
    waitMs: config.ingest.commit_wait,
  });
}

function composeIngest(
  base: ChannelBase,
  parts: Pick<SharedParts, "pool" | "watch"> & {
    readonly delivery: Delivery;
    readonly queue: AdmissionQueue;
    readonly appraiser: Appraiser | undefined;
  },
): Ingest {
  const { config, clock, metrics, ca, registry, line } = base;
  const { delivery, queue, watch, pool, appraiser } = parts;
  const { tpm_roots: roots, rotation: policy } = config.enrolment;
  const certifying = { ca, registry, tpmRoots: readTpmRoots(roots), policy };
  return new Ingest({
    pool,
    admit: (admission) => queue.add(admission),
    keysOf: (device) => watch.keysOf(device),
    order: (device, stream) => {
      const order = appraiser?.order(device, stream);
      return order?.rule === "quarantine" ? order.code : undefined;
    },
    have: async ({ device }, payload) => {
      delivery.have(device, payload);
      appraiser?.listens(device);
    },
    renew: async ({ device }, payload) => {
      const request = { device, payload, now: clock.now() };
      const { down, refused } = await renewOverLine(certifying, siteFacts(base), request);
      watch.forget();
      line.orderer?.notifyKeys();
      if (refused !== undefined) metrics.refused(refused);
      if (down !== undefined) line.broker?.send(device, down.kind, down.payload);
    },
    clock,
  });
}

function composeBroker(
  base: ChannelBase,
  parts: {
    readonly delivery: Delivery;
    readonly ingest: Ingest;
    readonly appraiser: Appraiser | undefined;
  },
): Promise<MqttBroker> {
  const { delivery, ingest, appraiser } = parts;
  const { config, clock, logger, metrics, site, registry, line } = base;
  const { channel } = config;
  return MqttBroker.create({
    channel,
    brokers: base.channels.length,
    tls: site.tls,
    certificate: (fingerprint) => {
      const known = registry.tls(fingerprint);
      if (known === undefined || isOfChannel(config, known.device)) return known;
      metrics.refused("CLIENT_OTHER_CHANNEL");
      return undefined;
    },
    deliver: (access, kind, payload) => ingest.deliver(access, kind, payload),
    online: ({ device }) => {
      delivery.online(device);
      // Enrolled a moment ago, perhaps by this very process.
      line.orderer?.notifyKeys();
      appraiser?.online(device);
      logger.info({ event: "device.online", channel, device }, "device online");
    },
    offline: (device) => {
      delivery.offline(device);
      appraiser?.offline(device);
      logger.info({ event: "device.offline", channel, device }, "device offline");
    },
    refused: metrics.refused,
    clock,
    logger: logger.child({ component: "broker", channel }),
  });
}
