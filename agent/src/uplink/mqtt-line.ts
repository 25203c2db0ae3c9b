/**
 * One MQTT 3.1.1 connection over a socket that stands (MQTT.js 5.16). The library would queue offline
 * publishes in memory, and loses callbacks past 65,535 of them: here it is used once, while connected,
 * and never reconnects by itself.
 */

import type { TLSSocket } from "node:tls";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { deadline } from "@tamga/ledger-core/daemon/system-clock";
import { MqttClient } from "mqtt";
import { connectMsMax, keepAliveSeconds, packetBytesMax } from "./limits.ts";
import { PacketLength } from "./packet-length.ts";

export type MqttLineOptions = {
  readonly clientId: string;
  readonly filter: string;
  readonly onMessage: (topic: string, payload: Uint8Array) => void;
};

export class MqttLine {
  readonly #client: MqttClient;
  readonly #closed: Promise<OperationalError>;
  #isOpen = true;

  private constructor(client: MqttClient, closed: Promise<OperationalError>) {
    this.#client = client;
    this.#closed = closed.then((reason) => {
      this.#isOpen = false;
      return reason;
    });
  }

  /**
   * Resolves when the subscription is granted. Throws UPLINK_REFUSED (CONNACK or SUBACK says no),
   * UPLINK_LOST, UPLINK_TIMEOUT, and `signal.reason`; the socket is destroyed then.
   */
  static async open(
    socket: TLSSocket,
    options: MqttLineOptions,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<MqttLine> {
    const failure: { error?: Error } = {};
    guardPackets(socket, failure);
    const client = new MqttClient(() => socket, {
      clientId: options.clientId,
      protocolVersion: 4,
      protocolId: "MQTT",
      clean: true,
      keepalive: keepAliveSeconds,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      connectTimeout: connectMsMax,
    });
    client.on("error", (error) => {
      failure.error ??= error;
    });
    client.on("message", (topic, payload) => options.onMessage(topic, new Uint8Array(payload)));
    const closed = whenClosed(socket).then(() => lostError(failure.error));
    const late = deadline(connectMsMax);
    const line = new MqttLine(client, closed);
    try {
      const lost = closed.then((error) => {
        throw error;
      });
      const either = AbortSignal.any([signal, late]);
      await Promise.race([connected(client), lost, rejectOn(either)]);
      const granted = client.subscribeAsync(options.filter, { qos: 1 });
      await Promise.race([granted, lost, rejectOn(either)]);
      return line;
    } catch (cause) {
      await line.close();
      signal.throwIfAborted();
      if (cause instanceof OperationalError) throw cause;
      if (late.aborted)
        throw new OperationalError("UPLINK_TIMEOUT", "the gateway does not answer", { cause });
      throw lostError(cause instanceof Error ? cause : undefined);
    }
  }

  get isOpen(): boolean {
    return this.#isOpen && this.#client.connected;
  }

  /** QoS 1. @returns false, with nothing sent, once the connection is gone. */
  publish(topic: string, payload: Uint8Array, onAcknowledged: () => void): boolean {
    if (!this.isOpen) return false;
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    this.#client.publish(topic, bytes, { qos: 1 }, (error) => {
      if (error === undefined || error === null) onAcknowledged();
    });
    return true;
  }

  /** Resolves, with the reason, when the connection is gone. */
  whenClosed(): Promise<OperationalError> {
    return this.#closed;
  }

  /** Cuts the connection; whatever is in flight goes again on the next. */
  async close(): Promise<void> {
    this.#isOpen = false;
    await new Promise<void>((resolve) => this.#client.end(true, () => resolve()));
    this.#client.stream.destroy();
    await this.#closed;
  }
}

function guardPackets(socket: TLSSocket, failure: { error?: Error }): void {
  const guard = new PacketLength(packetBytesMax);
  socket.on("data", (chunk: Uint8Array) => {
    if (guard.push(chunk)) return;
    failure.error ??= new OperationalError(
      "UPLINK_PACKET_TOO_LONG",
      "the gateway announced a packet that is longer than any message",
      { details: { limit: packetBytesMax } },
    );
    socket.destroy();
  });
}

function lostError(cause: Error | undefined): OperationalError {
  if (cause instanceof OperationalError) return cause;
  const code = cause !== undefined && "code" in cause ? String(cause.code) : "";
  const details = { reason: code };
  // MQTT 3.1.1 §3.2.2.3: return codes 1 … 5 of CONNACK.
  if (/^[1-5]$/.test(code)) {
    const sentence =
      "the gateway refuses this device: see whether it is approved there and not revoked";
    return new OperationalError("UPLINK_REFUSED", sentence, { details, cause });
  }
  return new OperationalError("UPLINK_LOST", "the connection to the gateway was lost", {
    details,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Unlike `once`, an error does not come first: it is noted elsewhere, and the close follows. */
function whenClosed(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}

function connected(client: MqttClient): Promise<void> {
  return new Promise((resolve, reject) => {
    client.once("connect", () => resolve());
    client.once("error", reject);
  });
}

function rejectOn(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
