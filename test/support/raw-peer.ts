/** A peer below our own code, for what no honest one does: any bytes over TLS, any answer or none. */

import type { Socket } from "node:net";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { connect } from "node:tls";
import { concat } from "@tamga/ledger-core/base/bytes";
import type { Frame, FrameType } from "@tamga/ledger-core/peers/frame";
import { FrameReader, frameParts } from "@tamga/ledger-core/peers/frame";
import { peerLimits } from "@tamga/ledger-core/peers/limits";
import { encodeHello, parseRefuse } from "@tamga/ledger-core/peers/message";
import type { PeerCredentials } from "@tamga/ledger-core/peers/tls";
import { consortium } from "./peer-consortium.ts";
import { name } from "./wire-samples.ts";

export class RawPeer {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader(peerLimits);
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.isClosed = true;
    });
    socket.on("data", (chunk) => {
      reader.push(chunk);
      for (let read = reader.next(); read.kind === "frame"; read = reader.next()) {
        this.frames.push(read.frame);
        if (read.frame.type === "hello") reader.greeted();
      }
    });
  }

  /** A handshake that the node agrees to; what it thinks of the certificate comes after. */
  static async dial(
    port: number,
    credentials: PeerCredentials | undefined,
    more: ConnectionOptions = {},
  ): Promise<RawPeer> {
    const own =
      credentials === undefined ? {} : { key: credentials.key, cert: credentials.certificates };
    const socket: TLSSocket = connect({
      host: "127.0.0.1",
      port,
      rejectUnauthorized: false,
      ...own,
      ...more,
    });
    const peer = new RawPeer(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("close", () => reject(new Error("closed in the handshake")));
    });
    return peer;
  }

  send(type: FrameType, ...body: readonly Uint8Array[]): boolean {
    return this.socket.write(concat(...frameParts(type, ...body)));
  }

  hello(as: string, more: { readonly consortium?: string } = {}): void {
    const scope = more.consortium === undefined ? consortium : name(more.consortium);
    this.send("hello", encodeHello({ consortium: scope, name: name(as) }));
  }

  /** Why the node refused, as it said itself. */
  get refusal(): string | undefined {
    const refusal = this.frames.find(({ type }) => type === "refuse");
    return refusal === undefined ? undefined : parseRefuse(refusal.body);
  }

  of(type: FrameType): readonly Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }
}
