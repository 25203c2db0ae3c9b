/** Lets strangers in as far as a handshake: so many at once and a second, and only for so long. */

import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import type { Duplex } from "node:stream";
import type { SecureContext, TLSSocket } from "node:tls";
import { OperationalError } from "../base/operational-error.ts";
import type { Clock } from "../daemon/system-clock.ts";
import type { PeerCode } from "./code.ts";
import { PeerGate } from "./gate.ts";
import type { PeerLimits } from "./limits.ts";
import { acceptPeer } from "./tls.ts";

/** Somebody whose handshake is done and who has yet to be judged and to say hello. */
export type Stranger = {
  readonly socket: TLSSocket;
  readonly address: string;
  /** It has said hello: it is no stranger any more. */
  readonly known: () => void;
};

export type PeerDoorOptions = {
  readonly context: SecureContext;
  readonly clock: Clock;
  readonly limits: PeerLimits;
  readonly refused: (code: PeerCode) => void;
};

export class PeerDoor {
  readonly #options: PeerDoorOptions;
  readonly #gate: PeerGate;
  readonly #sockets = new Set<Duplex>();
  #server: Server | undefined;

  constructor(options: PeerDoorOptions) {
    this.#options = options;
    this.#gate = new PeerGate(options.limits);
  }

  /** Those who have not said hello. */
  get strangers(): number {
    return this.#gate.open;
  }

  /** @returns the port. @throws OperationalError PEER_PORT_TAKEN. */
  listen(
    { host, port }: { readonly host: string; readonly port: number },
    secured: (stranger: Stranger) => void,
  ): Promise<number> {
    const server = createServer((socket: Socket) => {
      socket.setNoDelay(true);
      const refused = this.admit(socket, socket.remoteAddress ?? "", secured);
      if (refused !== undefined) socket.destroy();
    });
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once("error", (cause) => {
        const sentence = `Peers cannot be listened for on ${host}:${port}.`;
        reject(new OperationalError("PEER_PORT_TAKEN", sentence, { cause }));
      });
      server.listen({ host, port, backlog: 511 }, () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  /** Begins a handshake as the side that was dialled. @returns why not, where not. */
  admit(raw: Duplex, address: string, secured: (stranger: Stranger) => void): PeerCode | undefined {
    const { clock, limits, context, refused } = this.#options;
    raw.on("error", () => undefined);
    const verdict = this.#gate.enter(address, clock.monotonic());
    if (verdict !== "open") {
      refused(verdict);
      return verdict;
    }
    this.#sockets.add(raw);
    const greeted = new AbortController();
    const known = () => {
      if (greeted.signal.aborted) return;
      greeted.abort();
      this.#gate.leave(address);
    };
    let isSecure = false;
    const socket = acceptPeer(raw, context);
    socket.on("error", () => undefined);
    socket.once("secure", () => {
      isSecure = true;
      secured({ socket, address, known });
    });
    const closed = () => {
      this.#sockets.delete(raw);
      if (!isSecure && !greeted.signal.aborted) refused("PEER_HANDSHAKE_FAILED");
      known();
    };
    raw.once("close", closed);
    clock.sleep(limits.helloMsMax, { signal: greeted.signal }).then(
      () => {
        refused("PEER_HELLO_LATE");
        known();
        raw.destroy();
      },
      () => undefined,
    );
    return undefined;
  }

  /** Takes nobody any more and ends every connection that came in. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const server = this.#server;
    if (server === undefined) return;
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
