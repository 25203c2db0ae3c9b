/** After a restore: the votes on this disk may be fewer than those that this validator sent. */

import { existsSync, readFileSync } from "node:fs";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { faultsTolerated } from "@tamga/ledger-core/base/quorum";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { judgeGenesis } from "@tamga/ledger-core/ledger/channel-genesis";
import { SqliteVoteStore } from "@tamga/ledger-core/ledger/sqlite-vote-store";
import { parseTransaction } from "@tamga/ledger-core/wire/transaction";
import type { SitePaths } from "../site/site.ts";

/**
 * Sets the durable flag with which a validator signs nothing until n − q + f + 1 others have said how far
 * they know its votes to go. It stands before the daemon may start; a second call changes nothing.
 *
 * @returns how many others have to answer, or undefined where the channel has one validator or none here.
 * @throws OperationalError CHANNEL_FILE_INVALID, DATABASE_*, VOTES_CORRUPT.
 */
export function doubtVotes(paths: SitePaths): number | undefined {
  if (!existsSync(paths.channel)) return undefined;
  const opening = parseTransaction(new Uint8Array(readFileSync(paths.channel)));
  const genesis = opening.ok ? judgeGenesis(nodeCrypto, opening.value) : opening;
  if (!genesis.ok) {
    const sentence = `${paths.channel} is not the channel file that was joined: put it back from a backup.`;
    throw new OperationalError("CHANNEL_FILE_INVALID", sentence);
  }
  const { policy, identity } = genesis.value;
  const n = policy.validators.length;
  if (n === 1) return undefined;
  const votes = SqliteVoteStore.open(paths.votes, nodeCrypto);
  try {
    if (votes.has(identity.id))
      votes.write([{ channel: identity.id, writes: [{ type: "amnesia", set: true }] }]);
    else votes.begin(identity.id, { amnesia: true });
  } finally {
    votes.close();
  }
  return n - policy.quorum + faultsTolerated(n) + 1;
}
