/** Opens the evidence in a device's statement, and holds the one to the other (WIRE.md §19.4). */

import { present } from "../base/assert.ts";
import { equal } from "../base/bytes.ts";
import type { CryptoPort } from "../base/crypto-port.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { Evidence, EvidenceFault } from "./attestation-evidence.ts";
import { parseEvidence } from "./attestation-evidence.ts";
import type { EvidenceStatementClaims } from "./device-claims.ts";
import type { Identifier } from "./identifier.ts";
import { parseIdentifier } from "./identifier.ts";

const parsed = parseIdentifier("attestation");
/** The stream that evidence stands in, and no reading. */
export const attestationStream: Identifier = present(
  parsed.ok ? parsed.value : undefined,
  "name of the attestation stream",
);

export type EvidenceStatementFault =
  | EvidenceFault
  /** It stands in a stream of readings. */
  | { readonly code: "EVIDENCE_OTHER_STREAM" }
  /** The evidence speaks of another device, or of another boot, than the statement. */
  | { readonly code: "EVIDENCE_OTHER_DEVICE" | "EVIDENCE_OTHER_BOOT" };

/**
 * The evidence itself. Its quote is not judged here: that takes the device's attestation key.
 *
 * @param of the statement's header: issuer and subject.
 * Faults: CBOR_*, FIELD_* and EVIDENCE_*.
 */
export function openEvidence(
  of: { readonly issuer: Identifier; readonly subject: Identifier },
  claims: EvidenceStatementClaims,
): Result<Evidence, EvidenceStatementFault> {
  if (of.subject !== attestationStream) return err({ code: "EVIDENCE_OTHER_STREAM" });
  const evidence = parseEvidence(claims.evidence);
  if (!evidence.ok) return evidence;
  const { device, bootId } = evidence.value;
  if (device !== of.issuer) return err({ code: "EVIDENCE_OTHER_DEVICE" });
  if (!equal(bootId, claims.position.bootId)) return err({ code: "EVIDENCE_OTHER_BOOT" });
  return ok(evidence.value);
}

/** True where these bytes are the boot event log that the evidence names. */
export function isLogOf(
  { sha256 }: Pick<CryptoPort, "sha256">,
  { eventLog }: Evidence,
  log: Uint8Array,
): boolean {
  return (
    eventLog !== undefined && eventLog.length === log.length && equal(eventLog.digest, sha256(log))
  );
}
