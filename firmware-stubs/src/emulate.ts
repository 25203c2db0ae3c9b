/** Runs an emulated device on a virtual line at a given rate, and logs what went over the wire. */

import { createHash } from "node:crypto";
import { appendFile } from "node:fs/promises";
import { concat } from "@tamga/ledger-core/base/bytes";
import type { Clock } from "@tamga/ledger-core/daemon/system-clock";
import type { Emission, EmulatedDevice } from "./p1-meter.ts";
import type { VirtualLine } from "./virtual-line.ts";

export type EmulateOptions = {
  /** Emissions a second, 0.1 … {@link rateMax}. */
  readonly rate: number;
  /** Emissions in all; undefined is without end. */
  readonly count?: number | undefined;
  /**
   * File to which one line for each emission is added: `SEQUENCE SHA256 sent|torn`. `torn` ones were
   * in a write during which the last reader went away: it may have seen them or not.
   */
  readonly wireLog?: string | undefined;
};

export const rateMax = 100_000;
/** Emissions in one write; what a late timer may catch up on at once. */
export const burstMax = 1_000;
const tickMs = 5;

/**
 * Emits while somebody is connected; without a reader the device stands still, so that every
 * sequence up to the last was offered to a reader. Resolves after `count`, with the number emitted.
 */
export async function emulate(
  parts: { readonly device: EmulatedDevice; readonly line: VirtualLine; readonly clock: Clock },
  options: EmulateOptions,
  { signal }: { readonly signal: AbortSignal },
): Promise<number> {
  const { device, line, clock } = parts;
  let emitted = 0;
  let budget = 1;
  let last = clock.monotonic();
  while (emitted < (options.count ?? Number.POSITIVE_INFINITY)) {
    const before = clock.monotonic();
    await line.connected({ signal });
    const now = clock.monotonic();
    // Time without a reader earns nothing.
    if (now - before < tickMs) budget += ((now - last) / 1000) * options.rate;
    last = now;
    const left = (options.count ?? Number.POSITIVE_INFINITY) - emitted;
    const due = Math.min(Math.floor(budget), burstMax, left);
    if (due === 0) {
      const wait = Math.min(Math.max((1000 * (1 - budget)) / options.rate, tickMs), 1000);
      await clock.sleep(wait, { signal });
      continue;
    }
    budget = Math.min(budget - due, burstMax);
    const batch = Array.from({ length: due }, () => device.next(clock.now()));
    const taken = await line.write(concat(...batch.map((emission) => emission.bytes)));
    if (options.wireLog !== undefined)
      await appendFile(options.wireLog, logLines(batch, taken ? "sent" : "torn"));
    emitted += due;
  }
  return emitted;
}

function logLines(batch: readonly Emission[], fate: "sent" | "torn"): string {
  return batch.map(({ sequence, bytes }) => `${sequence} ${digestOf(bytes)} ${fate}\n`).join("");
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
