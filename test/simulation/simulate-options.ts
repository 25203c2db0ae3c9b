/** What the command line of `npm run sim` asks for. */

import { parseArgs } from "node:util";
import type { SeedsToPlay } from "./simulate.ts";

/** Below four validators nobody may fail; CONSENSUS.md goes to sixteen. */
const sizes = { min: 4, max: 16 };
/** Of a failure that is played again. */
const traceLines = 200;

/**
 * @param again a seed to play alone, with the end of its trace where it fails.
 * @returns undefined where the arguments make no sense.
 */
export function parseSimulation(args: readonly string[], again?: string): SeedsToPlay | undefined {
  const options = optionsOf(args);
  if (options === undefined) return undefined;
  const { seeds, from, n } = options;
  const size = n === undefined ? undefined : wholeNumber(n, sizes);
  if (n !== undefined && size === undefined) return undefined;
  const first = wholeNumber(again ?? from, { min: 0 });
  const count = wholeNumber(seeds, { min: 1 });
  if (first === undefined || count === undefined) return undefined;
  const of = size === undefined ? {} : { size };
  return again === undefined
    ? { seeds: count, from: first, ...of }
    : { seeds: 1, from: first, traceLines, ...of };
}

function optionsOf(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seeds: { type: "string", default: "1000" },
        from: { type: "string", default: "1" },
        n: { type: "string" },
      },
    }).values;
  } catch {
    return undefined;
  }
}

function wholeNumber(
  text: string,
  { min, max = Number.MAX_SAFE_INTEGER }: { readonly min: number; readonly max?: number },
): number | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? value : undefined;
}
