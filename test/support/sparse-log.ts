/** A log of any size in which only some leaves matter, so that tests see the paths of a huge tree. */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import {
  buildConsistency,
  buildInclusion,
  buildMultiproof,
  buildRoot,
} from "@tamga/ledger-core/log/proof-builder";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));

/** Leaves that nobody appended are all the same filler. */
export class SparseLog {
  readonly #leaves = new Map<number, Digest>();
  readonly #fillers: Digest[] = [hasher.leaf(new Uint8Array(0))];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Appends an entry; returns its index. */
  append(entry: Uint8Array): number {
    this.#leaves.set(this.#size, hasher.leaf(entry));
    return this.#size++;
  }

  /** Appends fillers until the log has this size. */
  fillTo(size: number): void {
    this.#size = Math.max(this.#size, size);
  }

  head(size = this.#size): { readonly size: bigint; readonly root: Digest } {
    return { size: BigInt(size), root: buildRoot(hasher, this.#node, size) };
  }

  inclusion(index: number, size = this.#size): Digest[] {
    return buildInclusion(hasher, this.#node, { index, size });
  }

  consistency(size1: number, size2 = this.#size): Digest[] {
    return buildConsistency(hasher, this.#node, { size1, size2 });
  }

  multiproof(indices: readonly number[], size = this.#size): Digest[] {
    const built = buildMultiproof(hasher, this.#node, { indices, size });
    if (!built.ok) throw new Error(built.fault.code);
    return built.value;
  }

  readonly #node = (level: number, index: number): Digest => {
    const first = index * 2 ** level;
    const known = [...this.#leaves.keys()].some((at) => at >= first && at < first + 2 ** level);
    if (!known) return this.#filler(level);
    if (level === 0) return this.#leaves.get(index) ?? this.#filler(0);
    return hasher.node(this.#node(level - 1, 2 * index), this.#node(level - 1, 2 * index + 1));
  };

  #filler(level: number): Digest {
    const known = this.#fillers[level];
    if (known !== undefined) return known;
    const below = this.#filler(level - 1);
    const filler = hasher.node(below, below);
    this.#fillers[level] = filler;
    return filler;
  }
}
