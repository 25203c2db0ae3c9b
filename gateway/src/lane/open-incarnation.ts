/** Opens the next incarnation of a lane, and takes along what was acknowledged but never ordered. */

import { randomBytes } from "node:crypto";
import { assert, present } from "@tamga/ledger-core/base/assert";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { SqliteLog } from "@tamga/ledger-core/ledger/sqlite-log";
import { laneOrigin } from "@tamga/ledger-core/wire/log-origin";
import { laneRowsPerPageMax } from "../limits.ts";
import type { IncarnationHead, Opening } from "./lane-opening.ts";
import type { LaneRow } from "./lane-rows.ts";
import type { LaneIdentity, LaneSigner } from "./lane-statements.ts";
import { signGatewayStatement, signLaneRoot } from "./lane-statements.ts";
import type { LaneTables } from "./lane-tables.ts";
import type { OrderedHead } from "./ordered-head.ts";

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
 * A recovered channel may have lost that head, and the openings of the newest incarnations as well.
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
    readonly survivingHead?: OrderedHead | undefined;
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
    for (const old of stillOpen(tables, before, predecessor)) {
      const from = { ...old, log: openLaneLog(tables, crypto, old.ordinal) };
      moveUnordered(tables, from, { log, ordinal });
      if (reason === "other-channel" && predecessor !== undefined) takeOver(tables, old, next);
    }
  });
  open.immediate();
  return ordinal;
}

type OpenLog = { readonly log: SqliteLog; readonly ordinal: number };

type OldLane = LaneRow & {
  /** How far the ledger of now has ordered it, where that is known. */
  readonly end: bigint | undefined;
};

/** The newest incarnation of the file; those after the ledger's, where that is an older one. */
function stillOpen(
  tables: LaneTables,
  before: LaneRow | undefined,
  predecessor: IncarnationHead | undefined,
): readonly OldLane[] {
  if (before === undefined) return [];
  const old = tables.lanes.all().filter(({ ordinal }) => ordinal <= before.ordinal);
  const at = old.findIndex(
    ({ incarnation }) => predecessor && equal(incarnation, predecessor.incarnation),
  );
  if (at === -1) return [{ ...before, end: undefined }];
  return old.slice(at).map((row, i) => ({ ...row, end: i === 0 ? predecessor?.head.size : 0n }));
}

/** Puts what the recovered channel holds of an incarnation in place of what the lost one had ordered. */
function takeOver(
  tables: LaneTables,
  { ordinal, incarnation, end }: OldLane,
  { identity, signer, survivingHead }: Parameters<typeof openIncarnation>[2],
): void {
  if (end === undefined) return;
  const head = end === survivingHead?.head.size ? survivingHead : undefined;
  const origin = laneOrigin({ ...identity, incarnation });
  const signed = head && { ...head, signature: signLaneRoot(signer, { origin, ...head.head }) };
  tables.lanes.setOrdered(ordinal, signed);
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
    for (const [i, row] of rows.entries()) {
      const place = { lane: to.ordinal, leafIndex: BigInt(first + i) };
      tables.statements.move(row, place);
      if (row.kind === "result" || row.kind === "evidence") tables.results.move(row, place);
    }
  }
}
