/** Short text keys for the maps of the harness. */

import type { Ballot } from "@tamga/ledger-core/consensus/vote";

/** Hexadecimal of a digest. */
export function digestKey(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString("hex");
}

/** A ballot by its exact content. */
export function ballotKey(epoch: number, ballot: Ballot): string {
  return ballot.kind === "nullify"
    ? `${epoch}/${ballot.view}/nullify`
    : `${epoch}/${ballot.view}/${ballot.kind}/${ballot.parentView}/${digestKey(ballot.digest)}`;
}

/** Order of (epoch, view) pairs. */
export function isAtOrBelow(
  a: { readonly epoch: number; readonly view: number },
  b: { readonly epoch: number; readonly view: number },
): boolean {
  return a.epoch < b.epoch || (a.epoch === b.epoch && a.view <= b.view);
}
