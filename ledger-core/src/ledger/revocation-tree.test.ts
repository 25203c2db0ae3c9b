/** The revocation list: order, root, replacement, and evidence that a verifier can follow. */

import { describe, expect, it } from "vitest";
import { compare } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { verifyInclusion } from "../log/inclusion-proof.ts";
import { treeHasher } from "../log/leaf-hash.ts";
import { naiveRoot } from "../log/naive-tree.ts";
import type { RevokedNeighbour } from "../receipt/receipt.ts";
import type { RevokedKey } from "../wire/revocation-list.ts";
import { encodeRevokedKey } from "../wire/revocation-list.ts";
import { RevocationTree } from "./revocation-tree.ts";

const hasher = treeHasher(nobleCrypto.sha256);
const kidOf = (i: number) => nobleCrypto.sha256(Uint8Array.of(i));
const keys = (count: number): RevokedKey[] =>
  Array.from({ length: count }, (_, i) => ({ kid: kidOf(i), reason: i % 2, since: BigInt(i) }));

describe("a revocation list", () => {
  it("has the empty tree's root without entries, and nothing beside an absent key", () => {
    const list = RevocationTree.of(hasher, []);
    expect(list.head).toEqual({ size: 0n, root: hasher.empty });
    expect(list.evidence(kidOf(1))).toEqual({ ok: true, value: {} });
  });

  it("has one root, however it came about", () => {
    for (const count of [1, 2, 5, 8]) {
      const sorted = keys(count).sort((a, b) => compare(a.kid, b.kid));
      const root = naiveRoot(sorted.map((key) => hasher.leaf(encodeRevokedKey(key))));
      let grown = RevocationTree.of(hasher, []);
      for (const key of keys(count)) grown = grown.with(key);
      expect(grown.entries).toEqual(sorted);
      expect(grown.head).toEqual({ size: BigInt(count), root });
      expect(RevocationTree.of(hasher, keys(count).reverse()).head.root).toEqual(root);
    }
  });

  it("replaces the entry of a kid that comes again", () => {
    const again = { kid: kidOf(3), reason: 1, since: 99n };
    const list = RevocationTree.of(hasher, keys(6)).with(again);
    expect(list.head.size).toBe(6n);
    expect(list.find(kidOf(3))).toEqual(again);
    expect(RevocationTree.of(hasher, [...keys(6), again]).head).toEqual(list.head);
  });

  it("proves absence by neighbours that stand side by side in its tree", () => {
    const list = RevocationTree.of(hasher, keys(7));
    const { head } = list;
    const follow = (neighbour: RevokedNeighbour) =>
      verifyInclusion(hasher, {
        leafIndex: neighbour.index,
        treeSize: head.size,
        leafHash: hasher.leaf(encodeRevokedKey(neighbour)),
        path: neighbour.path,
        root: head.root,
      }).ok;
    let ends = 0;
    for (let i = 7; i < 60; i++) {
      const evidence = list.evidence(kidOf(i));
      expect(evidence.ok).toBe(true);
      if (!evidence.ok) continue;
      const { below, above } = evidence.value;
      if (below !== undefined) {
        expect(follow(below)).toBe(true);
        expect(compare(below.kid, kidOf(i))).toBeLessThan(0);
      }
      if (above !== undefined) {
        expect(follow(above)).toBe(true);
        expect(compare(above.kid, kidOf(i))).toBeGreaterThan(0);
      }
      if (below === undefined) expect(above?.index).toBe(0n);
      else if (above === undefined) expect(below.index).toBe(6n);
      else expect(above.index).toBe(below.index + 1n);
      if (below === undefined || above === undefined) ends++;
    }
    expect(ends).toBeGreaterThan(0);
  });

  it("gives no evidence for a key that is in it", () => {
    const list = RevocationTree.of(hasher, keys(3));
    const revoked = { kid: kidOf(2), reason: 0, since: 2n };
    expect(list.evidence(kidOf(2))).toEqual({ ok: false, fault: { code: "KEY_REVOKED", revoked } });
  });
});
