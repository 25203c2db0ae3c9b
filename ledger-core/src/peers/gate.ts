/** How many strangers may knock, in all and from one address: open and a second. Pure: time arrives. */

import type { MonotonicMillis } from "../base/time.ts";
import type { PeerCode } from "./code.ts";
import type { PeerLimits } from "./limits.ts";

export type GateVerdict =
  | "open"
  | Extract<PeerCode, "PEER_CONNECTIONS_FULL" | "PEER_ADDRESS_FULL" | "PEER_HANDSHAKES_TOO_FAST">;

type Bucket = { tokens: number; at: number; open: number };

/** Token buckets one second deep. An address that does nothing is forgotten when another needs its place. */
export class PeerGate {
  readonly #limits: PeerLimits;
  readonly #addresses = new Map<string, Bucket>();
  readonly #all: Bucket;

  constructor(limits: PeerLimits) {
    this.#limits = limits;
    this.#all = { tokens: limits.handshakesPerSecondMax, at: 0, open: 0 };
  }

  get open(): number {
    return this.#all.open;
  }

  get addresses(): number {
    return this.#addresses.size;
  }

  /** Counts a stranger in when it answers "open"; the caller counts it out with {@link leave}. */
  enter(address: string, now: MonotonicMillis): GateVerdict {
    const limits = this.#limits;
    const own = this.#bucketOf(address, now);
    if (own === undefined) return "PEER_HANDSHAKES_TOO_FAST";
    refill(own, limits.handshakesPerAddressPerSecondMax, now);
    refill(this.#all, limits.handshakesPerSecondMax, now);
    if (this.#all.open >= limits.strangersMax) return "PEER_CONNECTIONS_FULL";
    if (own.open >= limits.strangersPerAddressMax) return "PEER_ADDRESS_FULL";
    // One address that is too fast takes nothing of what the others have.
    if (own.tokens < 1 || this.#all.tokens < 1) return "PEER_HANDSHAKES_TOO_FAST";
    for (const bucket of [own, this.#all]) {
      bucket.tokens--;
      bucket.open++;
    }
    return "open";
  }

  /** The stranger said hello, or is gone. */
  leave(address: string): void {
    this.#all.open--;
    const own = this.#addresses.get(address);
    if (own !== undefined) own.open--;
  }

  #bucketOf(address: string, now: number): Bucket | undefined {
    const { addressesMax, handshakesPerAddressPerSecondMax: full } = this.#limits;
    const known = this.#addresses.get(address);
    if (known !== undefined) return known;
    if (this.#addresses.size >= addressesMax) {
      // A second of quiet fills a bucket: such an address is like a new one.
      for (const [other, { open, at }] of this.#addresses)
        if (open === 0 && now - at >= 1_000) this.#addresses.delete(other);
      if (this.#addresses.size >= addressesMax) return undefined;
    }
    const bucket = { tokens: full, at: now, open: 0 };
    this.#addresses.set(address, bucket);
    return bucket;
  }
}

function refill(bucket: Bucket, perSecond: number, now: number): void {
  const added = ((now - bucket.at) * perSecond) / 1_000;
  bucket.tokens = Math.min(perSecond, bucket.tokens + added);
  bucket.at = now;
}
