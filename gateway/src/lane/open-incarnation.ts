/** Opens the next incarnation of a lane, and takes along what was acknowledged but never ordered. */

import { randomBytes } from "node:crypto";
import { assert, present } from "@tamga/ledger-core/base/assert";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { SqliteLog } from "@tamga/ledger-core/ledger/sqlite-log";
import { laneRowsPerPageMax } from "../limits.ts";
import type { IncarnationHead, Opening } from "./lane-opening.ts";
import type { LaneRow } from "./lane-rows.ts";
import type { LaneIdentity, LaneSigner } from "./lane-statements.ts";
import { signGatewayStatement } from "./lane-statements.ts";
import type { LaneTables } from "./lane-tables.ts";

/** The log of one incarnation has tables of its own. */
export function openLaneLog(tables: LaneTables, crypto: CryptoPort, ordinal: number): SqliteLog {
  return SqliteLog.open(tables.db, {
    prefix: `lane${ordinal}`,
    sha256: (bytes) => crypto.sha256(bytes),
  });
}

/**
 * In one transaction: the row of the incarnation, its genesis as leaf 0, and a copy of each leaf of
 * the incarnation before it that stands at or above that one's ordered head. Those were promised to
 * devices and can get no final receipt where they stand; what is below it stays and is proven there.
 *
 * @returns its ordinal.
 */
export function openIncarnation(
  tables: LaneTables,
  crypto: CryptoPort,
  next: {
    readonly opening: Extract<Opening, { action: "open" }>;
    readonly before: LaneRow | undefined;
    readonly identity: LaneIdentity;
    readonly signer: LaneSigner;
    readonly now: UnixMillis;
  },
): number {
  const { opening, before, identity, signer, now } = next;
  const { reason, predecessor, needsAll } = opening;
  const { channelId } = identity;
  const ordinal = (before?.ordinal ?? 0) + 1;
  const incarnation = new Uint8Array(randomBytes(16));
  const open = tables.db.transaction(() => {
    const row = { ordinal, incarnation, channelId, predecessor, reason };
    tables.lanes.insert({ ...row, openedAt: now, needsAll });
    const log = openLaneLog(tables, crypto, ordinal);
    assert(log.size === 0, "a new incarnation is empty");
    const claims = {
      kind: "lane-open",
      incarnation,
      channelId,
      ...(predecessor === undefined ? {} : { predecessor }),
    } as const;
    log.append([signGatewayStatement(signer, identity, claims, now)]);
    if (before !== undefined) {
      const old = openLaneLog(tables, crypto, before.ordinal);
      moveUnordered(
        tables,
        { log: old, ordinal: before.ordinal, end: endOf(before, predecessor) },
        { log, ordinal },
      );
    }
  });
  open.immediate();
  return ordinal;
}

type OpenLog = { readonly log: SqliteLog; readonly ordinal: number };

/** How far the ledger of now has ordered the incarnation: a recovered channel may have lost its last heads. */
function endOf(before: LaneRow, predecessor: IncarnationHead | undefined): bigint | undefined {
  const isOf = predecessor !== undefined && equal(predecessor.incarnation, before.incarnation);
  return isOf ? predecessor.head.size : undefined;
}

function moveUnordered(
  tables: LaneTables,
  from: OpenLog & { readonly end: bigint | undefined },
  to: OpenLog,
): void {
  const recorded = tables.lanes.ordered(from.ordinal)?.head.size ?? 0n;
  const orderedSize = from.end !== undefined && from.end < recorded ? from.end : recorded;
  const end = { lane: from.ordinal, leafIndex: BigInt(from.log.size) };
  const start = { lane: from.ordinal, leafIndex: orderedSize };
  // A moved row leaves the range, so every page begins where the first did.
  for (;;) {
    const rows = tables.statements.inLane(start, end, laneRowsPerPageMax);
    if (rows.length === 0) return;
    const first = to.log.append(
      rows.map((row) => present(from.log.entry(Number(row.leafIndex)), "leaf of a stored row")),
    );
    for (const [i, row] of rows.entries())
      tables.statements.move(row, { lane: to.ordinal, leafIndex: BigInt(first + i) });
  }
}
