/** The consensus parameters of a channel unless its operator says otherwise. */

import { blockBytesMax, blockTransactionsMax } from "../consensus/limits.ts";
import type { ReplicaParameters } from "../consensus/replica-io.ts";

/** For a LAN; on radio Δ is 2,000 ms. The two of sealing are the same at every validator of a channel. */
export const lanParameters: ReplicaParameters = {
  deltaMs: 500,
  emptyHoldMs: 25,
  keepAliveMs: 5_000,
  skipMs: 15_000,
  blockTransactionsMax,
  blockBytesMax,
  sealEveryHeights: 16,
  sealBucketMs: 1_000,
};
