/** Tree sizes and leaf indices of any log, up to 2^64−1 leaves (RFC 9162 §2.1). */

import type { Brand } from "../base/brand.ts";
import { mint } from "../base/brand.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";

/** Leaves of a tree, 0 … 2^64−1. A log of our own counts with `number`, below 2^53. */
export type TreeSize = Brand<bigint, "TreeSize">;

/** The position of a leaf from 0; less than the size of its tree, so at most 2^64−2. */
export type LeafIndex = Brand<bigint, "LeafIndex">;

export type TreeSizeFault = { readonly code: "TREE_SIZE_NOT_DECIMAL" | "TREE_SIZE_OUT_OF_RANGE" };
export type LeafIndexFault = {
  readonly code: "LEAF_INDEX_NOT_DECIMAL" | "LEAF_INDEX_OUT_OF_RANGE";
};

export const treeSizeMax = 2n ** 64n - 1n;

/**
 * Mints a {@link TreeSize}; text is decimal without leading zeroes.
 * Faults: TREE_SIZE_NOT_DECIMAL, TREE_SIZE_OUT_OF_RANGE.
 */
export function parseTreeSize(value: number | bigint | string): Result<TreeSize, TreeSizeFault> {
  const whole = integer(value);
  if (whole === undefined) return err({ code: "TREE_SIZE_NOT_DECIMAL" });
  if (whole < 0n || whole > treeSizeMax) return err({ code: "TREE_SIZE_OUT_OF_RANGE" });
  return ok(mint<TreeSize>(whole));
}

/**
 * Mints a {@link LeafIndex}; text is decimal without leading zeroes.
 * Faults: LEAF_INDEX_NOT_DECIMAL, LEAF_INDEX_OUT_OF_RANGE.
 */
export function parseLeafIndex(value: number | bigint | string): Result<LeafIndex, LeafIndexFault> {
  const whole = integer(value);
  if (whole === undefined) return err({ code: "LEAF_INDEX_NOT_DECIMAL" });
  if (whole < 0n || whole >= treeSizeMax) return err({ code: "LEAF_INDEX_OUT_OF_RANGE" });
  return ok(mint<LeafIndex>(whole));
}

/** Twenty digits hold 2^64−1; a longer text is never converted. A float is no integer. */
function integer(value: number | bigint | string): bigint | undefined {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  return /^(?:0|[1-9][0-9]{0,19})$/.test(value) ? BigInt(value) : undefined;
}
