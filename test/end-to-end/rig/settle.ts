/** The end of every scenario: lets all arrive, then accounts for all. */

import type { Account, Evidence, Violation } from "./account-types.ts";
import { account } from "./accounting.ts";
import { readOutbox } from "./agent-content.ts";
import { readLane } from "./lane-content.ts";
import { checkReceipts } from "./receipt-check.ts";
import type { Rig } from "./rig.ts";
import { device } from "./rig-files.ts";
import { patienceMs, until } from "./wait.ts";
import { readWireLog } from "./wire-log.ts";

export type SettleOptions = {
  readonly random: () => number;
  readonly drainMsMax?: number;
  /** Statements of which a receipt is fetched and verified. */
  readonly statementsMax: number;
  /** What this scenario knows beyond the files. */
  readonly more?: Pick<Partial<Evidence>, "abandoned" | "closedTwice">;
};

export type Settled = Account & {
  readonly receipts: { readonly statements: number; readonly readings: number };
  readonly headsChecked: number;
  readonly lanes: number;
};

const readingsMin = 500;

/**
 * Stops the meter, waits until the agent has final receipts for all, verifies receipts, ends both
 * daemons in order and reads their files. What did not arrive in time is a violation, not an error.
 */
export async function settle(rig: Rig, options: SettleOptions): Promise<Settled> {
  await rig.stopMeter();
  const drainMsMax = options.drainMsMax ?? patienceMs;
  const drained = await until(
    () => "everything delivered",
    drainMsMax,
    async () => {
      const { outbox } = await rig.agentStatus();
      const { pending, provisional } = outbox.statements;
      if (pending + provisional + outbox.gapRanges > 0) return undefined;
      const waiting = readOutbox(rig.agentDir, "running").spans.some(
        ({ place }) => place !== "final" && place !== "settled" && place !== "rejected",
      );
      return waiting ? undefined : true;
    },
    100,
  ).catch(() => false);
  const violations: Violation[] = [];
  if (!drained) violations.push({ code: "UNDELIVERED", what: `not within ${drainMsMax} ms` });
  const agentEnd = await rig.stopAgent();
  const lane = readLane(rig.gatewayDir, { bodies: true, owner: "running" });
  const receipts = await checkReceipts({
    gatewayDir: rig.gatewayDir,
    http: rig.gatewayHttp,
    statements: lane.statements.filter((item) => item.final),
    random: options.random,
    statementsMax: options.statementsMax,
    readingsMin,
  });
  const gatewayEnd = await rig.stopGateway();
  if (agentEnd.status !== 0) throw new Error(`the agent ended with ${agentEnd.status}`);
  if (gatewayEnd.status !== 0) throw new Error(`the gateway ended with ${gatewayEnd.status}`);
  const wire = readWireLog(rig.wireLog);
  const result = account({
    device,
    wire,
    lane: lane.statements,
    outbox: readOutbox(rig.agentDir, "gone"),
    promises: rig.book.made,
    kills: rig.kills,
    ...options.more,
  });
  return {
    ...result,
    violations: [...violations, ...result.violations, ...lane.violations, ...receipts.violations],
    receipts,
    headsChecked: lane.headsChecked,
    lanes: lane.lanes.length,
  };
}
