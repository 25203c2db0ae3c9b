/** Which of two links to one peer is kept: the same one on both ends, without a word between them. Pure. */

import type { Identifier } from "../wire/identifier.ts";

/** How a link came about; both ends know the same of it. */
export type LinkOrigin = { readonly relayed: boolean; readonly dialler: Identifier };

/**
 * A direct link is better than a relayed one, then one dialled by the lexically smaller name. Of two
 * alike the newer is kept: nobody dials again who still holds the older.
 */
export function keepsNewer(older: LinkOrigin, newer: LinkOrigin): boolean {
  if (older.relayed !== newer.relayed) return older.relayed;
  return newer.dialler <= older.dialler;
}
