/** What a recovered channel keeps of the ones before it: how it came about, and the state that it began with. */

import type Database from "better-sqlite3";
import type { CryptoPort } from "../base/crypto-port.ts";
import { OperationalError } from "../base/operational-error.ts";
import type { EpochItem } from "../receipt/epochs-file.ts";
import { encodeEpochs, parseEpochs } from "../receipt/epochs-file.ts";
import { parseContent } from "./channel-content-codec.ts";
import type { ChannelGenesis } from "./channel-genesis.ts";
import type { ChannelState } from "./channel-state.ts";
import { recoveredGenesis, recoveredState } from "./recovered-genesis.ts";
import { plain } from "./sqlite-columns.ts";

const schema = `
  CREATE TABLE IF NOT EXISTS channel_recovery (
    one INTEGER PRIMARY KEY CHECK (one = 1), epochs BLOB NOT NULL, content BLOB NOT NULL) STRICT;
`;

type RecoveryColumns = { readonly epochs: Uint8Array; readonly content: Uint8Array };

/** Inside the caller's transaction. @param content of the lost channel's state. */
export function putRecovery(
  db: Database.Database,
  { items, content }: { readonly items: readonly EpochItem[]; readonly content: Uint8Array },
): void {
  db.exec(schema);
  db.prepare<[Uint8Array, Uint8Array]>(
    "INSERT OR REPLACE INTO channel_recovery VALUES (1, ?, ?)",
  ).run(encodeEpochs(items), content);
}

/** Every change of members up to the newest recovery, that one last; none where there was no recovery. */
export function recoveryItems(db: Database.Database): readonly EpochItem[] {
  const row = rowOf(db);
  if (row === undefined) return [];
  const items = parseEpochs(plain(row.epochs));
  if (!items.ok) throw corrupt(items.fault.code);
  return items.value;
}

/** The genesis of the channel that this database is of. @throws OperationalError DATABASE_CORRUPT. */
export function genesisAfter(
  db: Database.Database,
  crypto: CryptoPort,
  opening: ChannelGenesis,
): ChannelGenesis {
  const items = recoveryItems(db);
  if (items.length === 0) return opening;
  const genesis = recoveredGenesis(crypto, opening, items);
  if (!genesis.ok) throw corrupt(genesis.fault.code);
  return genesis.value;
}

/** The state that a recovered channel began with, under the state root that its organisations signed. */
export function firstRecoveredState(
  db: Database.Database,
  crypto: CryptoPort,
  opening: ChannelGenesis,
): { readonly state: ChannelState; readonly size: number } | undefined {
  const row = rowOf(db);
  if (row === undefined) return undefined;
  const genesis = genesisAfter(db, crypto, opening);
  const lost = recoveredGenesis(crypto, opening, recoveryItems(db).slice(0, -1));
  if (!lost.ok || genesis.recovery === undefined) throw corrupt("it does not end with a recovery");
  const { block, head } = genesis.recovery.claims;
  const parsed = parseContent(
    { crypto, genesis: lost.value },
    { bytes: plain(row.content), stateRoot: block.stateRoot },
  );
  if (!parsed.ok) throw corrupt(parsed.fault.code);
  const state = recoveredState(crypto, genesis, parsed.value);
  return { state, size: Number(head.size) + 1 };
}

/** A read-only database is not given the table. */
function rowOf(db: Database.Database): RecoveryColumns | undefined {
  const has = db
    .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'channel_recovery'")
    .get();
  if (has === undefined) return undefined;
  return db.prepare<[], RecoveryColumns>("SELECT epochs, content FROM channel_recovery").get();
}

function corrupt(what: string): OperationalError {
  return new OperationalError(
    "DATABASE_CORRUPT",
    `What the ledger database holds of the channel's recovery is damaged (${what}). Nothing was changed. Copy ` +
      "the data directory away, check the disk, and restore the directory from a backup.",
  );
}
