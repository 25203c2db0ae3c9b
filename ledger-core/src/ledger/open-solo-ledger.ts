/** The ledger of one validator: a node of its own with one channel and no peers (CONSENSUS.md, n = 1). */

import { err } from "../base/result.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Ledger } from "./ledger.ts";
import type { LedgerNodeOptions, OpenLedgerOptions } from "./ledger-node.ts";
import { LedgerNode } from "./ledger-node.ts";
import type { ReplicatedLedger } from "./replicated-ledger.ts";

export type SoloLedgerOptions = Pick<LedgerNodeOptions, "votesPath" | "crypto" | "clock"> &
  Pick<OpenLedgerOptions, "path" | "validatorKey" | "parameters" | "openChannel">;

/** The ledger, and what can be looked at beside its status. */
export type SoloLedger = Ledger & Pick<ReplicatedLedger, "sight" | "governance">;

/**
 * Opens the channel, or its first time creates it, and seals what a crash left unsealed. `close` closes the
 * node, too. A transaction that would give the channel other validators is refused
 * (TRANSACTION_TYPE_REFUSED): this node reaches nobody, and would wait for them for ever.
 *
 * @throws OperationalError LEDGER_NOT_SOLO, and what `LedgerNode` throws.
 */
export async function openSoloLedger(options: SoloLedgerOptions): Promise<SoloLedger> {
  const { votesPath, crypto, clock } = options;
  const node = LedgerNode.open({ votesPath, crypto, clock });
  try {
    return alone(await node.openLedger({ ...options, alone: true }), node);
  } catch (error) {
    await node.close();
    throw error;
  }
}

/** The ledger, whose end is the node's. */
function alone(ledger: ReplicatedLedger, node: LedgerNode): SoloLedger {
  return {
    channel: ledger.channel,
    trustPolicy: ledger.trustPolicy,
    async submit(transaction, options) {
      const statement = parseStatement(transaction.statement);
      if (statement.ok && statement.value.header.type === "validators")
        return err({ code: "TRANSACTION_TYPE_REFUSED", type: "validators" });
      return ledger.submit(transaction, options);
    },
    sealed: () => ledger.sealed(),
    seals: (options) => ledger.seals(options),
    inclusion: (index, size) => ledger.inclusion(index, size),
    consistency: (size1, size2) => ledger.consistency(size1, size2),
    entry: (index) => ledger.entry(index),
    lane: (gateway) => ledger.lane(gateway),
    revocations: (asOf) => ledger.revocations(asOf),
    status: () => ledger.status(),
    sight: () => ledger.sight(),
    get governance() {
      return ledger.governance;
    },
    close: () => node.close(),
  };
}
