/** A line to the broker below any MQTT client: bytes in, bytes out, and when it is cut. */

import type { Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { connect } from "node:tls";
import type { Packet } from "mqtt-packet";
import { generate } from "mqtt-packet";
import { answerMsMax } from "./soon.ts";

export class RawLine {
  readonly socket: Socket;
  readonly #closed: Promise<void>;
  #received = 0;
  #session: Buffer | undefined;
  #isReused = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      this.#received += chunk.length;
    });
    this.#closed = new Promise((resolve) => socket.once("close", () => resolve()));
  }

  /** Resolves after the TLS handshake; rejects where it is refused. */
  static async open(options: ConnectionOptions): Promise<RawLine> {
    const socket = connect({ checkServerIdentity: () => undefined, ...options });
    const line = new RawLine(socket);
    socket.on("session", (session) => {
      line.#session = session;
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", () => resolve());
      socket.once("close", () => reject(new Error("cut in the handshake")));
    });
    line.#session ??= socket.getSession();
    line.#isReused = socket.isSessionReused();
    return line;
  }

  /** What the server gave to resume TLS with; of TLS 1.3 it comes with the first answer. */
  get session(): Buffer | undefined {
    return this.#session;
  }

  /** Whether TLS was resumed. */
  get isReused(): boolean {
    return this.#isReused;
  }

  get receivedBytes(): number {
    return this.#received;
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  packet(packet: Packet): void {
    this.socket.write(generate(packet));
  }

  /** CONNECT, well formed unless told otherwise; resolves with the CONNACK's return code. */
  connect(clientId: string, more: Partial<Extract<Packet, { cmd: "connect" }>> = {}) {
    const connack = new Promise<number>((resolve, reject) => {
      this.socket.once("data", (chunk) => resolve(chunk[3] ?? -1));
      this.socket.once("close", () => reject(new Error("cut before CONNACK")));
    });
    this.packet({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: 4,
      clientId,
      clean: true,
      keepalive: 60,
      ...more,
    });
    return connack;
  }

  /** Resolves once the other side, or we, ended the line. */
  async closed(timeoutMs = answerMsMax): Promise<void> {
    const late = AbortSignal.timeout(timeoutMs);
    await Promise.race([
      this.#closed,
      new Promise<never>((_resolve, reject) => {
        late.addEventListener("abort", () => reject(late.reason), { once: true });
      }),
    ]);
  }

  end(): void {
    this.socket.destroy();
  }
}
