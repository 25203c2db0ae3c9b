/**
 * The transactions that a validator knows and that are not final: bounded, in the order of arrival. An
 * identity does not cover the evidence, so that one may be here in several forms, and each is held by itself:
 * a copy that somebody stripped of its approvals takes no place but its sender's own.
 */

import { equal } from "../base/bytes.ts";
import type { PendingTransaction } from "./application.ts";
import {
  mempoolBytesMax,
  mempoolFormsMax,
  mempoolStrangersMax,
  mempoolTransactionsMax,
} from "./limits.ts";

/** Who a transaction came from: an own submission, a validator's index, or somebody who is none, by name. */
export type Origin = number | "own" | { readonly stranger: string };

type Entry = PendingTransaction & { origin: string };

type Share = { count: number; bytes: number };

const own = "own";

export class Mempool {
  readonly #entries = new Set<Entry>();
  readonly #forms = new Map<string, readonly Entry[]>();
  readonly #shares = new Map<string, Share>();
  readonly #parts: number;
  #bytes = 0;
  /** Changes whenever something was added or removed. */
  version = 0;

  /** @param peers how many have a share each; one is for own submissions, and one for all strangers. */
  constructor(peers: number) {
    this.#parts = peers + 2;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Whether it is here, byte for byte. */
  has(transaction: PendingTransaction): boolean {
    return this.#find(transaction) !== undefined;
  }

  /** Whether it is here in no other form. */
  isOnly({ id }: PendingTransaction): boolean {
    return this.#forms.get(id)?.length === 1;
  }

  values(): Iterable<PendingTransaction> {
    return this.#entries.values();
  }

  /** Own submissions that still wait. */
  *own(): Iterable<PendingTransaction> {
    for (const entry of this.#entries) if (entry.origin === own) yield entry;
  }

  /** @returns false where it is known, or where there is no room: then it has to come again. */
  add({ id, bytes }: PendingTransaction, from: Origin): boolean {
    const origin = nameOf(from);
    const held = this.#find({ id, bytes });
    if (held !== undefined) {
      if (origin === own && held.origin !== own) this.#reown(held);
      return false;
    }
    if (!this.#hasRoom(origin, bytes.length)) return false;
    const forms = this.#forms.get(id) ?? [];
    if (forms.filter((form) => form.origin === origin).length >= mempoolFormsMax) return false;
    const entry = { id, bytes, origin };
    this.#entries.add(entry);
    this.#forms.set(id, [...forms, entry]);
    this.#count(origin, 1, bytes.length);
    this.#bytes += bytes.length;
    this.version++;
    return true;
  }

  /** Forgets a transaction in all its forms. */
  delete(id: string): boolean {
    const forms = this.#forms.get(id) ?? [];
    for (const form of forms) this.remove(form);
    return forms.length > 0;
  }

  /** Forgets this one form. */
  remove(transaction: PendingTransaction): void {
    const entry = this.#find(transaction);
    if (entry === undefined) return;
    const { id, bytes, origin } = entry;
    this.#entries.delete(entry);
    const others = (this.#forms.get(id) ?? []).filter((form) => form !== entry);
    if (others.length === 0) this.#forms.delete(id);
    else this.#forms.set(id, others);
    this.#count(origin, -1, -bytes.length);
    this.#bytes -= bytes.length;
    this.version++;
  }

  #find({ id, bytes }: PendingTransaction): Entry | undefined {
    return this.#forms.get(id)?.find((form) => equal(form.bytes, bytes));
  }

  #hasRoom(origin: string, length: number): boolean {
    if (this.#entries.size >= mempoolTransactionsMax) return false;
    if (this.#bytes + length > mempoolBytesMax) return false;
    if (origin === own) return true;
    if (!this.#fits(origin, length, origin.startsWith(strange) ? mempoolStrangersMax : 1))
      return false;
    return !origin.startsWith(strange) || this.#fits(strange, length, 1);
  }

  /** Whether a share's holder stays within its part of the whole. */
  #fits(holder: string, length: number, divisor: number): boolean {
    const { count, bytes } = this.#shares.get(holder) ?? { count: 0, bytes: 0 };
    const parts = this.#parts * divisor;
    return (
      count < Math.floor(mempoolTransactionsMax / parts) &&
      bytes + length <= mempoolBytesMax / parts
    );
  }

  #count(origin: string, count: number, bytes: number): void {
    const holders = origin.startsWith(strange) ? [origin, strange] : [origin];
    for (const holder of holders) {
      const share = this.#shares.get(holder) ?? { count: 0, bytes: 0 };
      share.count += count;
      share.bytes += bytes;
      if (share.count === 0) this.#shares.delete(holder);
      else this.#shares.set(holder, share);
    }
  }

  #reown(entry: Entry): void {
    this.#count(entry.origin, -1, -entry.bytes.length);
    this.#count(own, 1, entry.bytes.length);
    entry.origin = own;
  }
}

/** Before a stranger's name; alone, all strangers together. */
const strange = "stranger ";

function nameOf(origin: Origin): string {
  return typeof origin === "object" ? strange + origin.stranger : String(origin);
}
