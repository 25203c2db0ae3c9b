/** After a restore: the votes on this disk may be fewer than those that this validator sent. */

import { existsSync } from "node:fs";
import { faultsTolerated } from "@tamga/ledger-core/base/quorum";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { SqliteVoteStore } from "@tamga/ledger-core/ledger/sqlite-vote-store";
import type { SitePaths } from "../site/site.ts";
import { judgeJoined } from "./channel-file.ts";

/**
 * Sets the durable flag with which a validator signs nothing until n − q + f + 1 others have said how far
 * they know its votes to go. It stands before the daemon may start; a second call changes nothing.
 *
 * @returns how many others have to answer, or undefined where the channel has one validator or none here.
 * @throws OperationalError CHANNEL_FILE_INVALID, DATABASE_*, VOTES_CORRUPT.
 */
export function doubtVotes(paths: SitePaths): number | undefined {
  if (!existsSync(paths.channel)) return undefined;
  const { policy, identity } = judgeJoined(paths).genesis;
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
