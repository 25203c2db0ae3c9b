/** Puts a receipt together when somebody asks: out of the lane, its bodies and the channel's log. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { CryptoPort } from "@tamga/ledger-core/base/crypto-port";
import type { Result } from "@tamga/ledger-core/base/result";
import { err, ok } from "@tamga/ledger-core/base/result";
import type { Ledger } from "@tamga/ledger-core/ledger/ledger";
import { RevocationTree } from "@tamga/ledger-core/ledger/revocation-tree";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { pathOf } from "@tamga/ledger-core/log/merkle-root";
import type { DisclosedReading, Receipt } from "@tamga/ledger-core/receipt/receipt";
import type { BodyFault } from "@tamga/ledger-core/wire/body";
import { parseBody } from "@tamga/ledger-core/wire/body";
import type { TreeHead } from "@tamga/ledger-core/wire/device-claims";
import { bundleHashOf, parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import type { ChannelEvidence } from "@tamga/ledger-core/wire/downlink-message";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { bundleHasher, saltedLeaves, saltOf } from "@tamga/ledger-core/wire/salted-leaf";
import type { ParsedStatement } from "@tamga/ledger-core/wire/statement";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import type { BodyCodecFault } from "./body-codec.ts";
import { decodeBodyBounded } from "./body-codec.ts";
import type { LaneLog } from "./lane-log.ts";
import type { OrderedHead, SignedOrderedHead } from "./ordered-head.ts";
import type { SqliteLane } from "./sqlite-lane.ts";
import type { StatementRow } from "./statement-rows.ts";

export type ReceiptSources = {
  readonly lane: SqliteLane;
  readonly ledger: Pick<Ledger, "consistency">;
  /** What proves a head in the channel of now; undefined until a recovered one has its first seal. */
  readonly evidenceOf: (log: LaneLog, ordered: OrderedHead) => ChannelEvidence | undefined;
  readonly crypto: CryptoPort;
  /** Certificates of the device's key with this kid, leaf first; undefined where it is unknown. */
  readonly deviceChain: (device: Identifier, kid: Digest) => readonly Uint8Array[] | undefined;
  readonly gatewayChain: readonly Uint8Array[];
};

/** One reading by its sequence (`whole`: its statement without it), or whatever stands at a leaf. */
export type ReceiptWanted =
  | {
      readonly device: Identifier;
      readonly incarnation: Uint8Array;
      readonly sequence: bigint;
      readonly whole?: boolean;
    }
  | {
      readonly leafIndex: bigint;
      /** Ordinal of the lane's incarnation; the open one unless given. */
      readonly lane?: number;
    };

export type ReceiptAssemblyFault =
  | { readonly code: "STATEMENT_NOT_HELD" }
  | { readonly code: "BODY_NOT_HELD" }
  | { readonly code: "DEVICE_CHAIN_NOT_HELD" }
  /** The key was revoked when the head was ordered: nobody can prove the contrary. */
  | { readonly code: "KEY_REVOKED" }
  /** The statement names a checkpoint beyond the sealed one, e.g. of a channel that was lost. */
  | { readonly code: "CHECKPOINT_NOT_REACHED"; readonly size: bigint }
  | BodyCodecFault
  | BodyFault;

/**
 * The receipt of one statement, with one reading of it where a sequence of a bundle was asked for.
 * It is final below the newest ordered head of its lane, and provisional above it, or until a recovered channel
 * has its first seal.
 *
 * Faults: STATEMENT_NOT_HELD, BODY_NOT_HELD (retention let it go: ask for the whole), BODY_*,
 *   DEVICE_CHAIN_NOT_HELD, KEY_REVOKED, CHECKPOINT_NOT_REACHED.
 */
