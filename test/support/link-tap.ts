/** A line between two peers that a test can watch and cut: bytes pass unchanged and are counted. */

import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";

export class LinkTap implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: number;
  /** Connections that were ever made through it. */
  connections = 0;
  /** Everything that passed, both ways. */
  readonly chunks: Uint8Array[] = [];
  isOpen = true;

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer((near) => this.#join(near));
  }

  /** @param target port that the line leads to. */
  static async open(target: number): Promise<LinkTap> {
    const tap = new LinkTap(target);
    await new Promise<void>((resolve) => tap.#server.listen(0, "127.0.0.1", resolve));
    return tap;
  }

  get port(): number {
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("the tap is closed");
    return address.port;
  }

  /** Ends every connection; new ones are refused until {@link mend}. */
  cut(): void {
    this.isOpen = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.isOpen = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(near: Socket): void {
    if (!this.isOpen) {
      near.destroy();
      return;
    }
    this.connections++;
    const far = connect(this.#target, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (chunk) => this.chunks.push(chunk));
      from.on("error", () => undefined);
      from.once("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }
}
