/** Whether a gateway may go on with its lane or must open the next incarnation (DESIGN §7). */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal } from "@tamga/ledger-core/base/bytes";
import type { TreeHead } from "@tamga/ledger-core/wire/device-claims";

/** A lane by its incarnation, at one of its heads. */
export type IncarnationHead = { readonly incarnation: Uint8Array; readonly head: TreeHead };

/** The newest incarnation of the file. */
export type LaneInFile = {
  readonly incarnation: Uint8Array;
  readonly channelId: Digest;
  readonly size: bigint;
  /** The root of its first leaves, for 0 … size of them. */
  readonly rootAt: (size: bigint) => Digest;
  readonly predecessor: IncarnationHead | undefined;
  /** True once a head of it was recorded as ordered. */
  readonly wasOrdered: boolean;
};

export type OpeningReason =
  | "first"
  | "file-lost"
  | "restored"
  | "behind-ledger"
  | "differs-from-ledger"
  | "other-channel"
  | "unknown-to-ledger";

export type Opening =
  | { readonly action: "continue" }
  | {
      readonly action: "open";
      readonly reason: OpeningReason;
      readonly predecessor: IncarnationHead | undefined;
      /** True where statements that devices hold as acknowledged may be gone from the file. */
      readonly needsAll: boolean;
    };

/**
 * Compares the file with the ledger. Only a lane that has all that was ordered of it may grow:
 * anything else would sign two different trees of one size.
 *
 * @param found.lastOrdered the last head that the ledger ordered of this gateway, if any.
 * @param found.restored the operator or the restore command said that this file is a copy.
 */
export function chooseOpening(found: {
  readonly file: LaneInFile | undefined;
  readonly lastOrdered: IncarnationHead | undefined;
  readonly channelId: Digest;
  readonly restored: boolean;
}): Opening {
  const { file, lastOrdered } = found;
  const open = (reason: OpeningReason, needsAll: boolean): Opening => ({
    action: "open",
    reason,
    predecessor: lastOrdered,
    needsAll,
  });
  if (file === undefined)
    return lastOrdered === undefined ? open("first", false) : open("file-lost", true);
  if (found.restored) return open("restored", true);
  if (!equal(file.channelId, found.channelId)) return open("other-channel", false);
  if (lastOrdered === undefined) {
    // A ledger that forgot a lane which it had ordered is another one, whatever its name.
    const isUnordered = file.predecessor === undefined && !file.wasOrdered;
    return isUnordered ? { action: "continue" } : open("unknown-to-ledger", false);
  }
  if (equal(file.incarnation, lastOrdered.incarnation)) {
    const { size, root } = lastOrdered.head;
    if (file.size < size) return open("behind-ledger", true);
    return equal(file.rootAt(size), root)
      ? { action: "continue" }
      : open("differs-from-ledger", true);
  }
  // Opened but not ordered yet: its lane-open must still name what the ledger holds.
  const { predecessor } = file;
  const isNext =
    predecessor !== undefined &&
    equal(predecessor.incarnation, lastOrdered.incarnation) &&
    predecessor.head.size === lastOrdered.head.size &&
    equal(predecessor.head.root, lastOrdered.head.root);
  return isNext ? { action: "continue" } : open("differs-from-ledger", true);
}
