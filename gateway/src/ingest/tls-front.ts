/**
 * The TLS listener in front of the broker: bounds connections, handshakes and packets, and lets nobody
 * through whose certificate the site has not given out.
 */

import { constants, createHash } from "node:crypto";
import type { Server as NetServer, Socket } from "node:net";
import { createServer as createNetServer } from "node:net";
import type { TLSSocket } from "node:tls";
import { createServer as createTlsServer } from "node:tls";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import { connectionsMax, handshakeMsMax, handshakesPerSecondMax } from "../limits.ts";
import type { ByteBudget } from "./byte-budget.ts";
import type { KnownCertificate } from "./client-access.ts";
import { ConnectionGate } from "./connection-gate.ts";
import { guardSocket } from "./guarded-socket.ts";

export type TlsFrontOptions = {
  /** PEM. */
  readonly tls: { readonly key: string; readonly certificate: string; readonly ca: string };
  /** What the registry knows of the certificate with this SHA-256. */
  readonly certificate: (fingerprint: Uint8Array) => KnownCertificate | undefined;
  /** A known device's connection; the guard already watches it. */
  readonly accept: (socket: TLSSocket) => void;
  /** Counts a refusal by its stable code. */
  readonly refused: (code: string) => void;
  readonly budget: ByteBudget;
  readonly clock: Clock;
};

export class TlsFront {
  readonly #options: TlsFrontOptions;
  readonly #gate = new ConnectionGate({
    openMax: connectionsMax,
    perSecond: handshakesPerSecondMax,
  });
  readonly #sockets = new Set<Socket>();
  #server: NetServer | undefined;

  constructor(options: TlsFrontOptions) {
    this.#options = options;
  }

  get connections(): number {
    return this.#gate.open;
  }

  /** @returns the port. Throws OperationalError BROKER_PORT_TAKEN. */
  listen(host: string, port: number): Promise<number> {
    const { tls } = this.#options;
    const secure = createTlsServer({
      key: tls.key,
      cert: tls.certificate,
      ca: tls.ca,
      minVersion: "TLSv1.2",
      requestCert: true,
      // The registry judges, not the dates: an expired but known device may renew.
      rejectUnauthorized: false,
      handshakeTimeout: handshakeMsMax,
      // No resumption: every connection shows its certificate and is judged anew.
      secureOptions: constants.SSL_OP_NO_TICKET,
      sessionTimeout: 1,
    });
    secure.on("secureConnection", (socket) => this.#secured(socket));
    secure.on("tlsClientError", () => this.#options.refused("TLS_HANDSHAKE_FAILED"));
    const server = createNetServer((socket) => {
      if (this.#enter(socket)) secure.emit("connection", socket);
    });
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once("error", (cause) => {
        const sentence = `The broker cannot listen on ${host}:${port}: is another gateway running?`;
        reject(new OperationalError("BROKER_PORT_TAKEN", sentence, { cause }));
      });
      server.listen({ host, port, backlog: 511 }, () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : port);
      });
    });
  }

  /** What the registry knows of the peer's certificate; TLS has proved that the peer has its key. */
  certificateOf(socket: TLSSocket): "missing" | "unknown" | KnownCertificate {
    const der = socket.getPeerCertificate().raw;
    if (der === undefined) return "missing";
    return this.#options.certificate(createHash("sha256").update(der).digest()) ?? "unknown";
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #enter(socket: Socket): boolean {
    const verdict = this.#gate.enter(this.#options.clock.monotonic());
    if (verdict !== "open") {
      this.#options.refused(verdict);
      socket.destroy();
      return false;
    }
    this.#sockets.add(socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#gate.leave();
    });
    socket.on("error", () => undefined);
    socket.setNoDelay(true);
    return true;
  }

  #secured(socket: TLSSocket): void {
    const known = this.certificateOf(socket);
    // Nothing of MQTT is read from somebody whom the site does not know.
    if (known === "missing") this.#cut(socket, "CLIENT_CERTIFICATE_MISSING");
    else if (known === "unknown") this.#cut(socket, "CLIENT_CERTIFICATE_UNKNOWN");
    else {
      const { budget, clock } = this.#options;
      const cut = (code: string) => this.#cut(socket, code);
      guardSocket(socket, { device: known.device, budget, clock, cut });
      this.#options.accept(socket);
    }
  }

  #cut(socket: TLSSocket, code: string): void {
    this.#options.refused(code);
    socket.destroy();
  }
}
