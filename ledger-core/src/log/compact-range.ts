/** The right edge of a growing tree: its complete subtrees, enough to append and to give the root. */

import { assert, present } from "../base/assert.ts";
import type { Digest } from "../base/bytes.ts";
import { concat, parseDigest, u64 } from "../base/bytes.ts";
import type { Result } from "../base/result.ts";
import { err, ok } from "../base/result.ts";
import type { TreeHasher } from "./leaf-hash.ts";
import type { NodeCoordinate } from "./node-coordinates.ts";
import { rootNodes } from "./node-coordinates.ts";

/** A node whose leaves are all there: it never changes again, so it may be stored. */
export type CompleteNode = NodeCoordinate & { readonly hash: Digest };

export type CompactRangeFault =
  | { readonly code: "COMPACT_RANGE_BAD_LENGTH" }
  | { readonly code: "COMPACT_RANGE_SIZE_OUT_OF_RANGE" };

const sizeBytes = 8;
const digestBytes = 32;

/**
 * Appends leaf hashes and keeps at most 53 peaks, largest first. The same leaves give the same
 * range; nothing else touches its fields.
 */
export class CompactRange {
  readonly #hasher: TreeHasher;
  readonly #peaks: Digest[];
  #size: number;

  private constructor(hasher: TreeHasher, size: number, peaks: Digest[]) {
    this.#hasher = hasher;
    this.#size = size;
    this.#peaks = peaks;
  }

  static empty(hasher: TreeHasher): CompactRange {
    return new CompactRange(hasher, 0, []);
  }

  /** Takes up a stored log of `size` leaves again, by reading its peaks. */
  static fromNodes(
    hasher: TreeHasher,
    size: number,
    readNode: (level: number, index: number) => Digest,
  ): CompactRange {
    const peaks = rootNodes(size).map(({ level, index }) => readNode(level, index));
    return new CompactRange(hasher, size, peaks);
  }

  /**
   * Reads what {@link encode} wrote.
   * Faults: COMPACT_RANGE_BAD_LENGTH (the size's bits say how many peaks there are),
   *   COMPACT_RANGE_SIZE_OUT_OF_RANGE (2^53 or more).
   */
  static parse(hasher: TreeHasher, bytes: Uint8Array): Result<CompactRange, CompactRangeFault> {
    if (bytes.length < sizeBytes) return err({ code: "COMPACT_RANGE_BAD_LENGTH" });
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = Number(view.getBigUint64(0));
    if (!Number.isSafeInteger(size)) return err({ code: "COMPACT_RANGE_SIZE_OUT_OF_RANGE" });
    const count = rootNodes(size).length;
    if (bytes.length !== sizeBytes + count * digestBytes)
      return err({ code: "COMPACT_RANGE_BAD_LENGTH" });
    const peaks: Digest[] = [];
    for (let at = sizeBytes; at < bytes.length; at += digestBytes) {
      const peak = parseDigest(bytes.slice(at, at + digestBytes));
      if (!peak.ok) return err({ code: "COMPACT_RANGE_BAD_LENGTH" });
      peaks.push(peak.value);
    }
    return ok(new CompactRange(hasher, size, peaks));
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size;
  }

  /** The hashes of {@link rootNodes} of the size, largest subtree first. */
  get peaks(): readonly Digest[] {
    return this.#peaks;
  }

  /**
   * Adds one leaf hash.
   *
   * @param completed receives each node that this leaf completes: the leaf, then its ancestors.
   */
  append(leaf: Digest, completed?: (node: CompleteNode) => void): void {
    assert(this.#size < Number.MAX_SAFE_INTEGER, "log below 2^53 leaves");
    let hash = leaf;
    let level = 0;
    let index = this.#size;
    completed?.({ level, index, hash });
    while (index % 2 === 1) {
      hash = this.#hasher.node(present(this.#peaks.pop(), "left peak"), hash);
      level++;
      index = (index - 1) / 2;
      completed?.({ level, index, hash });
    }
    this.#peaks.push(hash);
    this.#size++;
  }

  /** Adds leaf hashes in order; returns every node that they complete, children before parents. */
  appendAll(leaves: Iterable<Digest>): CompleteNode[] {
    const nodes: CompleteNode[] = [];
    for (const leaf of leaves) this.append(leaf, (node) => nodes.push(node));
    return nodes;
  }

  root(): Digest {
    return foldPeaks(this.#hasher, this.#peaks);
  }

  /** An independent range with the same leaves. */
  copy(): CompactRange {
    return new CompactRange(this.#hasher, this.#size, this.#peaks.slice());
  }

  /** u64 size ‖ peaks, largest subtree first. */
  encode(): Uint8Array {
    return concat(u64(BigInt(this.#size)), ...this.#peaks);
  }
}

/** The hash over neighbouring complete nodes, left to right: the right ones are joined first. */
export function foldPeaks(hasher: TreeHasher, peaks: readonly Digest[]): Digest {
  let root: Digest | undefined;
  for (let i = peaks.length - 1; i >= 0; i--) {
    const peak = present(peaks[i], "peak");
    root = root === undefined ? peak : hasher.node(peak, root);
  }
  return root ?? hasher.empty;
}
