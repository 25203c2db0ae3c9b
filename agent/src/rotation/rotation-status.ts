/** How far the replacement of a signing key has come, for people. Pure. */

import type { RotationRecord, RotationStep } from "./rotation-file.ts";

/** `from` and `to` are key URIs. */
export type RotationStatus = {
  readonly phase: RotationStep["phase"] | "wanted";
  readonly from: string;
  readonly to: string;
  /** Why it does not go on: a gateway's refusal, `WAITING`, or the fault of a key. */
  readonly trouble: string | undefined;
};

/** @param now.wanted the key that an operator asks for and that was not asked for yet. */
export function rotationStatus(
  { key, step }: RotationRecord,
  {
    wanted,
    trouble,
  }: { readonly wanted: string | undefined; readonly trouble: string | undefined },
): RotationStatus | null {
  if (wanted !== undefined && step?.phase !== "proving")
    return { phase: "wanted", from: key, to: wanted, trouble };
  if (step === undefined) return null;
  return step.phase === "asking"
    ? { phase: "asking", from: key, to: step.to, trouble }
    : { phase: step.phase, from: step.from, to: key, trouble };
}

/** Whether the key of encrypted readings still lies beside the key that was replaced last. */
export function holdsRestKey({ restKey, step }: RotationRecord): boolean {
  return restKey !== undefined && step?.phase === "done" && restKey === step.from;
}
