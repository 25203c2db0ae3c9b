import { describe, expect, test } from "vitest";
import { pending } from "../../../test/support/fake-ledger.ts";
import {
  mempoolBytesMax,
  mempoolFormsMax,
  mempoolStrangersMax,
  mempoolTransactionsMax,
} from "./limits.ts";
import { Mempool } from "./mempool.ts";

const idsOf = (pool: Mempool) => [...pool.values()].map(({ id }) => id);
const small = (at: number) => ({ id: `${at}`, bytes: Uint8Array.of(1) });

describe("Mempool", () => {
  test("keeps the order of arrival, and knows what it holds", () => {
    const pool = new Mempool(4);
    expect(pool.add(pending("b"), 1)).toBe(true);
    expect(pool.add(pending("a"), "own")).toBe(true);
    expect(pool.add(pending("b"), 2)).toBe(false);
    expect(idsOf(pool)).toEqual(["b", "a"]);
    expect([pool.has(pending("a")), pool.has(pending("c")), pool.size]).toEqual([true, false, 2]);
    expect([...pool.own()].map(({ id }) => id)).toEqual(["a"]);
  });

  test("changes its version with what it holds, and not else", () => {
    const pool = new Mempool(4);
    const versions = [pool.version];
    for (const act of [
      () => pool.add(pending("a"), 1),
      () => pool.add(pending("a"), 1),
      () => pool.delete("a"),
      () => pool.delete("a"),
    ]) {
      act();
      versions.push(pool.version);
    }
    expect(versions).toEqual([0, 1, 1, 2, 2]);
  });

  test("makes a peer's transaction an own one where it is submitted too", () => {
    const pool = new Mempool(4);
    pool.add(pending("a"), 1);
    pool.add(pending("b"), "own");
    expect(pool.add(pending("a"), "own")).toBe(false);
    expect(pool.add(pending("b"), "own")).toBe(false);
    expect([...pool.own()].map(({ id }) => id)).toEqual(["a", "b"]);
    expect(pool.delete("a")).toBe(true);
    expect([...pool.own()].map(({ id }) => id)).toEqual(["b"]);
  });

  test("gives each peer an equal share, and no peer another's", () => {
    const pool = new Mempool(3);
    const share = Math.floor(mempoolTransactionsMax / 5);
    let taken = 0;
    for (let at = 0; at < share + 10; at++) if (pool.add(small(at), 2)) taken++;
    expect(taken).toBe(share);
    expect(pool.add(pending("other peer"), 1)).toBe(true);
    expect(pool.add(pending("own"), "own")).toBe(true);
    // What was submitted here too leaves the peer's share.
    expect(pool.add(small(0), "own")).toBe(false);
    expect(pool.add(pending("in its place"), 2)).toBe(true);
    expect(pool.delete("in its place")).toBe(true);
    expect(pool.add(pending("again"), 2)).toBe(true);
  });

  test("bounds the bytes of a peer's share too", () => {
    const pool = new Mempool(2);
    const bytes = new Uint8Array(mempoolBytesMax / 16);
    for (let at = 0; at < 4; at++) expect(pool.add({ id: `${at}`, bytes }, 1)).toBe(true);
    expect(pool.add(small(9), 1)).toBe(false);
    expect(pool.add(small(9), 0)).toBe(true);
    pool.delete("2");
    expect(pool.add(small(10), 1)).toBe(true);
  });

  test("gives all strangers one share together, and each of them a part of it", () => {
    const pool = new Mempool(2);
    const share = mempoolTransactionsMax / 4;
    let taken = 0;
    const fill = (stranger: string) => {
      const before = taken;
      while (pool.add(small(taken), { stranger })) taken++;
      return taken - before;
    };
    expect(fill("a")).toBe(share / mempoolStrangersMax);
    for (let at = 0; at < mempoolStrangersMax; at++) fill(`${at}`);
    expect(taken).toBe(share);
    expect(pool.add(pending("of a validator"), 1)).toBe(true);
    expect(pool.add(pending("own"), "own")).toBe(true);
    expect(pool.delete("0")).toBe(true);
    expect(fill("b")).toBe(1);
  });

  test("holds a transaction in several forms, none in the place of another", () => {
    const pool = new Mempool(2);
    const form = (at: number) => ({ id: "a", bytes: Uint8Array.of(at) });
    for (let at = 0; at < mempoolFormsMax; at++) expect(pool.add(form(at), 1)).toBe(true);
    expect(pool.add(form(99), 1)).toBe(false);
    expect(pool.add(form(99), 0)).toBe(true);
    expect(pool.add(form(100), "own")).toBe(true);
    expect(pool.add(form(0), 0)).toBe(false);
    expect(pool.has(form(99))).toBe(true);
    pool.remove(form(99));
    expect(pool.has(form(99))).toBe(false);
    expect(pool.size).toBe(mempoolFormsMax + 1);
    expect(pool.delete("a")).toBe(true);
    expect(pool.size).toBe(0);
    expect(pool.add(form(0), 1)).toBe(true);
  });

  test("holds mempoolTransactionsMax, own submissions too", () => {
    const pool = new Mempool(3);
    for (let at = 0; at < mempoolTransactionsMax; at++)
      expect(pool.add(small(at), "own")).toBe(true);
    expect(pool.add(pending("one more"), "own")).toBe(false);
    expect(pool.add(pending("one more"), 1)).toBe(false);
    pool.delete("0");
    expect(pool.add(pending("one more"), "own")).toBe(true);
    expect(pool.size).toBe(mempoolTransactionsMax);
  });

  test("holds mempoolBytesMax", () => {
    const pool = new Mempool(3);
    const bytes = new Uint8Array(mempoolBytesMax / 4);
    for (let at = 0; at < 4; at++) expect(pool.add({ id: `${at}`, bytes }, "own")).toBe(true);
    expect(pool.add(small(9), "own")).toBe(false);
    pool.delete("2");
    expect(pool.add(small(9), "own")).toBe(true);
    expect(pool.add({ id: "2", bytes }, "own")).toBe(false);
  });
});
