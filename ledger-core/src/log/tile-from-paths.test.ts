import { expect, test } from "vitest";
import { toHex, utf8 } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { CompactRange } from "./compact-range.ts";
import { treeHasher } from "./leaf-hash.ts";
import { pathOf } from "./merkle-root.ts";
import type { TileCoordinate } from "./tile.ts";
import { tilesAfterAppend } from "./tile.ts";
import { holdsTile, readTile } from "./tile-from-paths.ts";

const hasher = treeHasher((bytes) => nobleCrypto.sha256(bytes));
const entries = Array.from({ length: 700 }, (_, i) => utf8(`entry ${i}`));
const leaves = entries.map((entry) => hasher.leaf(entry));

function logOf(size: number) {
  return {
    size: BigInt(size),
    entry: (index: bigint) => entries[Number(index)],
    inclusion: (index: bigint, of: bigint) =>
      pathOf(hasher, leaves.slice(0, Number(of)), Number(index)),
  };
}

test.each([1, 2, 255, 256, 257, 511, 512, 513, 700])(
  "of a log of %i entries are those that it would keep",
  (size) => {
    const range = CompactRange.empty(hasher);
    const { tiles } = tilesAfterAppend([], range.appendAll(leaves.slice(0, size)));
    const log = logOf(size);
    expect(tiles.length).toBeGreaterThan(0);
    for (const { level, index, hashes } of tiles) {
      const tile = { level, index, width: hashes.length / 32 };
      expect(toHex(readTile(hasher, log, tile)), `${level}/${index}`).toBe(toHex(hashes));
      if (tile.width < 256)
        expect(holdsTile(log, { ...tile, width: tile.width + 1 }), `${level}/${index}`).toBe(false);
      expect(holdsTile(log, { ...tile, index: index + 1, width: 1 })).toBe(
        tiles.some((other) => other.level === level && other.index === index + 1),
      );
    }
  },
);

test("an earlier, narrower tile is the beginning of the wider one", () => {
  const tile = { level: 0, index: 0, width: 100 };
  const wide = readTile(hasher, logOf(700), { ...tile, width: 256 });
  expect(toHex(readTile(hasher, logOf(700), tile))).toBe(toHex(wide.subarray(0, 3_200)));
});

test("levels that no log reaches are not there, and asking for what is not there is a bug", () => {
  const beyond: TileCoordinate = { level: 8, index: 0, width: 1 };
  expect(holdsTile({ size: 2n ** 64n - 1n }, beyond)).toBe(false);
  expect(holdsTile({ size: 2n ** 64n - 1n }, { level: 7, index: 0, width: 255 })).toBe(true);
  expect(holdsTile({ size: 0n }, { level: 0, index: 0, width: 1 })).toBe(false);
  expect(() => readTile(hasher, logOf(1), { level: 0, index: 0, width: 2 })).toThrow(
    /inside the log/,
  );
});
