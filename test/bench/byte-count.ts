/** What one gateway sends and takes: bytes of messages, and bytes of TLS on the wire, both ways. */

import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { TestDevice } from "../support/test-device.ts";

/** A relay on loopback between devices and a gateway: it sees TLS records and counts them. */
export class CountingRelay {
  #up = 0;
  #down = 0;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((near) => this.#accept(near));

  constructor(target: number) {
    this.#target = target;
  }

  get up(): number {
    return this.#up;
  }

  get down(): number {
    return this.#down;
  }

  /** @returns its port. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  reset(): void {
    this.#up = 0;
    this.#down = 0;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(near: Socket): void {
    const far = connect({ host: "127.0.0.1", port: this.#target });
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.on("close", () => this.#sockets.delete(socket));
    }
    near.on("data", (chunk: Uint8Array) => {
      this.#up += chunk.length;
    });
    far.on("data", (chunk: Uint8Array) => {
      this.#down += chunk.length;
    });
    near.pipe(far);
    far.pipe(near);
  }
}

/** Payload bytes that come down to a device from now on. */
export function countDown(device: TestDevice): { bytes: number } {
  const count = { bytes: 0 };
  device.client.on("message", (_topic, payload) => {
    count.bytes += payload.length;
  });
  return count;
}
