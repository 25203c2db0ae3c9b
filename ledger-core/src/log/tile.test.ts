/** Tests of tile storage and of the reader over it, against trees in memory. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvariantError, present } from "../base/assert.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { CompactRange } from "./compact-range.ts";
import { treeHasher } from "./leaf-hash.ts";
import { levelsOf, pathFrom, rootOf } from "./merkle-root.ts";
import { numberedLeaves } from "./naive-tree.ts";
import { buildConsistency, buildInclusion, buildRoot } from "./proof-builder.ts";
import type { Tile } from "./tile.ts";
import { edgeTiles, tileNodeReader, tilesAfterAppend, tileWidthAt } from "./tile.ts";

const hasher = treeHasher(nobleCrypto.sha256);
const largest = 70_000;
const leaves = numberedLeaves(largest);

/** A tile table as a store keeps it: the widest version of each tile. */
class TileTable {
  readonly tiles = new Map<string, Uint8Array>();
  readonly range = CompactRange.empty(hasher);
  edge: readonly Tile[] = [];
  reads = 0;

  grow(size: number): readonly Tile[] {
    const nodes = this.range.appendAll(leaves.slice(this.range.size, size));
    const update = tilesAfterAppend(this.edge, nodes);
    for (const { level, index, hashes } of update.tiles)
      this.tiles.set(`${level}/${index}`, hashes);
    this.edge = update.edge;
    return update.tiles;
  }

  readonly read = (level: number, index: number): Uint8Array => {
    this.reads++;
    return present(this.tiles.get(`${level}/${index}`), `tile ${level}/${index}`);
  };
}

describe("tilesAfterAppend", () => {
  it("keeps the tiles that the specification counts for 256 and for 70,000 leaves", () => {
    const table = new TileTable();
    table.grow(256);
    const widths = () =>
      [...table.tiles].map(([place, hashes]) => [place, hashes.length / 32] as const);
    expect(widths()).toEqual([
      ["0/0", 256],
      ["1/0", 1],
    ]);
    table.grow(largest);
    const full = widths().filter(([, width]) => width === 256);
    expect(full.filter(([place]) => place.startsWith("0/")).length).toBe(273);
    expect(full.filter(([place]) => place.startsWith("1/")).length).toBe(1);
    const partial = widths().filter(([, width]) => width < 256);
    expect(partial.toSorted()).toEqual([
      ["0/273", 112],
      ["1/1", 17],
      ["2/0", 1],
    ]);
    expect(edgeTiles(largest)).toEqual([
      { level: 0, index: 273, width: 112 },
      { level: 1, index: 1, width: 17 },
      { level: 2, index: 0, width: 1 },
    ]);
    expect(table.edge.map((tile) => tile.hashes.length / 32)).toEqual([112, 17, 1]);
    for (const [place, width] of widths()) {
      const [level = 0, index = 0] = place.split("/").map(Number);
      expect(tileWidthAt({ level, index }, largest)).toBe(width);
    }
    expect(tileWidthAt({ level: 0, index: 274 }, largest)).toBe(0);
  });

  it("gives the same tiles in whatever steps the log grows, also after a restart", () => {
    const whole = new TileTable();
    whole.grow(2_000);
    const steps = fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 12 });
    fc.assert(
      fc.property(steps, (sizes) => {
        const table = new TileTable();
        for (const step of sizes) {
          table.grow(Math.min(2_000, table.range.size + step));
          table.edge = edgeTiles(table.range.size).map(({ level, index, width }) => ({
            level,
            index,
            hashes: table.read(level, index).slice(0, 32 * width),
          }));
        }
        table.grow(2_000);
        expect(table.tiles).toEqual(whole.tiles);
      }),
      { numRuns: 20 },
    );
  });

  it("names only tiles that changed", () => {
    const table = new TileTable();
    table.grow(300);
    expect(table.grow(300)).toEqual([]);
    const changed = table.grow(301);
    expect(changed.map(({ level, index, hashes }) => [level, index, hashes.length / 32])).toEqual([
      [0, 1, 45],
    ]);
    expect(table.edge.length).toBe(2);
  });

  it("stops on nodes that do not continue their tile", () => {
    const table = new TileTable();
    table.grow(3);
    const hash = present(leaves[0], "leaf");
    expect(() => tilesAfterAppend(table.edge, [{ level: 0, index: 4, hash }])).toThrow(
      InvariantError,
    );
    expect(() => tilesAfterAppend([], [{ level: 0, index: 4, hash }])).toThrow(InvariantError);
  });
});

describe("tileNodeReader", () => {
  const table = new TileTable();
  table.grow(largest);

  it("serves roots, paths and consistency of every size up to the log's", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: largest }), fc.nat(), fc.nat(), (size, a, b) => {
        const readNode = tileNodeReader(hasher, table.read);
        const levels = levelsOf(hasher, leaves.slice(0, size));
        expect(buildRoot(hasher, readNode, size)).toEqual(levels.at(-1)?.[0]);
        const index = a % size;
        expect(buildInclusion(hasher, readNode, { index, size })).toEqual(pathFrom(levels, index));
        const size1 = b % size;
        const direct = new Map(
          levels.flatMap((level, l) => level.map((hash, i) => [`${l}/${i}`, hash] as const)),
        );
        expect(buildConsistency(hasher, readNode, { size1, size2: size })).toEqual(
          buildConsistency(hasher, (l, i) => present(direct.get(`${l}/${i}`), "node"), {
            size1,
            size2: size,
          }),
        );
      }),
      { numRuns: 12 },
    );
  });

  it("reads a tile once and remembers what it hashed", () => {
    let hashed = 0;
    const counting = treeHasher((bytes) => {
      hashed++;
      return nobleCrypto.sha256(bytes);
    });
    const readNode = tileNodeReader(counting, table.read);
    table.reads = 0;
    const first = buildInclusion(counting, readNode, { index: 1_000, size: largest });
    const before = { hashed, reads: table.reads };
    expect(before.reads).toBe(4);
    expect(buildInclusion(counting, readNode, { index: 1_000, size: largest })).toEqual(first);
    // What remains is joining the incomplete nodes of the right edge.
    expect(hashed - before.hashed).toBeLessThan(20);
    expect(table.reads).toBe(before.reads);
  });

  it("forgets past its limit and stays right", () => {
    const readNode = tileNodeReader(hasher, table.read);
    for (let index = 0; index < largest / 2 - 1; index++) readNode(1, index);
    for (let index = 0; index < largest / 4 - 1; index++) readNode(2, index);
    for (let index = 0; index < largest / 8 - 1; index++) readNode(3, index);
    expect(buildRoot(hasher, readNode, largest)).toEqual(rootOf(hasher, leaves));
  });

  it("stops on a tile that is narrower than the tree needs or not whole", () => {
    const cut = (bytes: number) =>
      tileNodeReader(hasher, (level, index) => table.read(level, index).subarray(0, bytes));
    expect(() => cut(32 * 4)(0, 4)).toThrow(InvariantError);
    expect(() => cut(33)(0, 0)).toThrow(InvariantError);
  });
});
