/** What the lane's tests share: a gateway with a key, and admissions whose bytes are made up. */

import { generateKeyPairSync } from "node:crypto";
import { present } from "@tamga/ledger-core/base/assert";
import { concat, u32, u64, utf8 } from "@tamga/ledger-core/base/bytes";
import { ManualClock } from "@tamga/ledger-core/daemon/manual-clock";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseIdentifier } from "@tamga/ledger-core/wire/identifier";
import type { RefusedAdmission, StatementAdmission } from "./admission.ts";
import type { IncarnationHead } from "./lane-opening.ts";
import { createLaneSigner } from "./lane-signer.ts";
import type { LaneIdentity } from "./lane-statements.ts";
import type { SqliteLaneOptions } from "./sqlite-lane.ts";
import { SqliteLane } from "./sqlite-lane.ts";

export function identifier(text: string): Identifier {
  const parsed = parseIdentifier(text);
  return present(parsed.ok ? parsed.value : undefined, "identifier");
}

export const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
export const signer = createLaneSigner(nodeCrypto, privateKey);
export const laneIdentity: LaneIdentity = {
  consortium: identifier("pasture"),
  channel: identifier("energy"),
  gateway: identifier("gate-1"),
  channelId: nodeCrypto.sha256(utf8("channel-open")),
};
export const clock = new ManualClock();
export const meter = identifier("meter-1");
export const emptyList = { size: 0n, root: nodeCrypto.sha256(new Uint8Array(0)) };

export function openLane(
  path: string,
  lastOrdered?: IncarnationHead,
  over: Partial<SqliteLaneOptions> = {},
): SqliteLane {
  const options = { path, clock, crypto: nodeCrypto, signer, identity: laneIdentity, lastOrdered };
  return SqliteLane.open({ ...options, ...over });
}

/** A statement as ingest would hand it over; the lane never opens its bytes. */
export function admission(at: {
  readonly first: number;
  readonly count?: number;
  readonly run?: number;
  readonly device?: Identifier;
  readonly stream?: Identifier;
  /** Other content under the same range. */
  readonly content?: number;
}): StatementAdmission {
  const { first, count = 1, run = 0, device = meter, content = 0 } = at;
  const { stream = identifier("main") } = at;
  const incarnation = new Uint8Array(16).fill(run);
  const numbers = concat(u64(BigInt(first)), u32(count), u32(content));
  const bytes = concat(utf8(`${device} ${stream} `), incarnation, numbers);
  return {
    kind: "statement",
    device,
    bytes,
    identity: nodeCrypto.sha256(bytes),
    type: "bundle",
    stream,
    incarnation,
    range: { first: BigInt(first), count },
    body: { encoding: "identity", length: 4, bytes: numbers.slice(-4) },
  };
}

export function refusal(bytes: Uint8Array, over: Partial<RefusedAdmission> = {}): RefusedAdmission {
  const digest = nodeCrypto.sha256(bytes);
  return { kind: "refused", device: meter, digest, code: "SIGNATURE_WRONG", bytes, ...over };
}

/** Has the lane's present head ordered, as far as the lane can tell. */
export function orderNow(lane: SqliteLane): IncarnationHead {
  const { statement, head } = lane.laneHeadStatement(emptyList);
  const evidence = { index: 1n, size: 2n, path: [], seals: [] };
  lane.ordered({ head, statement, evidence, revocations: [] });
  return { incarnation: lane.incarnation, head };
}
