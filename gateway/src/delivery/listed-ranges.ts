/** Lists of ranges as a `have` brings them, cut to what one exchange looks at. Pure. */

import type { IncarnationRanges } from "@tamga/ledger-core/wire/uplink-message";
import { rangesPerHaveMax } from "../limits.ts";

/** As many ranges as one exchange looks up; the device lists what is left when its receipts are overdue. */
export function firstRanges(items: readonly IncarnationRanges[]): readonly IncarnationRanges[] {
  let left = rangesPerHaveMax;
  return items.flatMap((item) => {
    const ranges = item.ranges.slice(0, left);
    left -= ranges.length;
    return ranges.length === 0 ? [] : [{ ...item, ranges }];
  });
}

export function rangeCount(items: readonly IncarnationRanges[]): number {
  return items.reduce((sum, { ranges }) => sum + ranges.length, 0);
}

/** What a proof says of a statement that was accepted just now. */
function rowOfAdmitted({ admission, admitted }: AdmittedBatch[number]): ProofRow | undefined {
  if (admission.kind !== "statement" || admitted.outcome !== "accepted") return undefined;
  const { type: kind, incarnation, range } = admission;
  const { lane, leafIndex } = admitted;
  return { lane, leafIndex, kind, position: { incarnation, range } };
}
