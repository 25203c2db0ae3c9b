/** What a fake seal signs: the tree head, and in which epoch. */

import { concat, u64, utf8 } from "@tamga/ledger-core/base/bytes";
import type { SealPoint } from "@tamga/ledger-core/consensus/replica-io";

export function sealBytes({
  epoch,
  size,
  root,
}: Pick<SealPoint, "epoch" | "size" | "root">): Uint8Array {
  return concat(utf8("fake seal"), u64(BigInt(epoch)), u64(size), root);
}
