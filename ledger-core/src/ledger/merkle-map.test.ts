/** The immutable map against the language's own, over random trees of versions. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { present } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { MerkleMapKind } from "./merkle-map.ts";
import { MerkleMap, merkleMapKind } from "./merkle-map.ts";

const sha256 = (bytes: Uint8Array) => nodeCrypto.sha256(bytes);
const kind: MerkleMapKind<number> = merkleMapKind(sha256, (value) => value);

describe("a Merkle map", () => {
  it("is at every version what a Map would be, whatever was made of its versions since", () => {
    const step = fc.record({
      /** Which of the versions so far is changed. */
      of: fc.nat(),
      key: fc.string({ maxLength: 3 }),
      value: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const versions = [{ map: MerkleMap.of(kind, []), model: new Map<string, number>() }];
        for (const { of, key, value } of steps) {
          const { map, model } = present(versions[of % versions.length], "version");
          versions.push({ map: map.with(key, value), model: new Map(model).set(key, value) });
        }
        for (const { map, model } of versions) {
          expect(map.size).toBe(model.size);
          expect(new Map(map.entries())).toEqual(model);
          expect([...map.values()].sort()).toEqual([...model.values()].sort());
          for (const { key } of steps) {
            expect(map.get(key)).toBe(model.get(key));
            expect(map.has(key)).toBe(model.has(key));
          }
        }
      }),
    );
  });

  it("has the root of its entries, in whatever order they came and whatever they replaced", () => {
    const entries = fc.uniqueArray(fc.tuple(fc.string(), fc.nat()), {
      selector: ([key]) => key,
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(entries, fc.nat(), (list, seed) => {
        const map = MerkleMap.of(kind, list);
        const turned = [...list.slice(seed % list.length), ...list.slice(0, seed % list.length)];
        const stale = turned.map(([key]) => [key, 4_711] as const);
        expect(MerkleMap.of(kind, [...stale, ...turned.reverse()]).root()).toEqual(map.root());
        const [key, value] = present(list[seed % list.length], "entry");
        expect(map.with(key, value).root()).toEqual(map.root());
        expect(map.with(key, value + 1).root()).not.toEqual(map.root());
        expect(map.with(`${list.map(([other]) => other).join("")}x`, 0).root()).not.toEqual(
          map.root(),
        );
      }),
    );
  });

  it("hashes nothing, one entry and a fork as it says", () => {
    const none = MerkleMap.of(kind, []);
    expect(none.root()).toEqual(sha256(new Uint8Array()));
    const one = none.with("a", 1);
    const leafA = sha256(Uint8Array.of(0, 0x82, 0x61, 0x61, 1));
    expect(one.root()).toEqual(leafA);
    const leafB = sha256(Uint8Array.of(0, 0x82, 0x61, 0x62, 2));
    // SHA-256 of "b" begins with a bit 0, that of "a" with a 1.
    expect([sha256(utf8("a"))[0], sha256(utf8("b"))[0]]).toEqual([0xca, 0x3e]);
    expect(one.with("b", 2).root()).toEqual(sha256(Uint8Array.of(1, ...leafB, ...leafA)));
  });
});
