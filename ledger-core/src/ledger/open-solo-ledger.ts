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
export type SoloLedger = Ledger & Pick<ReplicatedLedger, "sight" | "governance" | "boundaries">;

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
    const ledger = await openAlone(node, options);
    return asSolo(ledger, () => node.close());
  } catch (error) {
    await node.close();
    throw error;
  }
}

/**
 * The same in a node that has other channels too, and its votes with theirs; `close` closes this ledger alone.
 *
 * @throws OperationalError LEDGER_NOT_SOLO, and what `LedgerNode.openLedger` throws.
 */
export async function openSoloLedgerIn(
  node: LedgerNode,
  options: Omit<SoloLedgerOptions, "votesPath" | "crypto" | "clock">,
): Promise<SoloLedger> {
  const ledger = await openAlone(node, options);
  return asSolo(ledger, () => ledger.close());
}

function openAlone(
  node: LedgerNode,
  {
    path,
    validatorKey,
    parameters,
    openChannel,
  }: Omit<SoloLedgerOptions, "votesPath" | "crypto" | "clock">,
): Promise<ReplicatedLedger> {
  const given = parameters === undefined ? {} : { parameters };
  return node.openLedger({ path, validatorKey, openChannel, ...given, alone: true });
}

function asSolo(ledger: ReplicatedLedger, close: () => Promise<void>): SoloLedger {
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
    boundaries: () => ledger.boundaries(),
    sight: () => ledger.sight(),
    get governance() {
      return ledger.governance;
    },
    close,
  };
}
