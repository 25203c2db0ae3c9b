/**
 * Watches a client's MQTT bytes go by (MQTT 3.1.1 §2.2) and stops a packet that declares too much,
 * before a byte of it is buffered: the broker's parser itself has no limit.
 */

import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";

export type PacketFault = {
  readonly code: "MQTT_PACKET_TOO_LONG" | "MQTT_CONNECT_TOO_LONG" | "MQTT_LENGTH_MALFORMED";
  readonly declared: number;
};

/** The packet that is still open after a chunk: its declared bytes, or 0; and which one of the line it is. */
export type PacketProgress = { readonly openBytes: number; readonly packet: number };

export class PacketGuard {
  readonly #packetBytesMax: number;
  readonly #connectBytesMax: number;
  #first = true;
  /** Bytes of the current packet's body that have not come by yet. */
  #left = 0;
  #declared = 0;
  #packet = 0;
  /** Digits of a length that was cut: value so far, and its next factor; factor 0 means none. */
  #length = 0;
  #factor = 0;

  constructor(limits: { readonly packetBytesMax: number; readonly connectBytesMax: number }) {
    this.#packetBytesMax = limits.packetBytesMax;
    this.#connectBytesMax = limits.connectBytesMax;
  }

  /** Bytes that are still to come of the packet that is open; 0 between packets and within a header. */
  get left(): number {
    return this.#left;
  }

  /** Faults: MQTT_*; after one the client must be cut off. */
  push(chunk: Uint8Array): Result<PacketProgress, PacketFault> {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - offset);
        this.#left -= taken;
        offset += taken;
        continue;
      }
      if (this.#factor === 0) {
        // The first byte of a fixed header: type and flags, the parser's own business.
        this.#factor = 1;
        this.#length = 0;
        offset++;
        continue;
      }
      const digit = chunk[offset++] ?? 0;
      this.#length += (digit & 0x7f) * this.#factor;
      this.#factor *= 128;
      if ((digit & 0x80) !== 0) {
        if (this.#factor > 128 ** 3)
          return err({ code: "MQTT_LENGTH_MALFORMED", declared: this.#length });
        continue;
      }
      const judged = this.#open();
      if (judged !== undefined) return err(judged);
    }
    return ok({ openBytes: this.#left > 0 ? this.#declared : 0, packet: this.#packet });
  }

  #open(): PacketFault | undefined {
    const declared = this.#length;
    const limit = this.#first ? this.#connectBytesMax : this.#packetBytesMax;
    if (declared > limit) {
      return { code: this.#first ? "MQTT_CONNECT_TOO_LONG" : "MQTT_PACKET_TOO_LONG", declared };
    }
    this.#first = false;
    this.#factor = 0;
    this.#left = declared;
    this.#declared = declared;
    this.#packet++;
    return undefined;
  }
}
