/** The line between an agent and its gateway, which the rig can cut and mend: bytes go through as they are. */

import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";

export class LinkProxy {
  readonly #server: Server;
  readonly #open = new Set<Socket>();
  #target: number | undefined;
  #isCut = false;

  private constructor() {
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async listen(): Promise<LinkProxy> {
    const proxy = new LinkProxy();
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  /** What agents dial, for as long as the rig lives. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Where the gateway listens now; it has another port after each start. */
  set target(port: number) {
    this.#target = port;
  }

  /** Breaks what is connected and lets nothing through until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#open) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  #accept(agent: Socket): void {
    this.#keep(agent);
    if (this.#isCut || this.#target === undefined) {
      agent.destroy();
      return;
    }
    const gateway = connect({ host: "127.0.0.1", port: this.#target, noDelay: true });
    this.#keep(gateway);
    agent.setNoDelay(true);
    agent.pipe(gateway);
    gateway.pipe(agent);
    agent.once("close", () => gateway.destroy());
    gateway.once("close", () => agent.destroy());
  }

  #keep(socket: Socket): void {
    this.#open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#open.delete(socket));
  }
}
