/** The newest seal of each epoch in the channel's database, as the signatures of its quorum. */

import type Database from "better-sqlite3";
import { assert } from "../base/assert.ts";
import { parseDigest } from "../base/bytes.ts";
import { decodeCbor, encodeCbor } from "../base/cbor.ts";
import { FieldReader } from "../base/field-reader.ts";
import { sealPayloadBytesMax, validatorsPerEpochMax } from "../consensus/limits.ts";
import type { Sealed } from "../consensus/message.ts";
import type { SealPoint } from "../consensus/replica-io.ts";

/** A seal point with what a quorum signed of it. */
export type StoredSeal = { readonly point: SealPoint; readonly seals: Sealed["seals"] };

type SealColumns = {
  readonly epoch: number;
  readonly size: number;
  readonly height: number;
  readonly root: Uint8Array;
  readonly seals: Uint8Array;
};

const schema = `
  CREATE TABLE IF NOT EXISTS channel_sealed (
    epoch INTEGER PRIMARY KEY, size INTEGER NOT NULL, height INTEGER NOT NULL, root BLOB NOT NULL,
    seals BLOB NOT NULL) STRICT;
`;

export class SqliteSeals {
  readonly #put: Database.Statement<[number, bigint, number, Uint8Array, Uint8Array]>;
  readonly #newest: Database.Statement<[], SealColumns>;

  constructor(db: Database.Database) {
    db.exec(schema);
    this.#put = db.prepare(`
      INSERT INTO channel_sealed VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (epoch) DO UPDATE SET size = excluded.size, height = excluded.height,
        root = excluded.root, seals = excluded.seals WHERE excluded.size > size`);
    this.#newest = db.prepare(
      "SELECT * FROM channel_sealed ORDER BY size DESC, epoch DESC LIMIT 1",
    );
  }

  /** Durable when it returns, or with the transaction that it is in. An older one changes nothing. */
  put({ point, seals }: StoredSeal): void {
    const { epoch, size, height, root } = point;
    const value = encodeCbor(seals.map(({ validator, payload }) => [validator, payload]));
    this.#put.run(epoch, size, height, root, value);
  }

  newest(): StoredSeal | undefined {
    const row = this.#newest.get();
    if (row === undefined) return undefined;
    const { epoch, height } = row;
    const root = parseDigest(plain(row.root));
    const decoded = decodeCbor(plain(row.seals), sealsBytesMax);
    assert(root.ok && decoded.ok, "a stored seal is CBOR");
    const holder = new FieldReader([decoded.value]);
    const seals = holder.list(0, validatorsPerEpochMax, (item) => {
      const fields = item.nested(0);
      const seal = {
        validator: fields.uint(0, validatorsPerEpochMax - 1),
        payload: fields.bytes(1, sealPayloadBytesMax),
      };
      fields.close();
      return seal;
    });
    const read = holder.finish(seals);
    assert(read.ok, "a stored seal is complete");
    const point = { epoch, height, size: BigInt(row.size), root: root.value };
    return { point, seals: read.value };
  }
}

const sealsBytesMax = validatorsPerEpochMax * (sealPayloadBytesMax + 8);

/** The same memory without the driver's `Buffer` around it. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
