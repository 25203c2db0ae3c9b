/** Tests of sizes and indices up to their ends. */

import { describe, expect, it } from "vitest";
import { parseLeafIndex, parseTreeSize, treeSizeMax } from "./tree-size.ts";

describe("parseTreeSize", () => {
  it("takes numbers, bigints and decimal text up to 2^64−1", () => {
    for (const value of [0, 1n, "7", treeSizeMax, "18446744073709551615"])
      expect(parseTreeSize(value)).toEqual({ ok: true, value: BigInt(value) });
  });

  it.each([
    ["18446744073709551616", "TREE_SIZE_OUT_OF_RANGE"],
    [treeSizeMax + 1n, "TREE_SIZE_OUT_OF_RANGE"],
    [-1, "TREE_SIZE_OUT_OF_RANGE"],
    [1.5, "TREE_SIZE_NOT_DECIMAL"],
    [2 ** 53, "TREE_SIZE_NOT_DECIMAL"],
    ["", "TREE_SIZE_NOT_DECIMAL"],
    ["01", "TREE_SIZE_NOT_DECIMAL"],
    ["-1", "TREE_SIZE_NOT_DECIMAL"],
    ["+1", "TREE_SIZE_NOT_DECIMAL"],
    ["0x1", "TREE_SIZE_NOT_DECIMAL"],
    ["1\n", "TREE_SIZE_NOT_DECIMAL"],
    ["１", "TREE_SIZE_NOT_DECIMAL"],
    ["9".repeat(21), "TREE_SIZE_NOT_DECIMAL"],
  ])("refuses %s", (value, code) => {
    expect(parseTreeSize(value)).toEqual({ ok: false, fault: { code } });
  });
});

describe("parseLeafIndex", () => {
  it("ends one below the largest size", () => {
    expect(parseLeafIndex(treeSizeMax - 1n)).toEqual({ ok: true, value: treeSizeMax - 1n });
    expect(parseLeafIndex(treeSizeMax)).toMatchObject({
      fault: { code: "LEAF_INDEX_OUT_OF_RANGE" },
    });
    expect(parseLeafIndex("00")).toMatchObject({ fault: { code: "LEAF_INDEX_NOT_DECIMAL" } });
  });
});
