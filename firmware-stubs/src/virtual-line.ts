/** A device's line without the device: bytes go to whoever is connected, over TCP or a pty. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";

/** @property address what an agent is told: `tcp://host:port` or `serial:/path`. */
export interface VirtualLine {
  readonly address: string;
  /** Resolves as soon as somebody is connected. */
  connected(options: { readonly signal: AbortSignal }): Promise<void>;
  /**
   * Hands the bytes to everyone connected and waits until the kernel has taken them.
   * @returns false where nobody took all of them.
   */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Hangs up on everyone: after what was written, or at once on a client that takes no more. */
  close(): Promise<void>;
}

/** Clients of one emulated line; a real one has a single reader. */
export const lineClientsMax = 16;

export class TcpLine implements VirtualLine {
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #waiting: (() => void)[] = [];
  #address = "";
  #closed: Promise<void> | undefined;

  constructor() {
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = lineClientsMax;
  }

  get address(): string {
    return this.#address;
  }

  async listen(host: string, port: number): Promise<void> {
    this.#server.listen(port, host);
    await once(this.#server, "listening");
    const address = this.#server.address();
    const actual = typeof address === "object" && address !== null ? address.port : port;
    this.#address = `tcp://${host.includes(":") ? `[${host}]` : host}:${actual}`;
  }

  async connected({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted();
    if (this.#clients.size > 0) return;
    await new Promise<void>((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      });
    });
  }

  async write(bytes: Uint8Array): Promise<boolean> {
    const taken = await Promise.all([...this.#clients].map((client) => writeAll(client, bytes)));
    return taken.includes(true);
  }

  close(): Promise<void> {
    this.#closed ??= this.#hangUp();
    return this.#closed;
  }

  async #hangUp(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const client of this.#clients) {
      if (client.writableLength > 0) client.destroy();
      else client.end(() => client.destroySoon());
    }
    await closed;
  }

  #accept(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#clients.delete(socket));
    socket.resume();
    this.#clients.add(socket);
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }
}

function writeAll(socket: Socket, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const onClose = () => resolve(false);
    socket.once("close", onClose);
    socket.write(bytes, (error) => {
      socket.off("close", onClose);
      resolve(error === undefined || error === null);
    });
  });
}

/**
 * A pseudo-terminal that looks like a serial port: `socat` copies a {@link TcpLine} into it. Each
 * reader has a socat of its own, which connects once the port is opened and ends when it is closed.
 */
export class PtyLine implements VirtualLine {
  readonly address: string;
  readonly #tcp = new TcpLine();
  readonly #path: string;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #socats: Promise<void> = Promise.resolve();

  private constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.address = `serial:${path}`;
  }

  /**
   * @param path where the link to the pty is made, and made again after each reader.
   * Throws LINE_NO_SOCAT where socat is missing.
   */
  static async open(path: string, clock: Clock, signal: AbortSignal): Promise<PtyLine> {
    const line = new PtyLine(path, clock);
    await line.#tcp.listen("127.0.0.1", 0);
    line.#socats = line.#keepSocat();
    const failed = line.#socats.then(() => undefined);
    const appeared = line.#appeared(signal);
    try {
      await Promise.race([appeared, failed]);
    } catch (error) {
      await line.close().catch(() => undefined);
      throw error;
    }
    return line;
  }

  connected(options: { readonly signal: AbortSignal }): Promise<void> {
    return this.#tcp.connected(options);
  }

  write(bytes: Uint8Array): Promise<boolean> {
    return this.#tcp.write(bytes);
  }

  async close(): Promise<void> {
    await this.#tcp.close();
    this.#stop.abort();
    await this.#socats;
  }

  async #appeared(signal: AbortSignal): Promise<void> {
    while (!existsSync(this.#path) && !this.#stop.signal.aborted)
      await this.#clock.sleep(10, { signal });
  }

  async #keepSocat(): Promise<void> {
    const target = this.#tcp.address.replace("tcp://", "TCP:");
    const pty = `PTY,link=${this.#path},rawer,wait-slave,pty-interval=0.05`;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const socat = spawn("socat", [pty, target], { stdio: "ignore", signal });
      try {
        await once(socat, "exit");
        await this.#clock.sleep(50, { signal });
      } catch (cause) {
        if (signal.aborted) break;
        const sentence = "socat could not be started: install the package socat.";
        throw new OperationalError("LINE_NO_SOCAT", sentence, { cause });
      }
    }
    await rm(this.#path, { force: true });
  }
}
