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
