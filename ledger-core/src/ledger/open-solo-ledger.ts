/** The ledger of one validator: a node of its own with one channel and no peers (CONSENSUS.md, n = 1). */

import { OperationalError } from "../base/operational-error.ts";
import type { Ledger } from "./ledger.ts";
import type { LedgerNodeOptions, OpenLedgerOptions } from "./ledger-node.ts";
import { LedgerNode } from "./ledger-node.ts";

export type SoloLedgerOptions = Pick<LedgerNodeOptions, "votesPath" | "crypto" | "clock"> &
  Omit<OpenLedgerOptions, "self">;

/**
 * Opens the channel, or its first time creates it, and seals what a crash left unsealed. `close` closes the
 * node, too.
 *
 * @throws OperationalError LEDGER_NOT_SOLO, and what `LedgerNode` throws.
 */
export async function openSoloLedger(options: SoloLedgerOptions): Promise<Ledger> {
  const { votesPath, crypto, clock } = options;
  const node = LedgerNode.open({ votesPath, crypto, clock });
  try {
    const ledger = await node.openLedger(options);
    const { validators } = ledger.trustPolicy;
    if (validators.length > 1) throw notSolo(ledger.channel.origin, validators.length);
    return closing(ledger, node);
  } catch (error) {
    await node.close();
    throw error;
  }
}

/** The ledger, whose end is the node's. */
function closing(ledger: Ledger, node: LedgerNode): Ledger {
  return {
    channel: ledger.channel,
    trustPolicy: ledger.trustPolicy,
    submit: (transaction, options) => ledger.submit(transaction, options),
    sealed: () => ledger.sealed(),
    seals: (options) => ledger.seals(options),
    inclusion: (index, size) => ledger.inclusion(index, size),
    consistency: (size1, size2) => ledger.consistency(size1, size2),
    entry: (index) => ledger.entry(index),
    lane: (gateway) => ledger.lane(gateway),
    revocations: (asOf) => ledger.revocations(asOf),
    status: () => ledger.status(),
    close: () => node.close(),
  };
}

function notSolo(origin: string, validators: number): OperationalError {
  return new OperationalError(
    "LEDGER_NOT_SOLO",
    `The channel ${origin} has ${validators} validators: a single one cannot order for it.`,
  );
}
