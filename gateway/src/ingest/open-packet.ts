/** Holds bytes of the budget for a packet that has begun, and a deadline by which it must have come. */

import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { PacketProgress } from "./packet-guard.ts";

export type OpenPacketOptions = {
  /** @returns false where the budget has no room. */
  readonly take: (bytes: number) => boolean;
  readonly give: (bytes: number) => void;
  /** The packet did not come in time. */
  readonly late: () => void;
  readonly clock: Pick<Clock, "sleep">;
  readonly msMax: number;
};

export class OpenPacket {
  readonly #options: OpenPacketOptions;
  #packet = 0;
  #reserved = 0;
  #deadline: AbortController | undefined;

  constructor(options: OpenPacketOptions) {
    this.#options = options;
  }

  /** Reserves what is open now, each packet with its own deadline. @returns false without room. */
  follow({ openBytes, packet }: PacketProgress): boolean {
    if (openBytes > 0 && packet === this.#packet) return true;
    this.close();
    if (openBytes === 0) return true;
    if (!this.#options.take(openBytes)) return false;
    this.#reserved = openBytes;
    this.#packet = packet;
    const deadline = new AbortController();
    this.#deadline = deadline;
    const { clock, msMax, late } = this.#options;
    clock.sleep(msMax, { signal: deadline.signal }).then(late, () => undefined);
    return true;
  }

  /** Gives back what is reserved. */
  close(): void {
    this.#deadline?.abort();
    this.#deadline = undefined;
    if (this.#reserved > 0) this.#options.give(this.#reserved);
    this.#reserved = 0;
    this.#packet = 0;
  }
}
