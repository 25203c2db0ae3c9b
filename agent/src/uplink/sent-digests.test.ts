import { toHex, u64 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { describe, expect, test } from "vitest";
import { sentDigestsMax } from "./limits.ts";
import { SentDigests } from "./sent-digests.ts";

const { sha256 } = nodeCrypto;
const incarnation = new Uint8Array(16).fill(7);
const statement = (n: number) => {
  const bytes = u64(BigInt(n));
  return {
    incarnation,
    range: { first: BigInt(n), count: 1 },
    identity: sha256(u64(BigInt(-n))),
    bytes,
  };
};

describe("digests of what was sent", () => {
  test("lead to its place, by identity and by the bytes", () => {
    const sent = new SentDigests(sha256);
    sent.add(statement(1));
    sent.add(statement(2));
    for (const digest of [statement(2).identity, sha256(statement(2).bytes)])
      expect(sent.find(digest)).toEqual({ incarnation, first: 2n });
    expect(sent.find(sha256(u64(99n)))).toBeUndefined();
  });

  test("are bounded: the ones that were sent longest ago go first, and come again with their statement", () => {
    const sent = new SentDigests(sha256);
    const most = sentDigestsMax / 2;
    for (let n = 1; n <= most; n++) sent.add(statement(n));
    expect(sent.find(statement(1).identity)?.first).toBe(1n);
    sent.add(statement(1));
    sent.add(statement(most + 1));
    const known = [1, 2, 3, most + 1].map((n) => sent.find(sha256(statement(n).bytes))?.first);
    expect(known).toEqual([1n, undefined, 3n, BigInt(most + 1)]);
    sent.add(statement(2));
    expect(sent.find(statement(2).identity)?.first).toBe(2n);
    expect(toHex(statement(2).identity)).not.toBe(toHex(sha256(statement(2).bytes)));
  });
});
