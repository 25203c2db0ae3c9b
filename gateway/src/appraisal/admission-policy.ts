/** What becomes of a device's statements by the state that it stands in. */

import type { DeviceAttestation } from "./standing.ts";

/**
 * `accept`: they are taken. `mark`: they are taken, after the lane says in which state. `quarantine`: they are
 * kept aside and answered by a rejection.
 */
export const admissionRules = ["accept", "mark", "quarantine"] as const;
export type AdmissionRule = (typeof admissionRules)[number];

export type AdmissionPolicy = {
  /** A TPM, and no evidence that was appraised. */
  readonly pending: AdmissionRule;
  /** Evidence that was good and is too old by now. */
  readonly stale: AdmissionRule;
  /** Evidence of a boot that is not approved, or that cannot be believed. */
  readonly contraindicated: AdmissionRule;
};

/** A rule and the code of a refusal by it. */
export type AdmissionOrder = { readonly rule: AdmissionRule; readonly code: string };

/** Devices without a TPM cannot attest, and `warning` is about the agent's word for its version: both are taken. */
export function orderFor(
  policy: AdmissionPolicy,
  { state }: Pick<DeviceAttestation, "state">,
): AdmissionOrder {
  switch (state) {
    case "none":
    case "affirming":
    case "warning":
      return { rule: "accept", code: "" };
    case "pending":
      return { rule: policy.pending, code: "ATTESTATION_PENDING" };
    case "stale":
      return { rule: policy.stale, code: "ATTESTATION_STALE" };
    case "contraindicated":
      return { rule: policy.contraindicated, code: "ATTESTATION_CONTRAINDICATED" };
    case "refused":
      return { rule: policy.contraindicated, code: "ATTESTATION_REFUSED" };
  }
}
