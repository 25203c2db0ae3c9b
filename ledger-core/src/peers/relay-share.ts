/** What a relay carries for each peer in a second: who asks for more waits. Pure: time arrives. */

import type { MonotonicMillis } from "../base/time.ts";

/** A token bucket a peer, one second deep, that may be overdrawn by what is already under way. */
export class RelayShare<Key> {
  readonly #bytesPerSecond: number;
  readonly #buckets = new Map<Key, { tokens: number; at: number; total: number }>();

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Books bytes of a peer. @returns milliseconds until more of its may be taken; 0 for at once. */
  book(key: Key, bytes: number, now: MonotonicMillis): number {
    const full = this.#bytesPerSecond;
    const bucket = this.#buckets.get(key) ?? { tokens: full, at: now, total: 0 };
    this.#buckets.set(key, bucket);
    bucket.tokens = Math.min(full, bucket.tokens + ((now - bucket.at) * full) / 1_000);
    bucket.at = now;
    bucket.tokens -= bytes;
    bucket.total += bytes;
    return bucket.tokens >= 0 ? 0 : Math.ceil((-bucket.tokens * 1_000) / full);
  }

  /** Bytes that were ever booked for the peer. */
  total(key: Key): number {
    return this.#buckets.get(key)?.total ?? 0;
  }

  /** The peer is no member any more. */
  forget(key: Key): void {
    this.#buckets.delete(key);
  }
}
