/** How far the clock may be trusted, looked up at most once a second: a reading must not cost a file. */

import type { Clock, ClockQuality } from "@tamga/ledger-core/daemon/system-clock";
import { clockQualityMs } from "./limits-daemon.ts";

/** @param look the costly question. @returns the same, its answer kept for a while. */
export function cachedClockQuality(clock: Clock, look: () => ClockQuality): () => ClockQuality {
  let known: { readonly quality: ClockQuality; readonly at: number } | undefined;
  return () => {
    const at = clock.monotonic();
    if (known === undefined || at - known.at >= clockQualityMs) known = { quality: look(), at };
    return known.quality;
  };
}
