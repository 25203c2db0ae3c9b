/** An ordered head as it is stored, with the longest list of revoked keys that a channel may have. */

import { present } from "@tamga/ledger-core/base/assert";
import type { Digest } from "@tamga/ledger-core/base/bytes";
import { u32, utf8 } from "@tamga/ledger-core/base/bytes";
import { nodeCrypto } from "@tamga/ledger-core/daemon/node-crypto";
import { revocationsMax } from "@tamga/ledger-core/ledger/limits";
import { describe, expect, it } from "vitest";
import type { SignedOrderedHead } from "./ordered-head.ts";
import { encodeOrderedHead, parseOrderedHead } from "./ordered-head.ts";

const digest = (i: number): Digest => nodeCrypto.sha256(u32(i));
const signature = utf8("signature");
const seal = {
  keyId: u32(1),
  timeSeconds: 1_780_000_000,
  cosignature: utf8("cosignature"),
  logSignature: utf8("log signature"),
};
const ordered: SignedOrderedHead = {
  head: { size: 7n, root: digest(1) },
  statement: utf8("lane head"),
  evidence: { index: 3n, size: 9n, path: [digest(2)], seals: [seal] },
  revocations: [{ kid: digest(3), reason: 1, since: 2n ** 63n }],
  signature,
};

describe("a stored ordered head", () => {
  it("comes back as it was", () => {
    expect(parseOrderedHead(encodeOrderedHead(ordered))).toEqual({ ok: true, value: ordered });
  });

  it("reaches the limit of revoked keys, and not beyond", () => {
    const kid = digest(4);
    const revocations = Array.from({ length: revocationsMax }, (_, i) => ({
      kid,
      reason: i % 2,
      since: 2n ** 64n - 1n,
    }));
    const parsed = parseOrderedHead(encodeOrderedHead({ ...ordered, revocations }));
    expect(parsed.ok && parsed.value.revocations.length).toBe(revocationsMax);
    const more = [...revocations, present(revocations[0], "key")];
    expect(() => encodeOrderedHead({ ...ordered, revocations: more })).toThrow("within the limit");
  });

  it("is refused when it is damaged", () => {
    const bytes = encodeOrderedHead(ordered);
    expect(parseOrderedHead(bytes.subarray(1)).ok).toBe(false);
    expect(parseOrderedHead(bytes.subarray(0, -1)).ok).toBe(false);
  });
});
