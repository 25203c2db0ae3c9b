import { describe, expect, test } from "vitest";
import { SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import { present } from "../base/assert.ts";
import { mint } from "../base/brand.ts";
import type { Digest } from "../base/bytes.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { RevocationEvidence } from "./receipt.ts";
import { verifyNotRevoked } from "./verify-revocation.ts";

const kid = (byte: number): Digest => mint<Digest>(new Uint8Array(32).fill(byte));
const revoked = [10, 20, 30, 40, 50].map((byte) => ({
  kid: kid(byte),
  reason: byte === 30 ? 0 : 1,
  since: BigInt(byte),
}));
const site = new SyntheticChannel({ revoked });
const list = site.revocations();
const entry = (index: number) => present(site.neighbour(index), "neighbour");

function judge(key: Digest, evidence: RevocationEvidence, of = list): string {
  const verified = verifyNotRevoked(nodeCrypto, key, { list: of, evidence });
  return verified.ok ? "valid" : verified.fault.code;
}

describe("a key that is not in the list", () => {
  test.each([5, 15, 25, 35, 45, 55])("is proved by its neighbours: %i", (byte) => {
    expect(judge(kid(byte), site.revocationEvidence(kid(byte)))).toBe("valid");
  });

  test("is proved by an empty list with no neighbours", () => {
    const none = new SyntheticChannel().revocations();
    expect(judge(kid(5), {}, none)).toBe("valid");
    expect(judge(kid(5), { below: entry(0) }, none)).toBe("REVOCATION_NEIGHBOUR_UNEXPECTED");
    expect(judge(kid(5), {}, { ...none, root: list.root })).toBe("REVOCATION_LIST_WRONG");
  });
});

describe("a key that is in the list", () => {
  test("is refused with its reason", () => {
    const evidence = { below: entry(1), above: entry(2) };
    expect(verifyNotRevoked(nodeCrypto, kid(30), { list, evidence })).toEqual({
      ok: false,
      fault: { code: "REVOCATION_KEY_REVOKED", reason: "retired", since: 30n },
    });
    expect(judge(kid(20), evidence)).toBe("REVOCATION_KEY_REVOKED");
  });

  test("cannot hide between neighbours that are not adjacent", () => {
    expect(judge(kid(30), { below: entry(1), above: entry(3) })).toBe("REVOCATION_NOT_ADJACENT");
    expect(judge(kid(10), { above: entry(1) })).toBe("REVOCATION_NOT_ADJACENT");
    expect(judge(kid(50), { below: entry(3) })).toBe("REVOCATION_NOT_ADJACENT");
    expect(judge(kid(30), { below: entry(3), above: entry(1) })).toBe("REVOCATION_NOT_ADJACENT");
  });

  test("cannot hide elsewhere", () => {
    expect(judge(kid(30), { below: entry(3), above: entry(4) })).toBe("REVOCATION_OUT_OF_ORDER");
    expect(judge(kid(30), { above: entry(0) })).toBe("REVOCATION_OUT_OF_ORDER");
    expect(judge(kid(30), { below: entry(4) })).toBe("REVOCATION_OUT_OF_ORDER");
  });

  test("cannot hide behind a neighbour that is not in the list, or none", () => {
    expect(judge(kid(30), {})).toBe("REVOCATION_NEIGHBOUR_MISSING");
    const forged = { ...entry(1), kid: kid(29) };
    expect(judge(kid(30), { below: forged, above: entry(2) })).toBe("REVOCATION_NOT_IN_LIST");
    const lateral = { ...entry(1), reason: 0 };
    expect(judge(kid(15), { below: entry(0), above: lateral })).toBe("REVOCATION_NOT_IN_LIST");
  });
});
