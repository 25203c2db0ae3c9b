/**
 * An immutable map whose root commits to its entries, in whatever order they came. Changing one entry
 * copies the way to it and nothing else, so that every older version stays as it was.
 */

import { assert } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { utf8 } from "../base/bytes.ts";
import type { CborValue } from "../base/cbor.ts";
import { encodeCbor } from "../base/cbor.ts";
import type { Sha256, TreeHasher } from "../log/leaf-hash.ts";
import { treeHasher } from "../log/leaf-hash.ts";

/** How a map hashes; one for each section of a state. */
export type MerkleMapKind<V> = {
  readonly sha256: Sha256;
  readonly hasher: TreeHasher;
  readonly encode: (value: V) => CborValue;
  /** Hashes of the keys asked for last. */
  readonly paths: Map<string, Digest>;
};

/** Hashed keys that a section remembers. */
const pathsKeptMax = 4_096;

/** `encode` gives what a value is committed to by; equal values encode equally. */
export function merkleMapKind<V>(
  sha256: Sha256,
  encode: (value: V) => CborValue,
): MerkleMapKind<V> {
  return { sha256, hasher: treeHasher(sha256), encode, paths: new Map() };
}

type Leaf<V> = {
  /** SHA-256 of the key: whoever chooses keys does not choose how deep the tree grows. */
  readonly path: Digest;
  readonly key: string;
  readonly value: V;
  hash: Digest | undefined;
};
type Fork<V> = {
  /** The first bit in which the paths below differ. */
  readonly bit: number;
  readonly left: Node<V>;
  readonly right: Node<V>;
  hash: Digest | undefined;
};
type Node<V> = Leaf<V> | Fork<V>;

const pathBits = 256;

/**
 * A crit-bit tree over SHA-256 of the keys, so that the set of keys alone gives its shape: at most 256
 * levels, and about log₂ n. A leaf hashes as SHA-256(0x00 ‖ CBOR [key, value]), a fork as
 * SHA-256(0x01 ‖ left ‖ right), nothing as SHA-256 of nothing. Hashes are made when the root is asked for,
 * and kept.
 */
export class MerkleMap<V> {
  readonly size: number;
  readonly #kind: MerkleMapKind<V>;
  readonly #root: Node<V> | undefined;

  private constructor(kind: MerkleMapKind<V>, root: Node<V> | undefined, size: number) {
    this.#kind = kind;
    this.#root = root;
    this.size = size;
  }

  static of<V>(
    kind: MerkleMapKind<V>,
    entries: Iterable<readonly [key: string, value: V]>,
  ): MerkleMap<V> {
    let map = new MerkleMap<V>(kind, undefined, 0);
    for (const [key, value] of entries) map = map.with(key, value);
    return map;
  }

  get(key: string): V | undefined {
    const leaf = this.#nearest(this.#pathOf(key));
    return leaf?.key === key ? leaf.value : undefined;
  }

  has(key: string): boolean {
    return this.#nearest(this.#pathOf(key))?.key === key;
  }

  /** The map with this entry, in place of the one of the same key if there is one. */
  with(key: string, value: V): MerkleMap<V> {
    const path = this.#pathOf(key);
    const leaf: Leaf<V> = { path, key, value, hash: undefined };
    const near = this.#nearest(path);
    if (near === undefined || this.#root === undefined) return new MerkleMap(this.#kind, leaf, 1);
    const bit = firstDifference(near.path, path);
    assert(bit < pathBits || near.key === key, "two keys have two hashes");
    const size = bit === pathBits ? this.size : this.size + 1;
    return new MerkleMap(this.#kind, put(this.#root, leaf, bit), size);
  }

  /** In the order of the keys' hashes. */
  *entries(): Generator<readonly [key: string, value: V]> {
    const open: Node<V>[] = this.#root === undefined ? [] : [this.#root];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if ("bit" in node) open.push(node.right, node.left);
      else yield [node.key, node.value];
    }
  }

  *values(): Generator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  root(): Digest {
    return this.#root === undefined ? this.#kind.hasher.empty : hashOf(this.#kind, this.#root);
  }

  #pathOf(key: string): Digest {
    const { sha256, paths } = this.#kind;
    const known = paths.get(key);
    if (known !== undefined) return known;
    const path = sha256(utf8(key));
    if (paths.size >= pathsKeptMax) paths.clear();
    paths.set(key, path);
    return path;
  }

  /** The leaf that a path leads to: its own, if the key is there at all. */
  #nearest(path: Digest): Leaf<V> | undefined {
    let node = this.#root;
    while (node !== undefined && "bit" in node)
      node = bitOf(path, node.bit) === 0 ? node.left : node.right;
    return node;
  }
}

/** `bit`: where the leaf's path leaves those that are there, or 256 to replace the leaf of its key. */
function put<V>(node: Node<V>, leaf: Leaf<V>, bit: number): Node<V> {
  if (!("bit" in node) || node.bit > bit) {
    if (bit === pathBits) return leaf;
    const [left, right] = bitOf(leaf.path, bit) === 0 ? [leaf, node] : [node, leaf];
    return { bit, left, right, hash: undefined };
  }
  return bitOf(leaf.path, node.bit) === 0
    ? { bit: node.bit, left: put(node.left, leaf, bit), right: node.right, hash: undefined }
    : { bit: node.bit, left: node.left, right: put(node.right, leaf, bit), hash: undefined };
}

function hashOf<V>(kind: MerkleMapKind<V>, node: Node<V>): Digest {
  node.hash ??=
    "bit" in node
      ? kind.hasher.node(hashOf(kind, node.left), hashOf(kind, node.right))
      : kind.hasher.leaf(encodeCbor([node.key, kind.encode(node.value)]));
  return node.hash;
}

function bitOf(path: Digest, bit: number): number {
  return ((path[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;
}

/** The first bit in which two paths differ; 256 where none does. */
function firstDifference(a: Digest, b: Digest): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) ^ (b[i] ?? 0);
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24;
  }
  return pathBits;
}
