/** Where an outbox stands, read beside the running agent: checkpoint and heads of streams, for evidence. */

import type { Database } from "@tamga/ledger-core/daemon/sqlite";
import type { StreamHead } from "@tamga/ledger-core/wire/attestation-evidence";
import type { TreeHead } from "@tamga/ledger-core/wire/device-claims";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import { digestOf, plainBytes } from "./outbox-store.ts";

type Row = {
  readonly stream: string;
  readonly incarnation: Uint8Array;
  readonly next: bigint;
  readonly last_identity: Uint8Array | null;
};

/**
 * The newest incarnation of each stream, as far as it is in statements: `next` is where the next of them will begin,
 * which readings that are only journaled do not move.
 */
export function streamHeadsOf(database: Database): readonly StreamHead[] {
  const rows = database
    .prepare<[], Row>(
      `SELECT stream, incarnation, last_identity, max(
         (SELECT coalesce(max(first + count), 0) FROM statement WHERE run = r.id),
         (SELECT coalesce(max(first + count), 0) FROM settled WHERE run = r.id)) AS next
       FROM run r WHERE id IN (SELECT max(id) FROM run GROUP BY stream) ORDER BY stream`,
    )
    .safeIntegers()
    .all();
  return rows.flatMap(({ stream, incarnation, next, last_identity: last }) => {
    const name = parseIdentifier(stream);
    if (!name.ok) return [];
    const head = { stream: name.value, incarnation: plainBytes(incarnation), next };
    return [last === null ? head : { ...head, last: digestOf(last) }];
  });
}

/** The newest that the device verified; undefined before the first. */
export function checkpointOf(database: Database): TreeHead | undefined {
  const row = database
    .prepare<[], { readonly size: bigint | null; readonly root: Uint8Array | null }>(
      "SELECT checkpoint_size AS size, checkpoint_root AS root FROM meta",
    )
    .safeIntegers()
    .get();
  if (row === undefined || row.size === null || row.root === null) return undefined;
  return { size: row.size, root: digestOf(row.root) };
}
