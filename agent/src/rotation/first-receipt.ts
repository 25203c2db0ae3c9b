/** Looks for the first statement by a new key that is final: before it is so, the agent has verified its receipt. */

import { equal } from "@tamga/ledger-core/base/bytes";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { SqliteOutbox } from "../outbox/sqlite-outbox.ts";

export class FirstReceipt {
  readonly #outbox: Pick<SqliteOutbox, "finalAfter">;
  readonly #kid: Uint8Array;
  /** Statements up to here are not it. */
  #seen: number;

  /** @param part.after the new key signed nothing up to this place; a new outbox counts anew. */
  constructor(
    outbox: Pick<SqliteOutbox, "finalAfter" | "lastOrdinal">,
    { kid, after }: { readonly kid: Uint8Array; readonly after: number },
  ) {
    this.#outbox = outbox;
    this.#kid = kid;
    this.#seen = Math.min(after, outbox.lastOrdinal());
  }

  isThere(): boolean {
    for (const { id, bytes } of this.#outbox.finalAfter(this.#seen)) {
      const statement = parseStatement(bytes);
      if (statement.ok && equal(statement.value.header.kid, this.#kid)) return true;
      // What the old key had under way when the new one came.
      this.#seen = id;
    }
    return false;
  }
}