export function assembleReceipt(
  sources: ReceiptSources,
  wanted: ReceiptWanted,
): Result<Receipt, ReceiptAssemblyFault> {
  const { lane } = sources;
  const row = rowOf(lane, wanted);
  if (row === undefined) return err({ code: "STATEMENT_NOT_HELD" });
  const log = lane.log(row.lane);
  const bytes = present(log.entry(row.leafIndex), "leaf of a stored row");
  const parsed = parseStatement(bytes);
  const statement = present(parsed.ok ? parsed.value : undefined, "statement in the lane");
  const { kid } = statement.header;
  const deviceChain =
    row.kind === "rejection" || row.kind === "result"
      ? sources.gatewayChain
      : sources.deviceChain(row.device, kid);
  if (deviceChain === undefined) return err({ code: "DEVICE_CHAIN_NOT_HELD" });

  const disclosed = disclose(sources, wanted, { row, statement });
  if (!disclosed.ok) return disclosed;
  const part = disclosed.value === undefined ? {} : { disclosed: disclosed.value };
  const base = { ...part, statement: bytes, deviceChain };
  const { ordered } = log;
  if (ordered === undefined || row.leafIndex >= ordered.head.size) {
    return ok({ ...base, lane: provisionalEvidence(lane, log, row.leafIndex) });
  }
  const { size } = ordered.head;
  const path = log.inclusion(row.leafIndex, size);
  const { signature } = ordered;
  const { gateway, incarnation } = log;
  const place = { gateway, incarnation, index: row.leafIndex, size, path, signature };
  const evidence = sources.evidenceOf(log, ordered);
  if (evidence === undefined) return ok({ ...base, lane: place });
  const final = finality(sources, { ordered: { ...ordered, evidence }, statement, row });
  if (!final.ok) return final;
  return ok({ ...base, lane: place, final: final.value });
}

function rowOf(lane: SqliteLane, wanted: ReceiptWanted): StatementRow | undefined {
  if ("sequence" in wanted) return lane.find(wanted);
  const { leafIndex, lane: ordinal = lane.current.ordinal } = wanted;
  return leafIndex < lane.size() || ordinal !== lane.current.ordinal
    ? lane.at({ lane: ordinal, leafIndex })
    : undefined;
}

/** The reading with its salt and its path in the bundle; undefined where none was asked for. */
function disclose(
  { crypto, lane }: ReceiptSources,
  wanted: ReceiptWanted,
  { row, statement }: { readonly row: StatementRow; readonly statement: ParsedStatement },
): Result<DisclosedReading | undefined, ReceiptAssemblyFault> {
  if (!("sequence" in wanted) || wanted.whole === true || row.kind !== "bundle")
    return ok(undefined);
  const encoded = lane.body(row);
  if (encoded === undefined) return err({ code: "BODY_NOT_HELD" });
  const decoded = decodeBodyBounded(encoded);
  if (!decoded.ok) return decoded;
  const body = parseBody(decoded.value);
  if (!body.ok) return body;
  const { seed, readings } = body.value;
  const index = Number(wanted.sequence - row.position.range.first);
  const hash = bundleHasher(crypto, bundleHashOf(statement.header.type));
  const leaves = saltedLeaves(hash, seed, readings);
  return ok({
    reading: present(readings[index], "reading of a verified bundle"),
    salt: saltOf(hash, seed, index),
    index,
    path: pathOf(treeHasher(hash), leaves, index),
  });
}

/** What is not final stands in the open lane: closing one moves it there. */
function provisionalEvidence(lane: SqliteLane, log: LaneLog, index: bigint): Receipt["lane"] {
  const size = lane.size();
  const signature = lane.logSignature();
  const { gateway, incarnation } = log;
  return { gateway, incarnation, index, size, path: log.inclusion(index, size), signature };
}

function finality(
  sources: ReceiptSources,
  of: {
    readonly ordered: SignedOrderedHead;
    readonly statement: ParsedStatement;
    readonly row: StatementRow;
  },
): Result<NonNullable<Receipt["final"]>, ReceiptAssemblyFault> {
  const { ordered, statement, row } = of;
  const { evidence } = ordered;
  const hasher = treeHasher((bytes) => sources.crypto.sha256(bytes));
  const list = RevocationTree.of(hasher, ordered.revocations);
  const revocation = list.evidence(statement.header.kid);
  if (!revocation.ok) return err({ code: "KEY_REVOKED" });
  const checkpoint = checkpointOf(statement, row);
  if (checkpoint !== undefined && checkpoint.size > evidence.size)
    return err({ code: "CHECKPOINT_NOT_REACHED", size: checkpoint.size });
  return ok({
    laneHead: ordered.statement,
    gatewayChain: sources.gatewayChain,
    channel: evidence,
    revocation: revocation.value,
    ...(checkpoint === undefined
      ? {}
      : { consistency: sources.ledger.consistency(checkpoint.size, evidence.size) }),
  });
}

function checkpointOf(statement: ParsedStatement, row: StatementRow): TreeHead | undefined {
  if (row.kind === "rejection" || row.kind === "result") return undefined;
  const claims = parseDeviceClaims(row.kind, statement.claims);
  return present(claims.ok ? claims.value : undefined, "claims in the lane").position.checkpoint;
}
