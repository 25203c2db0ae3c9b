/** The transactions that a validator knows and that are not final: bounded, in the order of arrival. */

import type { PendingTransaction } from "./application.ts";
import { mempoolBytesMax, mempoolTransactionsMax } from "./limits.ts";

type Entry = PendingTransaction & {
  /** Who it came from: an own submission, or a peer's index. */
  readonly origin: number | "own";
};

export class Mempool {
  readonly #entries = new Map<string, Entry>();
  readonly #perOrigin = new Map<number | "own", number>();
  readonly #peerMax: number;
  #bytes = 0;
  /** Changes whenever something was added or removed. */
  version = 0;

  /** @param peers how many share the room that is not for own submissions. */
  constructor(peers: number) {
    this.#peerMax = Math.floor(mempoolTransactionsMax / (peers + 1));
  }

  get size(): number {
    return this.#entries.size;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  values(): Iterable<PendingTransaction> {
    return this.#entries.values();
  }

  /** Own submissions that still wait. */
  *own(): Iterable<PendingTransaction> {
    for (const entry of this.#entries.values()) if (entry.origin === "own") yield entry;
  }

  /** @returns false where it is known, or where there is no room: then it has to come again. */
  add(transaction: PendingTransaction, origin: number | "own"): boolean {
    const held = this.#entries.get(transaction.id);
    if (held !== undefined) {
      if (origin === "own" && held.origin !== "own") this.#reown(held);
      return false;
    }
    const used = this.#perOrigin.get(origin) ?? 0;
    if (this.#entries.size >= mempoolTransactionsMax) return false;
    if (this.#bytes + transaction.bytes.length > mempoolBytesMax) return false;
    if (origin !== "own" && used >= this.#peerMax) return false;
    this.#entries.set(transaction.id, { ...transaction, origin });
    this.#count(origin, 1);
    this.#bytes += transaction.bytes.length;
    this.version++;
    return true;
  }

  delete(id: string): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#entries.delete(id);
    this.#count(entry.origin, -1);
    this.#bytes -= entry.bytes.length;
    this.version++;
    return true;
  }

  #reown(entry: Entry): void {
    this.#count(entry.origin, -1);
    this.#count("own", 1);
    this.#entries.set(entry.id, { ...entry, origin: "own" });
  }

  #count(origin: Entry["origin"], change: 1 | -1): void {
    this.#perOrigin.set(origin, (this.#perOrigin.get(origin) ?? 0) + change);
  }
}
