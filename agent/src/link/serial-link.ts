/** {@link ByteLink} over a serial port or a pty, through the package serialport. */

import type { SerialPort } from "serialport";
import { linkChunkBytesMax } from "../limits.ts";
import type { ByteLink } from "./byte-link.ts";
import { endAtHangUp } from "./hang-up.ts";
import { linkError } from "./link-error.ts";
import type { SerialUri } from "./link-uri.ts";

export class SerialLink implements ByteLink {
  readonly name: string;
  readonly #uri: SerialUri;

  constructor(uri: SerialUri) {
    this.#uri = uri;
    this.name = `serial:${uri.path}`;
  }

  async *open({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<Uint8Array> {
    signal.throwIfAborted();
    const port = await this.#createPort();
    // An error between two reads has no other listener; the iteration below throws it.
    port.on("error", () => undefined);
    const close = () => port.close(() => undefined);
    try {
      await openPort(port);
      if (port.port !== undefined) endAtHangUp(port.port);
      signal.addEventListener("abort", close, { once: true });
      signal.throwIfAborted();
      yield new Uint8Array();
      for await (const chunk of port) if (chunk instanceof Uint8Array) yield chunk;
      signal.throwIfAborted();
    } catch (cause) {
      signal.throwIfAborted();
      throw linkError(this.name, cause);
    } finally {
      signal.removeEventListener("abort", close);
      await closePort(port);
    }
  }

  /** The native module is loaded only where a serial link is used. */
  async #createPort(): Promise<SerialPort> {
    const { SerialPort } = await import("serialport");
    const { path, baud, dataBits, parity, stopBits } = this.#uri;
    return new SerialPort({
      path,
      baudRate: baud,
      dataBits,
      parity,
      stopBits,
      autoOpen: false,
      endOnClose: true,
      highWaterMark: linkChunkBytesMax,
    });
  }
}

function openPort(port: SerialPort): Promise<void> {
  return new Promise((resolve, reject) => {
    port.open((error) => (error === null ? resolve() : reject(error)));
  });
}

function closePort(port: SerialPort): Promise<void> {
  return new Promise((resolve) => {
    if (!port.isOpen) resolve();
    else port.close(() => resolve());
  });
}
