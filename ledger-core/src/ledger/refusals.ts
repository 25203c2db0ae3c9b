/**
 * What becomes of transactions that the engine refused: whoever submitted one is told why, and a head that
 * contradicts its lane is answered by the proof that freezes the lane.
 */

import { present } from "../base/assert.ts";
import type { EngineEffect } from "../consensus/engine-io.ts";
import type { Clock } from "../daemon/system-clock.ts";
import type { Identifier } from "../wire/identifier.ts";
import { parseStatement } from "../wire/statement.ts";
import type { Transaction } from "../wire/transaction.ts";
import { parseTransaction } from "../wire/transaction.ts";
import { judgeTransaction } from "./judge-transaction.ts";
import type { FaultReporter } from "./lane-fault.ts";
import { laneFaultTransaction } from "./lane-fault.ts";
import type { LedgerState } from "./ledger-state.ts";
import type { SqliteChannel } from "./sqlite-channel.ts";
import type { SqliteLedgerStore } from "./sqlite-ledger-store.ts";
import type { Submission, Submissions, SubmitResult } from "./submissions.ts";

export type RefusalsParts = {
  readonly database: SqliteChannel;
  readonly store: SqliteLedgerStore;
  readonly clock: Clock;
  readonly channel: Identifier;
  readonly submissions: Submissions;
  /** Own name and key, for what the ledger itself has to state. */
  readonly reporter: FaultReporter;
  /** Orders such a statement; settles as `Ledger.submit` does. */
  readonly submit: (transaction: Transaction) => Promise<SubmitResult>;
  /** Gives a submission to the engine once more. */
  readonly again: (id: string) => void;
};

type RefusedEffect = Extract<EngineEffect<LedgerState>, { readonly type: "refused" }>;
type Refused = Pick<Submission, "transaction" | "statement">;

export class Refusals {
  readonly #parts: RefusalsParts;
  /** Proofs on their way, by gateway: the first freezes the lane for all of its heads. */
  readonly #reports = new Map<Identifier, Promise<SubmitResult>>();

  constructor(parts: RefusalsParts) {
    this.#parts = parts;
  }

  /** The engine said that it is not valid; why, is said on the state that is final now. */
  refuse({ id, bytes }: Pick<RefusedEffect, "id" | "bytes">): void {
    const { submissions, store, again } = this.#parts;
    const submission = submissions.find(id);
    if (submission?.index !== undefined) return;
    const refused = submission ?? readHead(bytes);
    if (refused === undefined) return;
    const { transaction, statement } = refused;
    const { state, time } = store;
    const index = BigInt(state.log.size);
    const judged = judgeTransaction(state.channel, statement, { transaction, time, index });
    if (judged.ok) {
      again(id);
      return;
    }
    const answer = () => {
      const waiting = submissions.find(id);
      if (waiting !== undefined) submissions.settle(waiting, judged);
    };
    // Who submitted it is answered when the lane is frozen, by this proof or another's.
    if (judged.fault.code === "LANE_HEAD_INCONSISTENT")
      this.#report(refused).then(answer, () => undefined);
    else answer();
  }

  /** Whoever refuses such a head submits the proof, wherever the head came from. */
  #report({ transaction, statement }: Refused): Promise<SubmitResult> {
    const { database, store, clock, channel, reporter, submit } = this.#parts;
    const gateway = statement.header.issuer;
    const open = this.#reports.get(gateway);
    if (open !== undefined) return open;
    const lane = present(store.state.channel.lane(gateway), "lane that was contradicted");
    const first = present(database.log.entry(Number(lane.index)), "statement of the lane's head");
    const proof = laneFaultTransaction(
      { crypto: database.crypto, channel, reporter },
      { gateway, first, second: transaction.statement },
      { at: clock.now() },
    );
    const outcome = submit(proof);
    this.#reports.set(gateway, outcome);
    const forget = () => this.#reports.delete(gateway);
    outcome.then(forget, forget);
    return outcome;
  }
}

/** A lane-head that a peer brought; undefined where it is anything else. */
function readHead(bytes: Uint8Array): Refused | undefined {
  const transaction = parseTransaction(bytes);
  const statement = transaction.ok ? parseStatement(transaction.value.statement) : transaction;
  if (!transaction.ok || !statement.ok) return undefined;
  if (statement.value.header.type !== "lane-head") return undefined;
  return { transaction: transaction.value, statement: statement.value };
}
