import { describe, expect, test } from "vitest";
import { SecondKeys } from "../../../test/support/ml-dsa.ts";
import { issueReceipt, SyntheticChannel } from "../../../test/support/synthetic-channel.ts";
import type { Member } from "../../../test/support/synthetic-epochs.ts";
import { SyntheticEpochs } from "../../../test/support/synthetic-epochs.ts";
import { present } from "../base/assert.ts";
import { toHex, utf8 } from "../base/bytes.ts";
import { nobleCrypto } from "../base/noble-crypto.ts";
import { nodeCrypto } from "../daemon/node-crypto.ts";
import { describeReceipt } from "./describe-receipt.ts";
import { followEpochs } from "./epoch-chain.ts";
import { explainFault } from "./explain-fault.ts";
import type { TrustPolicyContent } from "./trust-policy.ts";
import { encodeTrustPolicy, judgeTrustPolicy, trustPolicyDigest } from "./trust-policy.ts";
import { parseTrustPolicy } from "./trust-policy-file.ts";
import { verifyReceipt } from "./verify-receipt.ts";
import { verifySealedNote } from "./verify-seal.ts";

const channel = new SyntheticChannel({ validators: 4 });
const receipt = issueReceipt(channel);
const second = new SecondKeys(channel, 4);
const optional = second.policy(false);
const required = second.policy(true);
const lines = second.note([0, 1, 2]);

function judge(note: string, policy = required, crypto = nodeCrypto): string {
  const verified = verifySealedNote(crypto, policy, note);
  if (!verified.ok) return verified.fault.code;
  const { cosignatures, unchecked } = present(verified.value.mlDsa, "second keys");
  return `${cosignatures.map(({ validator }) => validator)}, unchecked ${unchecked}`;
}

describe("a checkpoint's ML-DSA-44 lines", () => {
  test("are reported where the policy names second keys, and passed over where it does not", () => {
    expect(judge(lines, optional)).toBe("validator-1,validator-2,validator-3, unchecked 0");
    expect(judge(second.note([1], [0, 2]), optional)).toBe("validator-2, unchecked 0");
    expect(judge(second.note([], [0, 1, 2]), optional)).toBe(", unchecked 0");
    const plain = verifySealedNote(nodeCrypto, channel.policy, lines);
    expect(plain.ok && plain.value.mlDsa).toBeUndefined();
    expect(plain.ok).toBe(true);
  });

  test("are of a quorum where the policy requires them", () => {
    expect(judge(lines)).toBe("validator-1,validator-2,validator-3, unchecked 0");
    expect(judge(second.note([0, 1], [2]))).toBe("SEAL_ML_DSA_MISSING");
    expect(judge(second.note([], [0, 1, 2]))).toBe("SEAL_ML_DSA_MISSING");
  });

  test("do not stand in for Ed25519: both are counted, each for itself", () => {
    expect(judge(second.note([0, 1]), optional)).toBe("SEAL_QUORUM_MISSING");
  });

  test("are all good, or the checkpoint is refused", () => {
    const other = new SecondKeys(channel, 4);
    const [first = ""] = lines.split("\n").slice(-4);
    const wrong = second.note([1, 2], [0]).trimEnd();
    const spoilt = first.replace(
      /^(— \S+ .{40})(.)/,
      (_, head, one) => head + (one === "A" ? "B" : "A"),
    );
    expect(judge(`${wrong}\n${first}\n`, optional)).toMatch(/^validator-1/);
    expect(judge(`${wrong}\n${spoilt}\n`, optional)).toBe("SEAL_ML_DSA_WRONG");
    // Another key's line is a stranger's.
    expect(judge(other.note([0, 1, 2]), optional)).toBe(", unchecked 0");
  });

  test("cannot be checked in a browser, which is said, and is a refusal where they are required", () => {
    expect(judge(lines, optional, nobleCrypto)).toBe(", unchecked 3");
    expect(judge(lines, required, nobleCrypto)).toBe("SEAL_ML_DSA_UNAVAILABLE");
    const sentence = explainFault({ code: "SEAL_ML_DSA_UNAVAILABLE" }, "en");
    expect(sentence).toBe(
      "This program cannot check ML-DSA-44 cosignatures: use tamga-verify with Node 24 or newer.",
    );
  });

  test("of a later validator count where it has the same first key, not the same name alone", () => {
    const site = new SyntheticChannel({ validators: 4 });
    const keys = new SecondKeys(site, 4);
    const epochs = new SyntheticEpochs(site);
    const [one, ...others] = epochs.members;
    const usurper: Member = { ...present(one, "member"), key: present(others[2], "member").key };
    epochs.end([...others.slice(0, 2), usurper]);
    const followed = followEpochs(nodeCrypto, keys.policy(false), epochs.boundaries);
    const chain = followed.ok ? followed.value : undefined;
    site.log.fillTo(40);
    const verified = verifySealedNote(nodeCrypto, keys.policy(false), keys.note([0, 1, 2]), chain);
    if (!verified.ok) throw new Error(verified.fault.code);
    const { epoch, mlDsa } = verified.value;
    expect([epoch, mlDsa?.cosignatures.map(({ validator }) => validator)]).toEqual([
      1,
      ["validator-2", "validator-3"],
    ]);
  });
});

