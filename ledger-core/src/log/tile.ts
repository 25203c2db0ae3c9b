/** The tiles in which a log keeps and serves its hashes (C2SP tlog-tiles, height 8). */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { parseDigest } from "../base/bytes.ts";
import type { CompleteNode } from "./compact-range.ts";
import type { TreeHasher } from "./leaf-hash.ts";
import { cachedNodesMax } from "./limits.ts";
import type { NodeReader } from "./proof-builder.ts";

/** Hashes in a full tile. */
export const tileWidth = 256;
/** Tree levels from one tile level to the next. */
export const tileHeight = 8;
const digestBytes = 32;
const fullTileBytes = tileWidth * digestBytes;

/** A tile's place; `width` counts its hashes: 256 when full, 1 … 255 when partial. */
export type TileCoordinate = {
  readonly level: number;
  readonly index: number;
  readonly width: number;
};

/** A tile with its hashes, `32 · width` bytes: nodes of tree level 8·level, left to right. */
export type Tile = {
  readonly level: number;
  readonly index: number;
  readonly hashes: Uint8Array;
};

/** What an append changed, and the partial tiles to hand to the next append. */
export type TileUpdate = {
  /** Every tile that is new or wider than it was, in no order that matters. */
  readonly tiles: readonly Tile[];
  /** The partial tiles on the right edge, lowest level first; levels without one are left out. */
  readonly edge: readonly Tile[];
};

/**
 * Sorts newly completed nodes into tiles, hashing nothing: a node of tree level 8 is at once the
 * root of a full tile and an entry of the tile above.
 *
 * @param edge the partial tiles of the tree before the append, as the last update left them or as
 *   read back at {@link edgeTiles}.
 * @param nodes what `CompactRange.appendAll` returned, in that order.
 */
export function tilesAfterAppend(
  edge: readonly Tile[],
  nodes: readonly CompleteNode[],
): TileUpdate {
  const open = new Map(edge.map((tile) => [tile.level, openTile(tile)]));
  const tiles: Tile[] = [];
  for (const node of nodes) {
    if (node.level % tileHeight !== 0) continue;
    const level = node.level / tileHeight;
    let tile = open.get(level);
    if (tile === undefined) {
      tile = { index: Math.floor(node.index / tileWidth), width: 0, grown: false, hashes: blank() };
      open.set(level, tile);
    }
    assert(tile.index * tileWidth + tile.width === node.index, "nodes continue their tile");
    tile.hashes.set(node.hash, tile.width * digestBytes);
    tile.width++;
    tile.grown = true;
    if (tile.width === tileWidth) {
      tiles.push({ level, index: tile.index, hashes: tile.hashes });
      open.delete(level);
    }
  }
  const partials: Tile[] = [];
  for (const [level, { index, width, grown, hashes }] of open) {
    const tile = { level, index, hashes: hashes.slice(0, width * digestBytes) };
    partials.push(tile);
    if (grown) tiles.push(tile);
  }
  return { tiles, edge: partials.sort((a, b) => a.level - b.level) };
}

/** The partial tiles of a tree of `size` leaves, lowest level first. */
export function edgeTiles(size: number): TileCoordinate[] {
  assert(Number.isSafeInteger(size) && size >= 0, "tree size is a safe integer");
  const tiles: TileCoordinate[] = [];
  let hashes = size;
  for (let level = 0; hashes > 0; level++) {
    const width = hashes % tileWidth;
    hashes = Math.floor(hashes / tileWidth);
    if (width > 0) tiles.push({ level, index: hashes, width });
  }
  return tiles;
}

/** The width that a tile has in a tree of `size` leaves: 0 when it is not there yet. */
export function tileWidthAt(tile: { level: number; index: number }, size: number): number {
  const hashes = Math.floor(size / tileWidth ** tile.level) - tile.index * tileWidth;
  return Math.max(0, Math.min(tileWidth, hashes));
}

/**
 * Reads any complete node from stored tiles; nodes between tile levels are hashed, and remembered
 * as long as the reader lives. Make one reader for a batch of proofs.
 *
 * @param readTile the hashes of a tile at least as wide as the tree needs; what it lacks throws.
 */
export function tileNodeReader(
  hasher: TreeHasher,
  readTile: (level: number, index: number) => Uint8Array,
): NodeReader {
  const tiles = new Map<string, Uint8Array>();
  const nodes = new Map<string, Digest>();

  const tileAt = (level: number, index: number): Uint8Array => {
    const key = `${level}/${index}`;
    const kept = tiles.get(key);
    if (kept !== undefined) return kept;
    const hashes = readTile(level, index);
    assert(hashes.length % digestBytes === 0 && hashes.length <= fullTileBytes, "tile is whole");
    if (tiles.size >= cachedNodesMax / tileWidth) tiles.clear();
    tiles.set(key, hashes);
    return hashes;
  };

  const readNode: NodeReader = (level, index) => {
    const inner = level % tileHeight;
    if (inner === 0) {
      const hashes = tileAt(level / tileHeight, Math.floor(index / tileWidth));
      const begin = (index % tileWidth) * digestBytes;
      const digest = parseDigest(hashes.subarray(begin, begin + digestBytes));
      assert(digest.ok, "tile is wide enough");
      return digest.value;
    }
    const key = `${level}/${index}`;
    const kept = nodes.get(key);
    if (kept !== undefined) return kept;
    const node = hasher.node(readNode(level - 1, 2 * index), readNode(level - 1, 2 * index + 1));
    if (nodes.size >= cachedNodesMax) nodes.clear();
    nodes.set(key, node);
    return node;
  };
  return readNode;
}

type OpenTile = { readonly index: number; width: number; grown: boolean; hashes: Uint8Array };

function openTile(tile: Tile): OpenTile {
  const width = tile.hashes.length / digestBytes;
  assert(Number.isInteger(width) && width >= 1 && width < tileWidth, "edge tile is partial");
  const hashes = blank();
  hashes.set(tile.hashes);
  return { index: tile.index, width, grown: false, hashes };
}

function blank(): Uint8Array {
  return new Uint8Array(fullTileBytes);
}
