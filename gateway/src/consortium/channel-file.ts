/** The channel file that this node has joined by. */

import { existsSync, readFileSync } from "node:fs";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { ChannelGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { judgeGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { parseTransaction } from "@tamga/ledger-core/wire/transaction";
import type { GatewayConfig } from "../config.ts";
import { pathsOf } from "../site/site.ts";

/** @throws OperationalError CHANNEL_FILE_MISSING, CHANNEL_FILE_INVALID. */
export function readChannelFile(config: GatewayConfig): {
  readonly transaction: Transaction;
  readonly genesis: ChannelGenesis;
} {
  const { channel } = pathsOf(config);
  if (!existsSync(channel)) {
    throw new OperationalError(
      "CHANNEL_FILE_MISSING",
      `${channel} is not there: take the channel file first, with tamga-gateway ledger join --take FILE.`,
    );
  }
  const transaction = parseTransaction(new Uint8Array(readFileSync(channel)));
  const genesis = transaction.ok ? judgeGenesis(nodeCrypto, transaction.value) : transaction;
  if (transaction.ok && genesis.ok)
    return { transaction: transaction.value, genesis: genesis.value };
  const sentence = `${channel} is not the channel file that was joined: put it back from a backup.`;
  throw new OperationalError("CHANNEL_FILE_INVALID", sentence);
}
