/**
 * Reads a validator's ledger without the gateway's code: header by header and leaf by leaf out of its
 * tables, every hash computed anew.
 */

import type { Digest } from "@tamga/ledger-core/base/bytes";
import { equal, toHex } from "@tamga/ledger-core/base/bytes";
import { headerDigest, parseBlock } from "@tamga/ledger-core/consensus/block";
import { messageBytesMax } from "@tamga/ledger-core/consensus/limits";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { CompactRange } from "@tamga/ledger-core/log/compact-range";
import { treeHasher } from "@tamga/ledger-core/log/leaf-hash";
import { unwrap } from "../../support/unwrap.ts";
import type { Owner } from "../rig/lane-content.ts";
import { withDatabase } from "../rig/lane-content.ts";

const hasher = treeHasher((bytes) => nodeCrypto.sha256(bytes));

export type ChainContent = {
  readonly validator: string;
  /** Digest of the block at each height, in hexadecimal. */
  readonly blocks: ReadonlyMap<number, string>;
  /** Leaf hashes of the channel's log, in order. */
  readonly leaves: readonly Digest[];
  /** Root of the log at each size, in hexadecimal; 1 is the channel's opening. */
  readonly roots: ReadonlyMap<number, string>;
  readonly height: number;
  /** What does not hold within this file alone. */
  readonly faults: readonly string[];
};

type BlockRow = { height: number; digest: Uint8Array; frame: Uint8Array };

export function readChain(validator: string, file: string, owner: Owner): ChainContent {
  return withDatabase(file, owner, (db) => {
    const rows = db
      .prepare<[], BlockRow>("SELECT height, digest, frame FROM chain_block ORDER BY height")
      .all();
    const entries = db
      .prepare<[], Uint8Array>("SELECT bytes FROM channel_log_entry ORDER BY idx")
      .pluck()
      .all();
    const leaves = entries.map((bytes) => hasher.leaf(new Uint8Array(bytes)));
    const roots = rootsOf(leaves);
    const faults: string[] = [];
    const blocks = new Map<number, string>();
    let before: string | undefined;
    for (const [at, row] of rows.entries()) {
      const { header } = unwrap(parseBlock(new Uint8Array(row.frame), messageBytesMax));
      const digest = headerDigest(nodeCrypto, header);
      const where = `${validator}, height ${row.height}`;
      if (row.height !== at + 1 || header.height !== row.height) faults.push(`${where}: a gap`);
      if (!equal(digest, new Uint8Array(row.digest))) faults.push(`${where}: another digest`);
      if (before !== undefined && toHex(header.parentDigest) !== before)
        faults.push(`${where}: does not follow the block before`);
      if (roots.get(Number(header.logSize)) !== toHex(header.logRoot))
        faults.push(`${where}: its log root is not that of the leaves`);
      before = toHex(digest);
      blocks.set(row.height, before);
    }
    const height = rows.at(-1)?.height ?? 0;
    return { validator, blocks, leaves, roots, height, faults };
  });
}

function rootsOf(leaves: readonly Digest[]): ReadonlyMap<number, string> {
  const range = CompactRange.empty(hasher);
  const roots = new Map<number, string>();
  for (const leaf of leaves) {
    range.append(leaf);
    roots.set(Number(range.size), toHex(range.root()));
  }
  return roots;
}

/** @returns each way in which these validators hold conflicting final chains; nothing where one is a prefix. */
export function forksBetween(chains: readonly ChainContent[]): readonly string[] {
  const forks: string[] = [];
  for (const [at, one] of chains.entries()) {
    for (const other of chains.slice(at + 1)) {
      const pair = `${one.validator} and ${other.validator}`;
      for (const [height, digest] of one.blocks) {
        const theirs = other.blocks.get(height);
        if (theirs !== undefined && theirs !== digest) forks.push(`${pair}, height ${height}`);
      }
      const size = Math.min(one.leaves.length, other.leaves.length);
      for (let index = 0; index < size; index++) {
        const [a, b] = [one.leaves[index], other.leaves[index]];
        if (a !== undefined && b !== undefined && !equal(a, b))
          forks.push(`${pair}, leaf ${index}`);
      }
    }
  }
  return forks;
}
