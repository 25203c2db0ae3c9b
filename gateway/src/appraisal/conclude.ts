/** Judges evidence in the lane, and makes of the judgement what the gateway is to state. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import type { UnixMillis } from "@tamga/ledger-core/base/time";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import type { Evidence } from "@tamga/ledger-core/wire/attestation-evidence";
import type { AttestationResult } from "@tamga/ledger-core/wire/attestation-result";
import {
  encodeSignedResult,
  overallTier,
  prepareResult,
  verifyResult,
} from "@tamga/ledger-core/wire/attestation-result";
import type { ResultClaims } from "@tamga/ledger-core/wire/gateway-claims";
import type { Identifier } from "@tamga/ledger-core/wire/identifier";
import { resultCodesMax } from "@tamga/ledger-core/wire/limits";
import type { AppraisalContext } from "../attestation/appraise.ts";
import { appraise, clockAheadMax } from "../attestation/appraise.ts";
import type { AppraisedQuote } from "../attestation/bracket.ts";
import type { ReferenceValues } from "../attestation/reference-values.ts";
import type { ResultAdmission } from "../lane/admission.ts";
import { decodeBodyBounded } from "../lane/body-codec.ts";
import type { LanePlace } from "../lane/lane.ts";
import type { KeyedLaneSigner } from "../lane/lane-signer.ts";
import type { SqliteLane } from "../lane/sqlite-lane.ts";
import { evidenceAt, quotedIn } from "./standing.ts";

/** Who appraises, as its results name it. */
export const appraiserId = { developer: "Tamga", build: "0.1.0" };

export type Evidenced = {
  readonly device: Identifier;
  /** The leaf, and its statement's identity. */
  readonly place: LanePlace & { readonly identity: Digest };
  /** TPMT_PUBLIC of the device's attestation key. */
  readonly attestationKey: Uint8Array;
  readonly now: UnixMillis;
  /** It was judged before, by other values: its age is the age that it had. */
  readonly again: boolean;
};

type Ports = {
  readonly lane: SqliteLane;
  readonly references: ReferenceValues;
  readonly signer: KeyedLaneSigner;
  /** When the nonce was drawn for the device; undefined where it never was. */
  readonly drawnAt: (nonce: Uint8Array) => UnixMillis | undefined;
};

/**
 * Evidence with a nonce has to be newer, by the TPM's counts, than all that was believed before. Evidence
 * without one may come late and out of order, as after weeks without a network: it is held to the quote
 * before it, and its age is judged whenever somebody looks.
 */
export function conclude(ports: Ports, of: Evidenced): ResultAdmission {
  const { lane, references, signer } = ports;
  const { device, place } = of;
  const { bytes, evidence } = evidenceAt(lane, place);
  const { nonce } = evidence;
  const drawn = nonce === undefined ? undefined : ports.drawnAt(nonce);
  const now = Math.floor(of.now / 1_000);
  const asked = nonce === undefined ? undefined : askedBy(nonce, drawn, now);
  const log = logAt(lane, place);
  const previous = previousQuote(lane, evidence, of);
  const context: AppraisalContext = {
    device,
    attestationKey: of.attestationKey,
    // A claim is in the registry only where its maker's chain was verified at enrolment.
    isEndorsed: true,
    now: asked === undefined ? evidence.issuedAt : of.again ? asked.at : now,
    ...(asked === undefined ? {} : { asked }),
    ...(previous === undefined ? {} : { previous }),
    ...(log === undefined ? {} : { log }),
    appraiser: appraiserId,
  };
  const judged = appraise(nodeCrypto, bytes, { context, references });
  const said = {
    kind: "result" as const,
    device,
    evidence: place,
    ...(drawn === undefined ? {} : { asked: drawn }),
  };
  if (!judged.ok) return { ...said, state: "refused", codes: [judged.fault.code] };
  const { result, findings, quote } = judged.value;
  if (nonce === undefined && isAheadOfTpm(lane, evidence, quote))
    return { ...said, state: "refused", codes: ["EVIDENCE_AHEAD_OF_TPM"] };
  const tier = overallTier(result.modules);
  const codes = [...new Set(findings.map(({ code }) => code))].slice(0, resultCodesMax);
  const { resetCount, clock } = quote.clockInfo;
  return {
    ...said,
    // Values that name no PCR are refused before, and with them a result that says nothing.
    state: tier === "none" ? "warning" : tier,
    result: signed({ ...result, issuedAt: now }, signer),
    codes,
    quote: { attest: quote.attest, resetCount, clock: clock < clockMax ? clock : clockMax },
  };
}

/** Digest of the reference values that a result of this gateway's was held to. */
export function referencesOf(
  { publicKey }: KeyedLaneSigner,
  { result }: ResultClaims,
): Digest | undefined {
  const read = result === undefined ? undefined : verifyResult(nodeCrypto, publicKey, result);
  return read?.ok === true ? read.value.references : undefined;
}

/** SQLite's largest integer; no TPM has run for so long. */
const clockMax = 2n ** 63n - 1n;

/**
 * Whether evidence says a later time than its TPM can have seen since the last answer to a nonce: as quotes do
 * that were made in a good state, to be shown in a bad one. A TPM's clock is good for 15 % (Part 1, §36.3.2).
 */
function isAheadOfTpm(
  lane: SqliteLane,
  { device, issuedAt }: Evidence,
  { clockInfo }: AppraisedQuote,
): boolean {
  const anchor = lane.results.anchor(device, clockInfo);
  if (anchor === undefined) return false;
  const elapsedMs = Number(clockInfo.clock - anchor.clock);
  return issuedAt * 1_000 - anchor.anchored > 1.15 * elapsedMs + 1_000 * clockAheadMax;
}

/** A nonce that is not ours equals none: EVIDENCE_NONCE_WRONG. */
function askedBy(nonce: Uint8Array, drawn: UnixMillis | undefined, now: number) {
  if (drawn === undefined) return { nonce: new Uint8Array(), at: now };
  return { nonce, at: Math.floor(drawn / 1_000) };
}

function previousQuote(
  lane: SqliteLane,
  evidence: Evidence,
  { device, place, attestationKey }: Evidenced,
): AppraisedQuote | undefined {
  const quoted = quotedIn(evidence, attestationKey);
  if (quoted === undefined) return undefined;
  const upTo = evidence.nonce === undefined ? quoted.clockInfo : undefined;
  const row = lane.results.believed(device, upTo, place);
  if (row?.evidence === undefined) return undefined;
  return quotedIn(evidenceAt(lane, row.evidence).evidence, attestationKey);
}

function logAt(lane: SqliteLane, place: LanePlace): Uint8Array | undefined {
  const row = lane.at(place);
  const body = row === undefined ? undefined : lane.body(row);
  const log = body === undefined ? undefined : decodeBodyBounded(body);
  return log?.ok === true ? log.value : undefined;
}

function signed(result: AttestationResult, signer: KeyedLaneSigner): Uint8Array {
  const prepared = prepareResult(result, signer);
  return encodeSignedResult(prepared, signer.sign(prepared.toBeSigned));
}
