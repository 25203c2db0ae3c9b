/** How a device stands, out of the results in a lane alone: which of them counts, and how it ages. */

import { present } from "@tamga/ledger-core/base/assert";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { parseTpmAttest } from "@tamga/ledger-core/tpm/tpm-attest";
import type { Evidence } from "@tamga/ledger-core/wire/attestation-evidence";
import { parseDeviceClaims } from "@tamga/ledger-core/wire/device-claims";
import { openEvidence } from "@tamga/ledger-core/wire/evidence-statement";
import type { ResultClaims } from "@tamga/ledger-core/wire/gateway-claims";
import { parseGatewayClaims, resultStates } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { parseStatement } from "@tamga/ledger-core/wire/statement";
import { clockAheadMax } from "../attestation/appraise.ts";
import type { AppraisedQuote } from "../attestation/bracket.ts";
import type { LanePlace } from "../lane/lane.ts";
import type { ResultRow } from "../lane/result-rows.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";

/** `none`: enrolled without a TPM. The others are those of WIRE.md §19.5. */
export const attestationStates = ["none", ...resultStates] as const;
export type AttestationState = (typeof attestationStates)[number];

export type DeviceAttestation = {
  readonly state: AttestationState;
  /** Stable code of why it is not affirming; null where there is none. */
  readonly code: string | null;
  /** The newest evidence is no older, ISO 8601; null without any. */
  readonly statedAt: string | null;
  /** That this is known by a nonce of the gateway's; false: the device's clock says so. */
  readonly asked: boolean;
};

/** A result in the lane, with when its evidence was made, in seconds since 1970. */
export type StatedResult = {
  readonly row: ResultRow;
  readonly claims: ResultClaims;
  readonly madeAt: number;
};

export type Standing = {
  /** Of the newest evidence that was believed, by the TPM's own counts. */
  readonly believed: StatedResult | undefined;
  /** The newest refusal, where it came after that. */
  readonly refused: StatedResult | undefined;
  /** The newest leaf of all. */
  readonly newest: StatedResult | undefined;
};

export function readStanding(lane: SqliteLane, device: Identifier): Standing {
  const { results } = lane;
  const stated = (row: ResultRow | undefined) => row && statedResult(lane, row);
  const believed = stated(results.believed(device));
  const refused = stated(results.newest(device, "refused"));
  const isLater = refused !== undefined && (believed === undefined || isAfter(refused, believed));
  return {
    believed,
    refused: isLater ? refused : undefined,
    newest: stated(results.newest(device)),
  };
}

/** What was good grows stale; what was not stays what it was. @param ageMax seconds. */
export function stateOf(
  standing: Standing,
  { nowSeconds, ageMax }: { readonly nowSeconds: number; readonly ageMax: number },
): DeviceAttestation {
  const counted = standing.refused ?? standing.believed;
  if (counted === undefined) return { state: "pending", code: null, statedAt: null, asked: false };
  const { claims, madeAt } = counted;
  const facts = {
    statedAt: new Date(madeAt * 1_000).toISOString(),
    asked: claims.asked !== undefined,
  };
  const { state } = claims;
  const said = { state, code: claims.codes[0] ?? null, ...facts };
  if (state === "refused" || state === "contraindicated") return said;
  if (madeAt - nowSeconds > clockAheadMax)
    return { state: "refused", code: "EVIDENCE_FROM_FUTURE", ...facts };
  if (nowSeconds - madeAt <= ageMax) return said;
  return { state: "stale", code: "EVIDENCE_TOO_OLD", ...facts };
}

/** Everything in a lane was opened before it came into it. */
export function statedResult(lane: SqliteLane, row: ResultRow): StatedResult {
  const statement = parseStatement(leafAt(lane, row));
  const claims = statement.ok ? parseGatewayClaims("result", statement.value.claims) : statement;
  const said = present(claims.ok ? claims.value : undefined, "result in the lane");
  const evidence = row.evidence === undefined ? undefined : evidenceAt(lane, row.evidence);
  const madeAt =
    said.asked === undefined ? (evidence?.evidence.issuedAt ?? 0) : Math.floor(said.asked / 1_000);
  return { row, claims: said, madeAt };
}

/** The exact bytes of evidence and what they say. */
export function evidenceAt(
  lane: SqliteLane,
  place: LanePlace,
): { readonly bytes: Uint8Array; readonly evidence: Evidence } {
  const statement = parseStatement(leafAt(lane, place));
  const parsed = statement.ok ? parseDeviceClaims("evidence", statement.value.claims) : statement;
  const claims = present(parsed.ok ? parsed.value : undefined, "evidence in the lane");
  const header = present(statement.ok ? statement.value.header : undefined, "its header");
  const opened = openEvidence(header, claims);
  const evidence = present(opened.ok ? opened.value : undefined, "evidence that was opened before");
  return { bytes: claims.evidence, evidence };
}

/**
 * What evidence in the lane says to have quoted, not verified here; undefined where its TPMS_ATTEST is none.
 *
 * @param attestationKey TPMT_PUBLIC that it is to be of.
 */
export function quotedIn(
  { device, quote, streams }: Evidence,
  attestationKey: Uint8Array,
): AppraisedQuote | undefined {
  const attest = parseTpmAttest(quote.attest);
  if (!attest.ok || attest.value.type !== "quote") return undefined;
  const { clockInfo, pcrDigest } = attest.value;
  return {
    device,
    attestationKey: nodeCrypto.sha256(attestationKey),
    attest: nodeCrypto.sha256(quote.attest),
    clockInfo,
    pcrDigest,
    streams,
  };
}

function leafAt(lane: SqliteLane, { lane: ordinal, leafIndex }: LanePlace): Uint8Array {
  return present(lane.log(ordinal).entry(leafIndex), "leaf of a stored row");
}

function isAfter({ row: a }: StatedResult, { row: b }: StatedResult): boolean {
  return a.lane === b.lane ? a.leafIndex > b.leafIndex : a.lane > b.lane;
}
