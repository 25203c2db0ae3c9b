/** What was concluded of a device over time, and which of its statements lie between two quotes (DESIGN 31). */

import { toHex } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import type { BracketedStream } from "../attestation/bracket.ts";
import { bracket } from "../attestation/bracket.ts";
import { verifyQuote } from "../attestation/verify-quote.ts";
import type { ResultRow } from "../lane/result-rows.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import { evidenceAt, quotedIn, statedResult } from "./standing.ts";

/** As the command prints it: times in ISO 8601, numbers that may be large as text. */
export type AttestationEvent = {
  /** Incarnation of the lane in the gateway's file, and leaf in it: `attest receipt` takes both. */
  readonly lane: number;
  readonly leaf: string;
  readonly state: string;
  readonly codes: readonly string[];
  readonly concludedAt: string;
  /** When the gateway drew the nonce that was answered; null where nobody asked. */
  readonly askedAt: string | null;
  readonly evidence: {
    readonly lane: number;
    readonly leaf: string;
    readonly statedAt: string;
    readonly agentVersion: string;
    /** Of a quote that was believed. */
    readonly tpm: { readonly resetCount: number; readonly clock: string } | null;
  } | null;
  /** What lies between the believed quote before this one, by the TPM's counts, and this one. */
  readonly bracket:
    | {
        readonly after: { readonly lane: number; readonly leaf: string };
        readonly streams: readonly Bracketed[];
      }
    | { readonly code: string }
    | null;
};

type Bracketed = {
  readonly stream: string;
  readonly incarnation: string;
  readonly from: string;
  readonly to: string;
};

/** The newest `limit` results, in the order of the lane. */
export function readHistory(
  lane: SqliteLane,
  of: { readonly device: Identifier; readonly attestationKey: Uint8Array; readonly limit: number },
): readonly AttestationEvent[] {
  return lane.results.newestRows(of.device, of.limit).map((row) => eventOf(lane, row, of));
}

type Of = { readonly device: Identifier; readonly attestationKey: Uint8Array };

function eventOf(lane: SqliteLane, row: ResultRow, of: Of): AttestationEvent {
  const { claims } = statedResult(lane, row);
  const { state, codes, at, asked } = claims;
  return {
    ...placeOf(row),
    state,
    codes,
    concludedAt: new Date(at).toISOString(),
    askedAt: asked === undefined ? null : new Date(asked).toISOString(),
    evidence: evidenceOf(lane, row),
    bracket: bracketBefore(lane, row, of),
  };
}

function evidenceOf(lane: SqliteLane, { evidence: place, quote }: ResultRow) {
  if (place === undefined) return null;
  const { evidence } = evidenceAt(lane, place);
  return {
    ...placeOf(place),
    statedAt: new Date(evidence.issuedAt * 1_000).toISOString(),
    agentVersion: evidence.agentVersion,
    tpm: quote === undefined ? null : { resetCount: quote.resetCount, clock: String(quote.clock) },
  };
}

/** Both quotes are verified once more: they are few, and what follows rests on them. */
function bracketBefore(
  lane: SqliteLane,
  row: ResultRow,
  { device, attestationKey }: Of,
): AttestationEvent["bracket"] {
  if (row.quote === undefined || row.evidence === undefined) return null;
  const before = lane.results.believed(device, row.quote, row.evidence);
  if (before?.evidence === undefined) return null;
  const [earlier, later] = [before.evidence, row.evidence].map((place) => {
    const { evidence } = evidenceAt(lane, place);
    const verified = verifyQuote(nodeCrypto, evidence, attestationKey);
    return verified.ok ? quotedIn(evidence, attestationKey) : undefined;
  });
  if (earlier === undefined || later === undefined) return { code: "BRACKET_OTHER_KEY" };
  const judged = bracket(earlier, later);
  if (!judged.ok) return { code: judged.fault.code };
  return { after: placeOf(before.evidence), streams: judged.value.map(bracketed) };
}

function bracketed({ stream, incarnation, from, to }: BracketedStream): Bracketed {
  return { stream, incarnation: toHex(incarnation), from: String(from), to: String(to) };
}

function placeOf({ lane, leafIndex }: Pick<ResultRow, "lane" | "leafIndex">) {
  return { lane, leaf: String(leafIndex) };
}
