/**
 * The line on which one validator dials another. The rig can cut it, hold either direction as a partition
 * does that lets the other through, and count what passes: TLS records by their headers, never their content.
 */

import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { TlsRecordCount } from "./tls-record-count.ts";

export type Direction = "forward" | "backward";

/** One connection: bytes, or its end, that wait in a direction that is held. */
type Passage = {
  readonly from: Socket;
  readonly to: Socket;
  readonly held: Buffer[];
  hasEnded: boolean;
};

export class PeerLine {
  /** Who dials, and who is dialled. */
  readonly dialler: string;
  readonly listener: string;
  readonly #server: Server;
  readonly #target: number;
  readonly #open = new Set<Socket>();
  readonly #passages: Record<Direction, Set<Passage>> = {
    forward: new Set(),
    backward: new Set(),
  };
  readonly #isHeld: Record<Direction, boolean> = { forward: false, backward: false };
  #isCut = false;
  /** Application data records, by size, since the start of the count. */
  #records: number[] = [];

  private constructor(ends: { dialler: string; listener: string; target: number }) {
    this.dialler = ends.dialler;
    this.listener = ends.listener;
    this.#target = ends.target;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** @param ends.target the port on which the listener takes its peers. */
  static async listen(ends: {
    readonly dialler: string;
    readonly listener: string;
    readonly target: number;
  }): Promise<PeerLine> {
    const line = new PeerLine(ends);
    line.#server.listen(0, "127.0.0.1");
    await once(line.#server, "listening");
    return line;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Breaks what is connected, and takes nothing until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#open) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  /** Lets nothing through in this direction, an end of the connection neither. */
  hold(direction: Direction): void {
    this.#isHeld[direction] = true;
    for (const { from } of this.#passages[direction]) from.pause();
  }

  /** What was held goes on its way, as what is sent again after a partition. */
  release(direction: Direction): void {
    this.#isHeld[direction] = false;
    for (const passage of this.#passages[direction]) {
      for (const chunk of passage.held.splice(0)) passage.to.write(chunk);
      if (passage.hasEnded) passage.to.end();
      else passage.from.resume();
    }
    // Nothing of these was connected: whoever dialled tries again.
    for (const socket of this.#open)
      if (!this.#hasPassage(socket) && !this.#isPartitioned) socket.destroy();
  }

  /** Sizes of the application data records since the last call, of both directions. */
  takeRecords(): readonly number[] {
    const records = this.#records;
    this.#records = [];
    return records;
  }

  async close(): Promise<void> {
    this.cut();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }

  get #isPartitioned(): boolean {
    return this.#isHeld.forward || this.#isHeld.backward;
  }

  #hasPassage(socket: Socket): boolean {
    return [...this.#passages.forward, ...this.#passages.backward].some(
      ({ from }) => from === socket,
    );
  }

  #accept(dialler: Socket): void {
    this.#keep(dialler);
    if (this.#isCut) {
      dialler.destroy();
      return;
    }
    // Half a handshake is none: as long as one direction is held nobody is connected, and nobody is told.
    if (this.#isPartitioned) return;
    const listener = connect({ host: "127.0.0.1", port: this.#target, allowHalfOpen: true });
    this.#keep(listener);
    this.#pass("forward", dialler, listener);
    this.#pass("backward", listener, dialler);
  }

  #pass(direction: Direction, from: Socket, to: Socket): void {
    const records = new TlsRecordCount();
    const passage: Passage = { from, to, held: [], hasEnded: false };
    this.#passages[direction].add(passage);
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => {
      this.#records.push(...records.take(chunk));
      if (this.#isHeld[direction]) {
        passage.held.push(chunk);
        from.pause();
      } else if (!to.write(chunk)) {
        from.pause();
        to.once("drain", () => {
          if (!this.#isHeld[direction]) from.resume();
        });
      }
    });
    from.once("end", () => {
      passage.hasEnded = true;
      if (!this.#isHeld[direction]) to.end();
    });
    from.once("close", () => {
      passage.hasEnded = true;
      if (!this.#isHeld[direction]) to.destroy();
    });
    to.once("close", () => this.#passages[direction].delete(passage));
  }

  #keep(socket: Socket): void {
    this.#open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#open.delete(socket));
  }
}
