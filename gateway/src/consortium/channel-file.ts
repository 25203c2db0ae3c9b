/** The channel that this node has joined by a file, and what became of it since. */

import { existsSync, readFileSync } from "node:fs";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { databaseError, openDatabase } from "@tamga/ledger-core/daemon/sqlite";
import type { ChannelGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { judgeGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { genesisAfter } from "@tamga/ledger-core/ledger/sqlite-recovery";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { parseTransaction } from "@tamga/ledger-core/wire/transaction";
import type { GatewayConfig } from "../config.ts";
import type { SitePaths } from "../site/site.ts";
import { pathsOf } from "../site/site.ts";

/** The opening, as the file has it; `genesis` is that of a recovery where the ledger's database has one. */
export type JoinedChannel = {
  readonly transaction: Transaction;
  readonly opening: ChannelGenesis;
  readonly genesis: ChannelGenesis;
};

/** @throws OperationalError CHANNEL_FILE_MISSING, CHANNEL_FILE_INVALID, DATABASE_*. */
export function readChannelFile(config: GatewayConfig): JoinedChannel {
  const paths = pathsOf(config);
  if (existsSync(paths.channel)) return judgeJoined(paths);
  throw new OperationalError(
    "CHANNEL_FILE_MISSING",
    `${paths.channel} is not there: take the channel file first, with tamga-gateway ledger join --take FILE.`,
  );
}

/** @throws OperationalError CHANNEL_FILE_INVALID, DATABASE_*. */
export function judgeJoined({
  channel,
  ledger,
}: Pick<SitePaths, "channel" | "ledger">): JoinedChannel {
  const transaction = parseTransaction(new Uint8Array(readFileSync(channel)));
  const opening = transaction.ok ? judgeGenesis(nodeCrypto, transaction.value) : transaction;
  if (transaction.ok && opening.ok) {
    const { value } = opening;
    return { transaction: transaction.value, opening: value, genesis: nowOf(ledger, value) };
  }
  const sentence = `${channel} is not the channel file that was joined: put it back from a backup.`;
  throw new OperationalError("CHANNEL_FILE_INVALID", sentence);
}

function nowOf(ledger: string, opening: ChannelGenesis): ChannelGenesis {
  if (!existsSync(ledger)) return opening;
  const db = openDatabase(ledger, { readonly: true });
  try {
    return genesisAfter(db, nodeCrypto, opening);
  } catch (error) {
    throw databaseError(error, ledger);
  } finally {
    db.close();
  }
}
