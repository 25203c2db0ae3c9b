/** What the site has stated of its devices' keys (WIRE §8.3), as `registry.db` keeps it: signed once, ordered once a channel. */

import { mint } from "@tamga/ledger-core/base/brand";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { Database } from "better-sqlite3";
import type { DeviceKey, KeyRow } from "./key-row.ts";
import { storedChain, storedIntermediates, toKey } from "./key-row.ts";

/** A statement that waits for the ledger. */
export type KeyStatement = {
  readonly id: number;
  readonly device: Identifier;
  readonly kid: Digest;
  readonly statement: Uint8Array;
  /** DER, leaf first: evidence of the transaction. */
  readonly chain: readonly Uint8Array[];
};

type Row = {
  readonly id: number;
  readonly kid: Uint8Array;
  readonly device: Identifier;
  readonly statement: Uint8Array;
  readonly certificate: Uint8Array;
  readonly intermediates: Uint8Array | null;
};

/** Of which devices, and how many at most. */
type Part = { readonly isOurs: (device: Identifier) => boolean; readonly limit: number };

export class KeyStatements {
  readonly #db: Database;

  /** @param db of the registry. */
  constructor(db: Database) {
    this.#db = db;
  }

  /** Keys that are not revoked and whose present certificate nothing was signed about, the oldest first. */
  unstated(part: Part): readonly DeviceKey[] {
    const rows = this.#db
      .prepare<[], KeyRow>(
        `SELECT k.* FROM device_key k WHERE k.revoked_reason IS NULL AND NOT EXISTS (
           SELECT 1 FROM key_statement s WHERE s.kid = k.kid AND s.certificate = k.certificate)
         ORDER BY k.rowid`,
      )
      .iterate();
    return take(rows, part).map(toKey);
  }

  /** Keeps what was signed, before anybody sees it: the ledger takes the same bytes once. */
  add(key: Pick<DeviceKey, "device" | "kid" | "chain">, statement: Uint8Array): void {
    this.#db
      .prepare(
        `INSERT INTO key_statement (kid, device, certificate, statement, intermediates)
         VALUES (?, ?, ?, ?, ?)`,
      )
      .run(key.kid, key.device, key.chain[0], statement, storedIntermediates(key.chain));
  }

  /** In the order of their signing. @param channel identity of its opening; one opened anew has another. */
  unordered(
    channel: Digest,
    part: Part & { readonly except: ReadonlySet<number> },
  ): readonly KeyStatement[] {
    const seen = new Set<string>();
    // One of a device at a time: what the ledger has last of it is to be what was signed last.
    const isNext = ({ id, device }: Row) =>
      !part.except.has(id) && !seen.has(device) && seen.add(device).size > 0;
    const rows = this.#db
      .prepare<[Uint8Array], Row>(
        `SELECT id, kid, device, statement, certificate, intermediates FROM key_statement
         WHERE ordered_in IS NULL OR ordered_in <> ? ORDER BY id`,
      )
      .iterate(channel);
    return take(rows, part, isNext).map(
      ({ id, kid, device, statement, certificate, intermediates }) => ({
        id,
        device,
        kid: mint<Digest>(new Uint8Array(kid)),
        statement: new Uint8Array(statement),
        chain: storedChain({ certificate, intermediates }),
      }),
    );
  }

  markOrdered(id: number, channel: Digest): void {
    this.#db.prepare("UPDATE key_statement SET ordered_in = ? WHERE id = ?").run(channel, id);
  }

  /** Whether the ledger has the key with its present certificate. */
  isOrdered(kid: Uint8Array): boolean {
    const row = this.#db
      .prepare<[Uint8Array], { n: number }>(
        `SELECT count(*) AS n FROM key_statement s JOIN device_key k ON k.kid = s.kid
         WHERE s.kid = ? AND s.certificate = k.certificate AND s.ordered_in IS NOT NULL`,
      )
      .get(kid);
    return (row?.n ?? 0) > 0;
  }
}

function take<R extends { readonly device: Identifier }>(
  rows: Iterable<R>,
  { isOurs, limit }: Part,
  isWanted: (row: R) => boolean = () => true,
): readonly R[] {
  const taken: R[] = [];
  for (const row of rows) {
    if (taken.length === limit) break;
    if (isOurs(row.device) && isWanted(row)) taken.push(row);
  }
  return taken;
}
