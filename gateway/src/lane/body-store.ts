/** Where the bodies of bundles are kept: a port, and the one that keeps them beside the lane. */

import { assert } from "@tamga/ledger-core/base/assert";
import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { EncodedBody } from "@tamga/ledger-core/wire/uplink-message";
import { bodyEncodings } from "@tamga/ledger-core/wire/uplink-message";
import { storedBytes } from "./stored.ts";

/**
 * Bodies as they came off the wire, under keys that the store gives. `put` runs inside the lane's
 * transaction: when that commits, `copies` copies of the body are durable.
 */
export interface BodyStore {
  /** The channel's `body_copies`. */
  readonly copies: number;
  put(body: EncodedBody): number;
  /** Undefined where retention has let it go. */
  get(key: number): EncodedBody | undefined;
}

/** One copy, in the lane's own file and transaction. */
export function createSqliteBodyStore(db: Database): BodyStore {
  const insert = db.prepare<[number, number, Uint8Array]>(
    "INSERT INTO body (encoding, length, bytes) VALUES (?, ?, ?)",
  );
  const select = db.prepare<[number], { encoding: number; length: number; bytes: Uint8Array }>(
    "SELECT encoding, length, bytes FROM body WHERE id = ?",
  );
  return {
    copies: 1,
    put({ encoding, length, bytes }) {
      assert(db.inTransaction, "a body is stored inside the lane's transaction");
      return Number(insert.run(bodyEncodings.indexOf(encoding), length, bytes).lastInsertRowid);
    },
    get(key) {
      const row = select.get(key);
      const encoding = row === undefined ? undefined : bodyEncodings[row.encoding];
      return row === undefined || encoding === undefined
        ? undefined
        : { encoding, length: row.length, bytes: storedBytes(row.bytes) };
    },
  };
}