describe("a receipt", () => {
  const final = present(receipt.final, "final part");
  const verify = (policy = required, checkpoint?: string) =>
    verifyReceipt(nodeCrypto, policy, receipt, checkpoint === undefined ? {} : { checkpoint });

  test("needs its checkpoint's note beside it where the policy requires second keys", () => {
    expect(verify()).toMatchObject({ fault: { code: "SEAL_ML_DSA_MISSING", have: 0, needed: 3 } });
    expect(verify(required, lines)).toMatchObject({
      ok: true,
      value: { final: { mlDsa: { cosignatures: [{}, {}, {}], unchecked: 0 } } },
    });
    expect(verify(optional)).toMatchObject({ ok: true });
    expect(verify(optional, second.note([0, 1], [2]))).toMatchObject({ ok: true });
  });

  test("is not helped by another checkpoint's note, or by one that is none", () => {
    const later = new SyntheticChannel({ validators: 4 });
    const keys = new SecondKeys(later, 4);
    const own = issueReceipt(later);
    later.log.fillTo(9);
    const verified = verifyReceipt(nodeCrypto, keys.policy(true), own, {
      checkpoint: keys.note([0, 1, 2]),
    });
    expect(verified).toMatchObject({ fault: { code: "RECEIPT_OTHER_CHECKPOINT", size: 9n } });
    expect(verify(optional, "\u0000")).toMatchObject({ fault: { code: "SEAL_NOTE_MALFORMED" } });
    expect(final.channel.size).toBe(2n);
  });

  test("says in words who signed with a second key", () => {
    const verified = verify(optional, lines);
    if (!verified.ok) throw new Error(verified.fault.code);
    const said = (language: "en" | "zh") =>
      describeReceipt(nodeCrypto.sha256, verified.value, language).join("\n");
    expect(said("en")).toContain(
      "Also cosigned with ML-DSA-44 by 3 of 4 validators: validator-1, validator-2, validator-3\n",
    );
    expect(said("zh")).toContain("4 个验证节点中有 3 个另以 ML-DSA-44 联署：validator-1, ");
  });
});

describe("a trust policy with second keys", () => {
  const digest = (policy: TrustPolicyContent) =>
    toHex(trustPolicyDigest(nodeCrypto.sha256, policy));
  const { mlDsa44 } = required;
  const keys = present(mlDsa44, "second keys").keys;
  const judged = (more: Partial<NonNullable<TrustPolicyContent["mlDsa44"]>>) => {
    const result = judgeTrustPolicy({
      ...channel.policy,
      mlDsa44: { required: true, keys, ...more },
    });
    return result.ok ? "good" : result.fault.code;
  };

  test("comes back from its file, and has a digest of its own", () => {
    for (const policy of [optional, required, channel.policy]) {
      const read = parseTrustPolicy(utf8(encodeTrustPolicy(policy)));
      expect(read.ok && digest(read.value)).toBe(digest(policy));
    }
    expect(new Set([optional, required, channel.policy].map(digest)).size).toBe(3);
    expect(encodeTrustPolicy(channel.policy)).not.toContain("mlDsa44");
  });

  test("is judged: known validators, one key each, and enough where they are required", () => {
    expect(judged({})).toBe("good");
    expect(judged({ keys: keys.slice(1) })).toBe("good");
    expect(judged({ keys: keys.slice(2) })).toBe("TRUST_ML_DSA_TOO_FEW");
    expect(judged({ keys: [], required: false })).toBe("good");
    const [one, two] = keys;
    const [first, other] = [present(one, "key"), present(two, "key")];
    expect(judged({ keys: [...keys, first] })).toBe("TRUST_NAME_REPEATED");
    expect(judged({ keys: [first, { ...other, publicKey: first.publicKey }] })).toBe(
      "TRUST_KEY_REPEATED",
    );
    expect(judged({ keys: [{ ...first, publicKey: new Uint8Array(32) }] })).toBe(
      "TRUST_ML_DSA_KEY_BAD",
    );
    expect(judged({ keys: [{ ...first, validator: channel.gateway.name }] })).toBe(
      "TRUST_ML_DSA_STRANGER",
    );
  });

  test("is read strictly", () => {
    const text = encodeTrustPolicy(optional);
    const read = (from: string | RegExp, to: string) => {
      const parsed = parseTrustPolicy(utf8(text.replace(from, to)));
      return parsed.ok ? "good" : parsed.fault;
    };
    expect(read('"required": false', '"required": 0')).toMatchObject({
      code: "TRUST_FIELD_BAD",
      field: "mlDsa44.required",
    });
    expect(read('"required": false', '"required": false, "more": 1')).toMatchObject({
      code: "TRUST_FIELD_UNKNOWN",
    });
    expect(read(/"mlDsa44": \{[\s\S]*\}\n\}/, '"mlDsa44": null }')).toMatchObject({
      code: "TRUST_FIELD_BAD",
      field: "mlDsa44",
    });
  });
});
