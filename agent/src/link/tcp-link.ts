/** {@link ByteLink} over TCP: ser2net, a meter's LAN adapter, an emulated device. */

import { once } from "node:events";
import { connect } from "node:net";
import { deadline } from "@tamga/ledger-core/daemon/system-clock";
import { linkConnectMsMax } from "../limits.ts";
import type { ByteLink } from "./byte-link.ts";
import { linkError } from "./link-error.ts";
import type { TcpUri } from "./link-uri.ts";

export class TcpLink implements ByteLink {
  readonly name: string;
  readonly #uri: TcpUri;

  constructor(uri: TcpUri) {
    this.#uri = uri;
    this.name = `tcp://${uri.host.includes(":") ? `[${uri.host}]` : uri.host}:${uri.port}`;
  }

  async *open({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    signal.throwIfAborted();
    const { host, port } = this.#uri;
    const socket = connect({ host, port });
    // An error between two reads has no other listener; the iteration below throws it.
    socket.on("error", () => undefined);
    const destroy = () => socket.destroy();
    signal.addEventListener("abort", destroy, { once: true });
    try {
      await once(socket, "connect", {
        signal: AbortSignal.any([signal, deadline(linkConnectMsMax)]),
      });
      // A device that lost its power sends no FIN: only a probe finds out.
      socket.setKeepAlive(true, keepAliveMs);
      yield new Uint8Array();
      for await (const chunk of socket) if (chunk instanceof Uint8Array) yield chunk;
      signal.throwIfAborted();
    } catch (cause) {
      signal.throwIfAborted();
      throw linkError(
        this.name,
        cause instanceof Error && cause.name === "AbortError" ? cause.cause : cause,
      );
    } finally {
      signal.removeEventListener("abort", destroy);
      socket.destroy();
    }
  }
}

const keepAliveMs = 30_000;
