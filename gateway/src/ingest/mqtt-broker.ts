/**
 * The embedded MQTT broker (aedes 1.2.0): who is on the line, what they may publish, and PUBACK only
 * after `deliver` resolved, since `authorizePublish` is the one hook that runs before it.
 */

import type { TLSSocket } from "node:tls";
import { present } from "@tamga/ledger-core/base/assert";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Logger } from "@tamga/ledger-core/daemon/logger";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { DownlinkKind, UplinkKind } from "@tamga/ledger-core/wire/topic";
import { downlinkTopic } from "@tamga/ledger-core/wire/topic";
import type { Client } from "aedes";
import { Aedes } from "aedes";
import {
  bytesInFlightMax,
  bytesInFlightPerDeviceMax,
  connectMsMax,
  downlinkBytesMax,
  downlinkBytesPerDeviceMax,
  downlinkMsMax,
} from "../limits.ts";
import { ByteBudget, divided } from "./byte-budget.ts";
import type { ClientAccess, KnownCertificate } from "./client-access.ts";
import { admitClient, admitPublish, admitSubscribe } from "./client-access.ts";
import { TlsFront } from "./tls-front.ts";

export type BrokerOptions = {
  readonly channel: Identifier;
  /** Brokers of the process, which divide its memory between them; this one alone unless given. */
  readonly brokers?: number;
  /** PEM. */
  readonly tls: { readonly key: string; readonly certificate: string; readonly ca: string };
  /** What the registry knows of the certificate with this SHA-256. */
  readonly certificate: (fingerprint: Uint8Array) => KnownCertificate | undefined;
  /** Resolves when the message is durable. */
  readonly deliver: (access: ClientAccess, kind: UplinkKind, payload: Uint8Array) => Promise<void>;
  /** A device subscribed to its downlink, or went. */
  readonly online: (access: ClientAccess) => void;
  readonly offline: (device: Identifier) => void;
  /** Counts a refusal by its stable code. */
  readonly refused: (code: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
};

type Line = { readonly access: ClientAccess; subscribed: boolean; failed: boolean };
type ConnectPacket = {
  readonly clientId: string;
  readonly will?: unknown;
  readonly clean?: boolean;
};
type PublishPacket = {
  readonly topic: string;
  readonly qos: number;
  readonly retain: boolean;
  payload: string | Buffer;
};
type Done = (error?: Error | null) => void;

export class MqttBroker {
  readonly #options: BrokerOptions;
  readonly #aedes: Aedes;
  readonly #front: TlsFront;
  readonly #budget: ByteBudget;
  /** What the devices have not taken off their lines yet. */
  readonly #unread: ByteBudget;
  readonly #lines = new WeakMap<Client, Line>();
  /** Everybody who was let in, subscribed or not. */
  readonly #admitted = new Set<Client>();
  readonly #online = new Map<Identifier, Client>();

  private constructor(options: BrokerOptions, aedes: Aedes) {
    this.#options = options;
    this.#aedes = aedes;
    const { brokers = 1 } = options;
    this.#budget = new ByteBudget(
      divided({ totalMax: bytesInFlightMax, shareMax: bytesInFlightPerDeviceMax }, brokers),
    );
    this.#unread = new ByteBudget(
      divided({ totalMax: downlinkBytesMax, shareMax: downlinkBytesPerDeviceMax }, brokers),
    );
    this.#front = new TlsFront({
      ...options,
      budget: this.#budget,
      accept: (socket) => aedes.handle(socket),
    });
  }

  static async create(options: BrokerOptions): Promise<MqttBroker> {
    const holder: { broker?: MqttBroker } = {};
    const broker = () => present(holder.broker, "broker behind its hooks");
    const aedes = await Aedes.createBroker({
      connectTimeout: connectMsMax,
      maxClientsIdLength: 64,
      // A client that does not read what it is sent is cut off, not remembered.
      drainTimeout: downlinkMsMax,
      preConnect: (client, packet, done) => {
        broker().#judge(client, packet);
        done(null, true);
      },
      // CONNACK return code 5, not authorized, and the line is cut.
      authenticate: (client, _user, _password, done) => done(null, broker().#lines.has(client)),
      authorizePublish: (client, packet, done) => broker().#publish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => {
        if (broker().#maySubscribe(client, subscription.topic)) done(null, subscription);
        else broker().#refuse("TOPIC_FOREIGN", (error) => done(error ?? null));
      },
    });
    holder.broker = new MqttBroker(options, aedes);
    aedes.on("subscribe", (_subscriptions, client) => broker().#subscribed(client));
    aedes.on("clientDisconnect", (client) => broker().#gone(client));
    const { logger } = options;
    aedes.on("clientError", (client, error) =>
      logger.debug({ event: "client.error", device: client.id, error }, "client cut off"),
    );
    aedes.on("connectionError", (_client, error) =>
      logger.debug({ event: "connection.error", error }, "connection cut off"),
    );
    return holder.broker;
  }

  get connections(): number {
    return this.#front.connections;
  }

  get bytesInFlight(): number {
    return this.#budget.total;
  }

  /** @returns the port. Throws OperationalError BROKER_PORT_TAKEN. */
  listen(host: string, port: number): Promise<number> {
    return this.#front.listen(host, port);
  }

  /**
   * @returns false where the device is not on the line, or has too much on it that it does not read: it
   *   asks again.
   */
  send(device: Identifier, kind: DownlinkKind, payload: Uint8Array): boolean {
    const client = this.#online.get(device);
    const line = client === undefined ? undefined : this.#lines.get(client);
    if (client === undefined || line === undefined) return false;
    if (!this.#unread.take(device, payload.length)) {
      this.#options.refused("DOWNLINK_FULL");
      return false;
    }
    // Called once the socket has taken it, or is closed: what is lost is asked for by the next `have`.
    const written = () => this.#unread.give(device, payload.length);
    client.publish(
      {
        cmd: "publish",
        topic: downlinkTopic(line.access, kind),
        payload: Buffer.from(payload),
        qos: 1,
        retain: false,
        dup: false,
      },
      written,
    );
    return true;
  }

  isOnline(device: Identifier): boolean {
    return this.#online.has(device);
  }

  /** Cuts off the devices that `judge` names, e.g. revoked ones. @returns how many connections. */
  cutOff(judge: (device: Identifier) => boolean): number {
    const cut = [...this.#admitted].filter((client) => {
      const line = this.#lines.get(client);
      return line !== undefined && judge(line.access.device);
    });
    for (const client of cut) client.conn.destroy();
    return cut.length;
  }

  async close(): Promise<void> {
    await this.#front.close();
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
  }

  /** Answered at `authenticate`: only there does aedes send a CONNACK that refuses. */
  #judge(client: Client, packet: ConnectPacket): void {
    const { channel, clock } = this.#options;
    const socket = client.conn;
    const judged = admitClient(
      {
        clientId: packet.clientId,
        hasWill: packet.will !== undefined,
        cleanSession: packet.clean === true,
        certificate: isTls(socket) ? this.#front.certificateOf(socket) : "missing",
      },
      { channel, now: clock.now() },
    );
    if (!judged.ok) {
      this.#options.refused(judged.fault.code);
      return;
    }
    this.#lines.set(client, { access: judged.value, subscribed: false, failed: false });
    this.#admitted.add(client);
    socket.once("close", () => this.#admitted.delete(client));
  }

  #publish(client: Client | null, packet: PublishPacket, done: Done): void {
    const line = client === null ? undefined : this.#lines.get(client);
    if (line === undefined) {
      this.#refuse("CLIENT_CERTIFICATE_UNKNOWN", done);
      return;
    }
    const { device } = line.access;
    const judged = admitPublish(line.access, packet);
    const bytes = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
    if (!judged.ok) this.#refuse(judged.fault.code, done);
    else if (!this.#budget.take(device, bytes.length)) this.#refuse("BYTES_IN_FLIGHT_FULL", done);
    else {
      // aedes fans an acknowledged packet out to subscribers; there are none, so it need not hold it.
      packet.payload = "";
      this.#options
        .deliver(line.access, judged.value, new Uint8Array(bytes))
        .then(
          () => done(),
          (error: unknown) => this.#failed(line, error, done),
        )
        .finally(() => this.#budget.give(device, bytes.length));
    }
  }

  /** No PUBACK: the client is cut off and sends the same bytes again. */
  #failed(line: Line, error: unknown, done: Done): void {
    const { device } = line.access;
    // A whole window fails together: once a line is enough.
    if (!line.failed)
      this.#options.logger.warn({ event: "ingest.failed", device, error }, "client cut off");
    line.failed = true;
    this.#refuse(error instanceof OperationalError ? error.code : "INGEST_FAILED", done);
  }

  #refuse(code: string, done: Done): void {
    this.#options.refused(code);
    done(new Error(code));
  }

  #maySubscribe(client: Client, filter: string): boolean {
    const line = this.#lines.get(client);
    return line !== undefined && admitSubscribe(line.access, filter).ok;
  }

  #subscribed(client: Client): void {
    const line = this.#lines.get(client);
    if (line === undefined || line.subscribed) return;
    line.subscribed = true;
    this.#online.set(line.access.device, client);
    this.#options.online(line.access);
  }

  #gone(client: Client): void {
    const line = this.#lines.get(client);
    if (line === undefined || this.#online.get(line.access.device) !== client) return;
    this.#online.delete(line.access.device);
    this.#options.offline(line.access.device);
  }
}

function isTls(socket: unknown): socket is TLSSocket {
  return typeof socket === "object" && socket !== null && "getPeerCertificate" in socket;
}
