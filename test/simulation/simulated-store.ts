/**
 * A database whose transactions are atomic and reach the disk in order: what was not synced may be lost in a
 * power cut, from some transaction on.
 */

import { assert } from "@tamga/ledger-core/base/assert";

export class SimulatedStore<Tables, Write> {
  #tables: Tables;
  readonly #apply: (tables: Tables, write: Write) => void;
  readonly #copy: (tables: Tables) => Tables;
  #unsynced: (readonly Write[])[] = [];

  constructor(
    tables: Tables,
    apply: (tables: Tables, write: Write) => void,
    copy: (tables: Tables) => Tables,
  ) {
    this.#tables = tables;
    this.#apply = apply;
    this.#copy = copy;
  }

  /** What a power cut would leave at the least. */
  get durable(): Tables {
    return this.#tables;
  }

  get unsyncedCount(): number {
    return this.#unsynced.length;
  }

  /** One transaction, in the operating system's buffers. */
  write(transaction: readonly Write[]): void {
    this.#unsynced.push(transaction);
  }

  /** Returns what has become durable by it, in order. */
  sync(): Write[] {
    return this.powerCut(this.#unsynced.length);
  }

  /** The first `survivors` unsynced transactions had reached the disk; they are returned. */
  powerCut(survivors: number): Write[] {
    assert(survivors <= this.#unsynced.length, "survivors among the unsynced transactions");
    const kept = this.#unsynced.slice(0, survivors).flat();
    this.#unsynced = [];
    for (const write of kept) this.#apply(this.#tables, write);
    return kept;
  }

  /** A backup of what is durable. */
  snapshot(): Tables {
    return this.#copy(this.#tables);
  }

  /** The disk is replaced by a backup. */
  restore(snapshot: Tables): void {
    this.#unsynced = [];
    this.#tables = this.#copy(snapshot);
  }
}
