/** What people are told of a signing key that is being replaced. */

import type { RotationStatus } from "./rotation-status.ts";

/**
 * Sentences for the status and the doctor.
 *
 * @param holdsRestKey whether the key of encrypted readings still lies beside the replaced one.
 */
export function rotationNotes(
  rotation: RotationStatus | null,
  holdsRestKey = false,
): readonly string[] {
  if (rotation === null) return [];
  const { phase, from, to, trouble } = rotation;
  switch (phase) {
    case "wanted":
      return trouble === undefined
        ? []
        : [`The next key ${to} cannot be used yet; ${from} signs. [${trouble}]`];
    case "asking":
      return [askingNote(to, trouble)];
    case "proving":
      return [
        `The key ${to} signs; keep ${from} until a statement by the new one is final.` +
          (trouble === undefined ? "" : ` [${trouble}]`),
      ];
    case "back":
      return [`The key ${to} signs again; ${from} is not in use.`];
    case "done":
      return holdsRestKey
        ? [
            `The key ${to} has replaced ${from}. Keep the old one's token: what encrypts the readings on this disk lies there.`,
          ]
        : [
            `The key ${to} has replaced ${from}, which may be removed. Name the new one in agent.toml.`,
          ];
  }
}

function askingNote(to: string, trouble: string | undefined): string {
  if (trouble === undefined) return `The next key ${to} has no certificate yet.`;
  return trouble === "WAITING"
    ? `The next key ${to} waits for the gateway's operator: tamga-gateway devices approve.`
    : `The next key ${to} has no certificate yet. [${trouble}]`;
}
