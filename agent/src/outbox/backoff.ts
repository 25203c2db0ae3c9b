/** How long to wait before the next attempt: doubling, capped, and spread by chance. */

export type BackoffLimits = { readonly msMin: number; readonly msMax: number };

/**
 * "Equal jitter": half of the step is certain, half is chance, so that a thousand agents that lost
 * one gateway at the same instant do not come back at the same instant.
 *
 * @param attempt 0 for the first retry; any integer ≥ 0.
 * @param random 0 ≤ x < 1.
 * @returns whole milliseconds in msMin / 2 … msMax.
 */
export function backoffMs(
  { msMin, msMax }: BackoffLimits,
  { attempt, random }: { readonly attempt: number; readonly random: number },
): number {
  // 2^30 is past any cap; a larger power would lose the integer.
  const step = Math.min(msMax, msMin * 2 ** Math.min(attempt, 30));
  return Math.floor(step / 2 + (step / 2) * random);
}
