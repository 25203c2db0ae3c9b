/** What an organisation adds to a recovery of its channel, and how far the recovery is. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { OperationalError } from "@tamga/ledger-core/base/operational-error";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { stateForRecovery } from "@tamga/ledger-core/ledger/draft-recovery";
import type { EpochFault } from "@tamga/ledger-core/receipt/epoch-chain";
import { followEpochs } from "@tamga/ledger-core/receipt/epoch-chain";
import type { EpochItem, RecoveryProof } from "@tamga/ledger-core/receipt/epochs-file";
import { isRecovery } from "@tamga/ledger-core/receipt/epochs-file";
import { explainFault } from "@tamga/ledger-core/receipt/explain-fault";
import { readRecovery } from "@tamga/ledger-core/receipt/recovery";
import type { TrustPolicy } from "@tamga/ledger-core/receipt/trust-policy";
import { identityOf } from "@tamga/ledger-core/wire/cose";
import type { RecoveryClaims } from "@tamga/ledger-core/wire/recovery-claims";
import type { Transaction } from "@tamga/ledger-core/wire/transaction";
import { encodeTransaction } from "@tamga/ledger-core/wire/transaction";
import type { GatewayConfig } from "../config.ts";
import { readLedgerBook } from "./ledger-book.ts";
import type { Speaker } from "./proposal.ts";
import { addApproval, signersOf } from "./proposal.ts";

/** A recovery as it travels, its newest item read. */
export type ReadRecovery = {
  /** Id of the channel that it begins. */
  readonly id: Digest;
  readonly claims: RecoveryClaims;
  readonly transaction: Transaction;
  readonly signers: readonly string[];
  readonly needed: number | undefined;
  /** Nothing but further signatures is missing. */
  readonly isComplete: boolean;
};

/**
 * @param policy of the channel's opening: what this member has trusted from the beginning.
 * @throws OperationalError EPOCH_*, RECOVERY_*, but RECOVERY_SIGNERS_TOO_FEW.
 */
export function judgeRecovery(policy: TrustPolicy, items: readonly EpochItem[]): ReadRecovery {
  const read = readRecovery(lastOf(items));
  if (!read.ok) throw refused(read.fault);
  const { transaction, statement, claims } = read.value;
  const followed = followEpochs(nodeCrypto, policy, items);
  if (!followed.ok && followed.fault.code !== "RECOVERY_SIGNERS_TOO_FEW")
    throw refused(followed.fault);
  return {
    id: identityOf((bytes) => nodeCrypto.sha256(bytes), statement.part),
    claims,
    transaction,
    signers: signersOf(transaction),
    needed: followed.ok
      ? followed.value.recoveries.at(-1)?.signers.needed
      : followed.fault.code === "RECOVERY_SIGNERS_TOO_FEW"
        ? followed.fault.needed
        : undefined,
    isComplete: followed.ok,
  };
}

/** Adds this organisation's signature; the same again changes nothing. */
export async function approveRecovery(
  speaker: Speaker,
  items: readonly EpochItem[],
): Promise<readonly EpochItem[]> {
  const proof = lastOf(items);
  const read = readRecovery(proof);
  if (!read.ok) throw refused(read.fault);
  const transaction = await addApproval(speaker, read.value.transaction);
  return [...items.slice(0, -1), { ...proof, recovery: encodeTransaction(transaction) }];
}

/** @throws OperationalError RECOVERY_STATE_DIFFERS, RECOVERY_SEALED_LATER, and the like. */
export function compareWithOwn(config: GatewayConfig, claims: RecoveryClaims): void {
  readLedgerBook(config, ({ channel }) => {
    stateForRecovery(channel, { claims });
  });
}

function lastOf(items: readonly EpochItem[]): RecoveryProof {
  const last = items.at(-1);
  return present(
    last !== undefined && isRecovery(last) ? last : undefined,
    "a recovery at the end",
  );
}

/** What the light client refuses, as what a command ends with. */
function refused(fault: EpochFault): OperationalError {
  const why = explainFault(fault, "en");
  return new OperationalError(
    fault.code,
    `${why} Ask its sender for the file again, or propose the recovery anew.`,
  );
}
