/** A device's line without the device: bytes go to whoever is connected, over TCP or a pty. */

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { FileHandle } from "node:fs/promises";
import { constants, open, rm } from "node:fs/promises";
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
  /** Lets what was written drain, then hangs up. */
  close(): Promise<void>;
}

/** Clients of one emulated line; a real one has a single reader. */
export const lineClientsMax = 16;

export class TcpLine implements VirtualLine {
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #waiting: (() => void)[] = [];
  #address = "";

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

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const client of this.#clients) client.end(() => client.destroySoon());
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

/** A pseudo-terminal that looks like a serial port: `socat` copies a {@link TcpLine} into it. */
export class PtyLine implements VirtualLine {
  readonly address: string;
  readonly #tcp: TcpLine;
  readonly #socat: ChildProcess;
  readonly #held: FileHandle;
  readonly #path: string;

  private constructor(path: string, tcp: TcpLine, socat: ChildProcess, held: FileHandle) {
    this.#path = path;
    this.address = `serial:${path}`;
    this.#tcp = tcp;
    this.#socat = socat;
    this.#held = held;
  }

  /** @param path where the link to the pty is made. Throws LINE_NO_SOCAT where socat is missing. */
  static async open(path: string, clock: Clock, signal: AbortSignal): Promise<PtyLine> {
    const tcp = new TcpLine();
    await tcp.listen("127.0.0.1", 0);
    const target = tcp.address.replace("tcp://", "TCP:");
    const socat = spawn("socat", [`PTY,link=${path},rawer`, target], { stdio: "ignore" });
    const failed = once(socat, "error").then(([cause]) => {
      const sentence = "socat could not be started: install the package socat.";
      throw new OperationalError("LINE_NO_SOCAT", sentence, { cause });
    });
    await Promise.race([tcp.connected({ signal }), failed]);
    // Held open here, so that the pty outlives each reader that comes and goes.
    for (;;) {
      try {
        const held = await open(path, constants.O_RDWR | constants.O_NOCTTY);
        return new PtyLine(path, tcp, socat, held);
      } catch {
        await clock.sleep(10, { signal });
      }
    }
  }

  connected(options: { readonly signal: AbortSignal }): Promise<void> {
    return this.#tcp.connected(options);
  }

  write(bytes: Uint8Array): Promise<boolean> {
    return this.#tcp.write(bytes);
  }

  async close(): Promise<void> {
    await this.#tcp.close();
    await this.#held.close();
    if (this.#socat.exitCode === null) {
      const exited = once(this.#socat, "exit");
      this.#socat.kill();
      await exited;
    }
    await rm(this.#path, { force: true });
  }
}
