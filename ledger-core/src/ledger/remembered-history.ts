/** What is ordered, asked of the database once a transaction: gossip, builds and blocks ask again and again. */

import type { OrderedHistory } from "./ledger-state.ts";
import { identitiesKeptMax } from "./limits.ts";

/**
 * Answers as the history that it is given. Absence is remembered with the log's size at which it was asked,
 * and the identities that came since are kept, so that both together answer for now.
 */
export class RememberedHistory implements OrderedHistory {
  readonly #history: OrderedHistory;
  readonly #max: number;
  /** Identities of the log's entries from `#from` up to `#end`, in their order. */
  readonly #recent = new Set<string>();
  readonly #absent = new Map<string, number>();
  #from: number;
  #end: number;

  constructor(history: OrderedHistory, max: number = identitiesKeptMax) {
    this.#history = history;
    this.#max = max;
    this.#from = history.size;
    this.#end = history.size;
  }

  get size(): number {
    return this.#history.size;
  }

  isOrdered(id: string): boolean {
    const { size } = this;
    // Somebody appended and did not say what.
    if (size !== this.#end) this.#forget(size);
    if (this.#recent.has(id)) return true;
    const asked = this.#absent.get(id);
    if (asked !== undefined && asked >= this.#from) return false;
    if (this.#history.isOrdered(id)) return true;
    this.#absent.delete(id);
    this.#absent.set(id, size);
    if (this.#absent.size > this.#max) dropFirst(this.#absent);
    return false;
  }

  /** Takes note of what was appended last, once it is durable. */
  appended(ids: readonly string[]): void {
    const { size } = this;
    if (size !== this.#end + ids.length) {
      this.#forget(size);
      return;
    }
    for (const id of ids) {
      this.#absent.delete(id);
      this.#recent.add(id);
    }
    this.#end = size;
    while (this.#recent.size > this.#max) {
      dropFirst(this.#recent);
      this.#from++;
    }
  }

  #forget(size: number): void {
    this.#recent.clear();
    this.#absent.clear();
    this.#from = size;
    this.#end = size;
  }
}

function dropFirst(of: Set<string> | Map<string, unknown>): void {
  const [first] = of.keys();
  if (first !== undefined) of.delete(first);
}
