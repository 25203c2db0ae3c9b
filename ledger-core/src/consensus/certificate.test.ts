import { describe, expect, test } from "vitest";
import {
  certificateOf,
  channel,
  digestOf,
  finalize,
  notarize,
  nullify,
  proofOf,
  setOf,
} from "../../../test/support/consensus-fixture.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import type { Certificate } from "./certificate.ts";
import { verifyCertificate } from "./certificate.ts";
import { conflict, verifyEquivocation } from "./equivocation-proof.ts";

const set = setOf(4, 3);
const good = certificateOf(set, notarize(5, digestOf("a")), [0, 1, 3]);
const verdict = (certificate: Certificate, isKnown?: () => boolean) => {
  const domain = { channel, validators: set };
  const result = verifyCertificate(nodeCrypto, domain, certificate, isKnown);
  return result.ok ? "ok" : result.fault;
};

describe("verifyCertificate", () => {
  test("passes a quorum of any kind, and more than one", () => {
    expect(verdict(good)).toBe("ok");
    expect(verdict(certificateOf(set, nullify(5)))).toBe("ok");
    expect(verdict(certificateOf(set, finalize(0, digestOf("a"), 0), [0, 1, 2, 3]))).toBe("ok");
  });

  test.each([
    ["repeated signers", { voters: [0, 0, 1] }, "CERTIFICATE_SIGNER_REPEATED"],
    ["signers out of order", { voters: [1, 0, 3] }, "CERTIFICATE_SIGNER_REPEATED"],
    ["an unknown signer", { voters: [0, 1, 4] }, "CERTIFICATE_SIGNER_UNKNOWN"],
    ["too few", { voters: [0, 1] }, "CERTIFICATE_QUORUM_MISSING"],
    ["a signer without signature", { voters: [0, 1, 2, 3] }, "CERTIFICATE_QUORUM_MISSING"],
    ["nobody", { voters: [], signatures: [] }, "CERTIFICATE_QUORUM_MISSING"],
    ["others' signatures", { voters: [0, 1, 2] }, "CERTIFICATE_SIGNATURE_WRONG"],
    ["another epoch", { epoch: 2 }, "CERTIFICATE_OTHER_EPOCH"],
    ["another block", { ballot: notarize(5, digestOf("b")) }, "CERTIFICATE_SIGNATURE_WRONG"],
    ["another kind", { ballot: finalize(5, digestOf("a")) }, "CERTIFICATE_SIGNATURE_WRONG"],
    ["another parent", { ballot: notarize(5, digestOf("a"), 3) }, "CERTIFICATE_SIGNATURE_WRONG"],
  ] as const)("refuses %s", (_name, change, code) => {
    expect(verdict({ ...good, ...change })).toMatchObject({ code });
  });

  test("refuses the votes of an old epoch under a new number", () => {
    const old = certificateOf(setOf(4, 2), nullify(5));
    expect(verdict({ ...old, epoch: 3 })).toMatchObject({ code: "CERTIFICATE_SIGNATURE_WRONG" });
  });

  test("names how many are missing", () => {
    const signatures = good.signatures.slice(0, 2);
    const few = { ...good, voters: [0, 1], signatures };
    expect(verdict(few)).toEqual({ code: "CERTIFICATE_QUORUM_MISSING", have: 2, needed: 3 });
  });

  test("checks no signature that is known, but all else", () => {
    const forged = { ...good, signatures: good.signatures.map(() => new Uint8Array(64)) };
    expect(verdict(forged)).toMatchObject({ code: "CERTIFICATE_SIGNATURE_WRONG", voter: 0 });
    expect(verdict(forged, () => true)).toBe("ok");
    const repeated = { ...forged, voters: [0, 0, 1] };
    expect(verdict(repeated, () => true)).toMatchObject({ code: "CERTIFICATE_SIGNER_REPEATED" });
  });
});

describe("verifyEquivocation", () => {
  const [a, b] = [digestOf("a"), digestOf("b")];
  const judge = (proof: ReturnType<typeof proofOf>) => {
    const result = verifyEquivocation(nodeCrypto, { channel, validators: set }, proof);
    return result.ok ? "ok" : result.fault.code;
  };
  const proof = proofOf(set, 2, [notarize(5, a), notarize(5, b)]);

  test("passes two signed ballots that contradict each other", () => {
    expect(judge(proof)).toBe("ok");
    expect(judge(proofOf(set, 2, [finalize(5, a), nullify(5)]))).toBe("ok");
    expect(judge(proofOf(set, 2, [finalize(5, a), finalize(5, b)]))).toBe("ok");
  });

  test.each([
    ["what is legal", proofOf(set, 2, [notarize(5, a), nullify(5)]), "EQUIVOCATION_NONE"],
    ["another epoch", { ...proof, epoch: 2 }, "EQUIVOCATION_OTHER_EPOCH"],
    ["an unknown voter", { ...proof, voter: 4 }, "EQUIVOCATION_VOTER_UNKNOWN"],
    ["another's signatures", { ...proof, voter: 1 }, "EQUIVOCATION_SIGNATURE_WRONG"],
  ] as const)("refuses %s", (_name, wrong, code) => {
    expect(judge(wrong)).toBe(code);
  });

  test("refuses a proof of which only one half is signed", () => {
    const second = { ...proof.second, signature: new Uint8Array(64) };
    expect(judge({ ...proof, second })).toBe("EQUIVOCATION_SIGNATURE_WRONG");
  });

  test("conflict is symmetric, and never between views", () => {
    const ballots = [notarize(5, a), notarize(5, b), finalize(5, a), finalize(5, b), nullify(5)];
    for (const x of ballots)
      for (const y of ballots) {
        expect(conflict(x, y)).toBe(conflict(y, x));
        expect(conflict(x, { ...y, view: 6 })).toBe(false);
      }
    expect(ballots.flatMap((x) => ballots.filter((y) => conflict(x, y)))).toHaveLength(8);
  });
});
