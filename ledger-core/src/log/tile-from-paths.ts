/**
 * Tiles of a log that gives out entries and inclusion paths alone: any ledger or lane can be served as C2SP
 * tlog-tiles, whatever it keeps its hashes in.
 */

import { assert, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { concat } from "../base/bytes.ts";
import type { TreeHasher } from "./leaf-hash.ts";
import type { TileCoordinate } from "./tile.ts";
import { tileHeight, tileWidth } from "./tile.ts";

/** A log of which the first `size` entries are given out. */
export type TiledLog = {
  readonly size: bigint;
  /** Exact bytes of an entry below the size. */
  readonly entry: (index: bigint) => Uint8Array | undefined;
  /** Its path in the tree of `size` leaves, leaf side first. */
  readonly inclusion: (index: bigint, size: bigint) => readonly Digest[];
};

/** Whether the log has grown so far that the tile is that wide. */
export function holdsTile(log: Pick<TiledLog, "size">, tile: TileCoordinate): boolean {
  const last = BigInt(tile.index) * BigInt(tileWidth) + BigInt(tile.width);
  // Above level 7 one hash alone stands for more leaves than there can be.
  return tile.level < 8 && last << BigInt(tileHeight * tile.level) <= log.size;
}

/** The tile's hashes, 32 bytes each. @param tile one that {@link holdsTile}. */
export function readTile(hasher: TreeHasher, log: TiledLog, tile: TileCoordinate): Uint8Array {
  assert(holdsTile(log, tile), "tile inside the log");
  const first = BigInt(tile.index) * BigInt(tileWidth);
  const hashes = Array.from({ length: tile.width }, (_, i) =>
    nodeAt(hasher, log, { level: tileHeight * tile.level, index: first + BigInt(i) }),
  );
  return concat(...hashes);
}

/** A complete node: its leftmost leaf, and as many siblings to the right as the node is high. */
function nodeAt(
  hasher: TreeHasher,
  log: TiledLog,
  { level, index }: { readonly level: number; readonly index: bigint },
): Digest {
  const leaf = index << BigInt(level);
  const path = level === 0 ? [] : log.inclusion(leaf, log.size).slice(0, level);
  assert(path.length === level, "path as long as the node is high");
  const entry = present(log.entry(leaf), "entry of a leaf");
  return path.reduce((left, right) => hasher.node(left, right), hasher.leaf(entry));
}
