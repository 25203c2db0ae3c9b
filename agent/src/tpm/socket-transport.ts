/**
 * A TPM behind a socket that takes raw commands: swtpm's `--server type=tcp` or `type=unixio`. No resource
 * manager stands before it, and it serves one connection at a time, which keeps others out meanwhile.
 */

import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { concat } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { tpmCommandMsMax, tpmMessageBytesMax } from "./limits.ts";
import type { TpmLine, TpmTransport } from "./tpm-transport.ts";

export type TpmAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

export function socketTransport(address: TpmAddress): TpmTransport {
  const name = "path" in address ? address.path : `${address.host}:${address.port}`;
  return {
    name,
    isManaged: false,
    open: async ({ signal }) => {
      const socket = connect(address);
      try {
        await once(socket, "connect", {
          signal: AbortSignal.any([signal, AbortSignal.timeout(tpmCommandMsMax)]),
        });
      } catch (cause) {
        socket.destroy();
        signal.throwIfAborted();
        throw new OperationalError(
          "TPM_UNAVAILABLE",
          `no TPM answers at ${name}: is swtpm running?`,
          {
            cause,
            details: { address: name },
          },
        );
      }
      return new SocketLine(name, socket);
    },
  };
}

class SocketLine implements TpmLine {
  readonly #name: string;
  readonly #socket: Socket;

  constructor(name: string, socket: Socket) {
    this.#name = name;
    this.#socket = socket;
    socket.setNoDelay(true);
    // A failure between two commands shows at the next one.
    socket.on("error", () => undefined);
  }

  async transmit(
    command: Uint8Array,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Uint8Array> {
    const deadline = AbortSignal.timeout(tpmCommandMsMax);
    try {
      return await this.#exchange(command, AbortSignal.any([signal, deadline]));
    } catch (cause) {
      this.#socket.destroy();
      signal.throwIfAborted();
      if (cause instanceof OperationalError) throw cause;
      if (deadline.aborted)
        throw new OperationalError("TPM_TIMEOUT", `the TPM at ${this.#name} does not answer`, {
          details: { limitMs: tpmCommandMsMax },
        });
      throw this.#broken(cause);
    }
  }

  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = once(this.#socket, "close");
    this.#socket.destroy();
    await closed;
  }

  #exchange(command: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      let received: Uint8Array = new Uint8Array(0);
      const settle = () => {
        this.#socket.off("data", onData).off("close", onClose);
        signal.removeEventListener("abort", onAbort);
      };
      const fail = (reason: unknown) => {
        settle();
        reject(reason);
      };
      const onData = (chunk: Uint8Array) => {
        received = concat(received, chunk);
        const length = lengthOf(received);
        if (length === undefined) return;
        if (length < 10 || length > tpmMessageBytesMax || received.length > length)
          fail(this.#broken(undefined));
        else if (received.length === length) {
          settle();
          resolve(received);
        }
      };
      const onClose = () => fail(this.#broken(undefined));
      const onAbort = () => fail(signal.reason);
      this.#socket.on("data", onData).on("close", onClose);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
      else if (this.#socket.destroyed) onClose();
      else this.#socket.write(command);
    });
  }

  #broken(cause: unknown): OperationalError {
    return new OperationalError("TPM_UNAVAILABLE", `the TPM at ${this.#name} broke off`, {
      cause,
      details: { address: this.#name },
    });
  }
}

/** A response says its length in bytes 2 to 5. */
function lengthOf(bytes: Uint8Array): number | undefined {
  return bytes.length < 6 ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getUint32(2);
}
